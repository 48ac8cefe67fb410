"""Three functions that take 70, 20 and 10 per cent of the CPU time, by the thread's own clock. Runs from 3.7 on."""

from time import thread_time_ns as now

from telling import ready, rules


def seventy(until):
    while now() < until:
        pass


def twenty(until):
    while now() < until:
        pass


def ten(until):
    while now() < until:
        pass


def main():
    until = now()
    while True:
        until += 700000
        seventy(until)  #> seventy
        until += 200000
        twenty(until)  #> twenty
        until += 100000
        ten(until)  #> ten


rules(__file__)
ready()
main()  #> main
