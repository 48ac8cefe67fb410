"""A busy program: says `ready`, then calls spin() until its standard input ends or a file appears.

With a file name as its argument it waits for that file, or for the end of its folder; then it complains and fails. Asked
to end (SIGTERM), it leaves a file of that name with `.cleaned` behind.
"""

import ctypes
import os
import signal
import sys
import threading

try:
    # Where only a parent may look at a process (Yama), everybody may look at this one.
    PR_SET_PTRACER = 0x59616D61
    ctypes.CDLL(None).prctl(PR_SET_PTRACER, ctypes.c_ulong(-1), 0, 0, 0)
except (OSError, AttributeError):
    pass


def spin():
    total = 0
    for i in range(10000):
        total += i
    return total


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def clean_up(number, frame):
    open(sys.argv[1] + ".cleaned", "w").close()
    sys.exit(0)


def main():
    if len(sys.argv) == 1:
        threading.Thread(target=end_with_input, daemon=True).start()
        print("ready", flush=True)
        while True:
            spin()
    signal.signal(signal.SIGTERM, clean_up)
    print("chatter on standard output", flush=True)
    folder = os.path.dirname(sys.argv[1])
    while os.path.isdir(folder) and not os.path.exists(sys.argv[1]):
        spin()
    print("it broke", file=sys.stderr, flush=True)
    sys.exit(3)


main()
