"""Calls a function of a library that calls it back, for ever: `calling.py LIBRARY FUNCTION`. Runs from 2.7 on.

It says `ready` when it is there.
"""

from telling import get_ident, ready, start_daemon

import ctypes
import sys

CALLBACK = ctypes.CFUNCTYPE(None)


def called():
    while True: pass


def calls():
    getattr(library, sys.argv[2])(back)


def watch():
    while sys._current_frames()[main].f_code.co_name != "called":
        pass
    ready()


# The lock is not given up for the call.
library = ctypes.PyDLL(sys.argv[1])
back = CALLBACK(called)
main = get_ident()
start_daemon(watch)
calls()
