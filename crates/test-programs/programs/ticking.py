"""Has a timer of a kilohertz, and works. Told something, it says what was done meanwhile.

`signals work available`: signals handled, loops made, and the seconds that it could have used: since the last answer, but for
the time that it was ready to run and others had its CPU.
"""

import signal
import sys
import time

from telling import say

handled = 0
loops = 0


def handle(*_):
    global handled
    handled += 1


def now():
    # Time on a CPU, time ready to run without one; of this thread, which is the only one.
    with open("/proc/self/schedstat") as file:
        waited = int(file.read().split()[1])
    return time.monotonic() - waited / 1e9


def work(seconds):
    global loops
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(100):
            loops += 1


def main():
    global handled, loops
    while sys.stdin.readline():
        handled, loops, began = 0, 0, now()
        work(float(sys.argv[1]))
        say("%d %d %f" % (handled, loops, now() - began))


signal.signal(signal.SIGALRM, handle)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
say("ready")
main()
