"""Threads of 3 ms CPU time, one after the other: 1 ms early, 1.5 ms middle, 0.5 ms late; as much again by the main thread. Runs from 3.7 on."""

import threading
from time import thread_time_ns as now

from telling import ready, rules


def early(until):
    while now() < until:
        pass


def middle(until):
    while now() < until:
        pass


def late(until):
    while now() < until:
        pass


def short_life():
    early(1000000)  #> early
    middle(2500000)  #> middle
    late(3000000)  #> late


def steady(until):
    while now() < until:
        pass


def main():
    until = now()
    while True:
        until += 3000000
        steady(until)  #> steady
        thread = threading.Thread(target=short_life)  #> *
        thread.start()  #> *
        thread.join()  #> *


rules(__file__, None, ["<module>", "_bootstrap"])
ready()
main()  #> main
