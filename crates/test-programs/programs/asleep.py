"""Threads that sleep for ever, and one that never does: `asleep.py SLEEPERS [busy]`. Runs from 2.7 on."""

from telling import get_native_id, ready, rules, say, start_daemon

import _thread
import os
import sys
import threading
import time


# Of x86-64: nanosleep, clock_nanosleep, and select, with which versions before 3.11 sleep.
SLEEPS = ("35", "230", "23", "270")


def sleeper():
    native.append(get_native_id())
    time.sleep(100000)


def wait_until_asleep():
    """A thread that waits for the GIL sleeps too: only the kernel knows where."""
    while not native:
        time.sleep(0)
    path = "/proc/self/task/%d/syscall" % native.pop()
    while True:
        with open(path) as file:
            if file.read().split(" ")[0] in SLEEPS:
                return
        time.sleep(0)


def busy():
    say("busy %d" % get_native_id())
    arrived.release()
    while True:
        pass


native = []
arrived = threading.Semaphore(0)
rules(__file__, None, ["<module>", "sleeper", "_bootstrap", "__bootstrap"])
threading.stack_size(256 * 1024)
for _ in range(int(sys.argv[1])):
    _thread.start_new_thread(sleeper, ())
    wait_until_asleep()
if len(sys.argv) > 2:
    start_daemon(busy)
    arrived.acquire()
ready()
os.read(0, 1)
