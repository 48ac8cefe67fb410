"""A child of a program with threads, which has started one of its own; says the child's id and the truth about it. Runs from 2.7 on.

Up to 3.3 the child's interpreter keeps the states of its parent's threads, and gives them out as its own.
"""

import telling

import json
import os
import sys
import warnings

from witness import arrived, frames, note, start

# To fork with threads is what newer versions warn of.
warnings.simplefilter("ignore")
nothing, _never = os.pipe()
# The interpreter's own list is not to be trusted here: each thread tells where it is itself.
told = {}


def rest():
    told[telling.get_ident()] = (telling.get_native_id(), sys._getframe())
    note(), os.read(nothing, 1)


def describe(ident, name):
    tid, frame = told[ident]
    return {"id": ident, "tid": tid, "name": name, "state": "idle", "frames": frames(frame)}


def child():
    told.clear()
    del arrived[:]
    start("the child's", rest)
    told_by = dict((ident, "the child's") for ident in told)
    told[telling.get_ident()] = (os.getpid(), sys._getframe())
    told_by[telling.get_ident()] = "MainThread"
    telling.say(json.dumps({"pid": os.getpid(), "threads": [describe(*one) for one in told_by.items()]})), os.read(0, 1)


for number in range(3):
    start("the parent's %d" % number, rest)
pid = os.fork()
if pid:
    os.waitpid(pid, 0)
else:
    child()
    os._exit(0)
