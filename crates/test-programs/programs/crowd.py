"""Threads, each waiting for one lock: `crowd.py THREADS`."""

import _thread
import os
import sys
import threading
import time

from witness import arrive, arrived, is_at_rest, note


def waiter():
    note(), lock.acquire()


lock = _thread.allocate_lock()
lock.acquire()
threading.stack_size(256 * 1024)
for number in range(int(sys.argv[1])):
    threading.Thread(target=waiter, name="waiter %d" % number, daemon=True).start()
while len(arrived) < int(sys.argv[1]) or not all(map(is_at_rest, arrived)):
    time.sleep(0)
arrive(), os.read(0, 1)
