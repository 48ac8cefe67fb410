"""Work without the GIL, sleep and Python in turn; for each byte on standard input how long each of them took so far.

By the wall clock: a thread that waits for its CPU is as active as one that has it.
"""

import hashlib
import os
import threading
import time
import zlib
from time import perf_counter_ns as now

from telling import ready, rules, say

DATA = bytes(range(256)) * 2000
spent = {"digest": 0, "deflate": 0, "python": 0}


def digest():
    hashlib.sha256(DATA)


def deflate():
    zlib.compress(DATA, 1)


def python(until):
    while now() < until:
        pass


def rest():
    time.sleep(0.0007)


def main():
    while True:
        last = now()
        for name in "digest", "deflate", "python":
            if name == "digest":
                digest()  #> digest
            elif name == "deflate":
                deflate()  #> deflate
            else:
                python(now() + 1000000)  #> python
            time_now = now()
            spent[name] += time_now - last
            last = time_now
        rest()  #> rest


def answer():
    while os.read(0, 1):
        say(" ".join("%s %d" % item for item in spent.items()))


threading.Thread(target=answer, daemon=True).start()
rules(__file__)
ready()
main()  #> main
