"""A busy main thread that counts, one that does what it is told, and one asleep.

Told nothing but an end of line it says the count when it has grown; told a word it does that. Runs from 2.7 on.
"""

from telling import get_native_id, say, start_daemon

import os
import signal
import sys
import time

count = 0


def leaf():
    global count
    count += 1


def work():
    while True:
        for _ in range(100):
            leaf()


def sleeper():
    native.append(get_native_id())
    time.sleep(100000)


def main():
    try:
        work()
    except KeyboardInterrupt:
        # One only, and time to clean up.
        say("cleaning")
        say("cleaned " + sys.stdin.readline().strip())
        os._exit(5)


def told():
    while True:
        line = sys.stdin.readline()
        before = count
        if line == "\n":
            while count == before:
                time.sleep(0)
            say(str(count))
        elif line == "exec\n":
            os.execv(sys.executable, [sys.executable, "-c", "import os; os.write(1, b'other\\n'); os.read(0, 1)"])
        elif line == "crash\n":
            os.kill(os.getpid(), signal.SIGSEGV)
        elif line == "abort\n":
            os.abort()
        elif line.startswith("exit "):
            os._exit(int(line[5:]))
        else:
            # What follows is for somebody else.
            return


def polite(*_):
    say("asked to end")
    os._exit(0)


native = []
signal.signal(signal.SIGINT, signal.default_int_handler)
if "polite" in sys.argv:
    signal.signal(signal.SIGTERM, polite)
start_daemon(told, "told")
start_daemon(sleeper, "sleeper")
while not native or open("/proc/self/task/%d/stat" % native[0]).read().rpartition(")")[2].split()[0] != "S":
    time.sleep(0)
say("ready %d" % os.getpid())
main()
