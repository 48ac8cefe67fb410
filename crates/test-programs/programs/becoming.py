"""Twenty threads that run, of which one runs this program anew when it is told to: `main`, or `thread`."""

import os
import sys
import threading

from telling import say


def leaf():
    pass


def work():
    # They begin together: beside busy ones it would take long to start the last.
    gate.wait()
    while True:
        leaf()


def become():
    gate.set()
    say("ready")
    # What is read must not be kept in a buffer: it is the next one's.
    word = os.read(0, 1)
    if word:
        number = str(int(sys.argv[2]) + 1)
        os.execv(sys.executable, [sys.executable, "-B", __file__, sys.argv[1], number])
    os._exit(int(sys.argv[2]) % 256)


# The one that is to become another has to have the GIL for it.
sys.setswitchinterval(0.0005)
gate = threading.Event()
for _ in range(19):
    threading.Thread(target=work, daemon=True).start()
if sys.argv[1] == "main":
    become()
else:
    threading.Thread(target=become).start()
    work()
