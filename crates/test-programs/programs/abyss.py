"""A thread with a very deep stack: `abyss.py DEPTH`. Frames that follow each other and are equal are told as one. Runs from 2.7 on."""

from telling import say, start_daemon

import itertools
import json
import os
import sys
import threading
import time

from witness import arrived, frames, is_at_rest, note

nothing, _never = os.pipe()


def bottom():
    note(), os.read(nothing, 1)


def down(left):
    if left:
        return down(left - 1)
    bottom()


def start():
    down(int(sys.argv[1]))


sys.setrecursionlimit(int(sys.argv[1]) + 1000)
# Up to 3.10 each call takes a part of it.
threading.stack_size(1000 << 20)
thread = start_daemon(start)
while not arrived or not is_at_rest(arrived[0]):
    time.sleep(0)
runs = [list(frame) + [len(list(run))] for frame, run in itertools.groupby(frames(sys._current_frames()[thread.ident]))]
say(json.dumps({"tid": arrived[0], "runs": runs})), os.read(0, 1)
