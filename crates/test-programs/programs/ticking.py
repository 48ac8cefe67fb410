"""Has a timer of a kilohertz, and works. Told something, it does so for a while, and says what was done in it.

`signals missed loops seconds`: signals handled; milliseconds without one though it could have run; loops made; seconds that it could have
run. When others had its CPU while it was ready to run, it could not.
"""

import os
import signal
import sys
import time

from telling import say

MILLISECOND = 1000000
handled = missed = loops = last = 0
# Time on a CPU, time ready to run without one, times put on one; of this thread, which is the only one.
schedstat = os.open("/proc/self/schedstat", os.O_RDONLY)


def could_run():
    return time.monotonic_ns() - int(os.pread(schedstat, 100, 0).split()[1])


def look():
    global missed, last
    now = could_run()
    missed += max((now - last) // MILLISECOND - 1, 0)
    last = now


def handle(*_):
    global handled
    handled += 1
    look()


def work(seconds):
    global loops
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(100):
            loops += 1


def main():
    global handled, missed, loops, last
    while sys.stdin.readline():
        handled = missed = loops = 0
        began = last = could_run()
        work(float(sys.argv[1]))
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
        look()
        say("%d %d %d %f" % (handled, missed, loops, (last - began) / 1e9))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})


signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
say("ready")
main()
