"""A busy thread beside one that rests, and a child that is busy too. Runs from 2.7 on.

It says `child PID`, then `resting TID`, when the other two are where they stay. The child ends with its parent.
"""

from telling import get_ident, get_native_id, say, start_daemon

import os
import sys

nothing, _never = os.pipe()
here, there = os.pipe()


def spin():
    while True: pass


def outer():
    spin()


def rest():
    while sys._current_frames()[main].f_code.co_name != "spin":
        pass
    say("resting %d" % get_native_id())
    os.read(nothing, 1)


def in_child():
    os.write(there, b"x")
    while os.getppid() == parent:
        for _ in range(10000): pass


parent = os.getpid()
child = os.fork()
if child:
    os.read(here, 1)
    say("child %d" % child)
    main = get_ident()
    start_daemon(rest, "resting")
    outer()
else:
    in_child()
