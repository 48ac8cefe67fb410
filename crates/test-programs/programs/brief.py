"""Three functions in turn that live 15, 30 and 105 us each time, by the thread's own clock; they call leaves all the time. Runs from 3.7 on."""

from time import thread_time_ns as now

from telling import ready, rules


def leaf():
    pass


def brief(until):
    while now() < until:
        leaf()  #> leaf


def longer(until):
    while now() < until:
        leaf()  #> leaf


def longest(until):
    while now() < until:
        leaf()  #> leaf


def main():
    until = now()
    while True:
        until += 15000
        brief(until)  #> brief
        until += 30000
        longer(until)  #> longer
        until += 105000
        longest(until)  #> longest


rules(__file__)
ready()
main()  #> main
