"""Python that C has called: a key function that never returns. It says `ready` when it is there. Runs from 2.7 on."""

from telling import get_ident, ready, start_daemon

import sys


def key(_):
    while True: pass


def sort():
    sorted([1], key=key)


def watch():
    while sys._current_frames()[main].f_code.co_name != "key":
        pass
    ready()


main = get_ident()
start_daemon(watch)
sort()
