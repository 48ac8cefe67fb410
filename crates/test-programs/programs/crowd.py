"""Threads, each waiting for one lock, in 2.x for a pipe: `crowd.py THREADS`. Runs from 2.7 on."""

from witness import arrive, arrived, is_at_rest, note

import _thread
import os
import sys
import threading
import time

from telling import start_daemon


def waiter():
    note(), wait()


nothing, _never = os.pipe()
lock = _thread.allocate_lock()
lock.acquire()
wait = lock.acquire if sys.version_info >= (3,) else lambda: os.read(nothing, 1)
threading.stack_size(256 * 1024)
for number in range(int(sys.argv[1])):
    start_daemon(waiter, "waiter %d" % number)
while len(arrived) < int(sys.argv[1]) or not all(map(is_at_rest, arrived)):
    time.sleep(0)
arrive(), os.read(0, 1)
