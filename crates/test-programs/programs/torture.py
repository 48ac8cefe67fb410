"""Eight threads with functions of their own that hand generators to each other as fast as they can. Runs from 2.7 on."""

from telling import ready, rules

import _thread
import binascii  # noqa: used by the threads
import sys
import time  # noqa: used by the threads

COUNT = 8
EVERY = " ".join("giver_%d" % number for number in range(COUNT))

SOURCE = """
def leaf_N():
    pass

def giver_N():
    while True:
        leaf_N()  #> leaf_N
        yield N

def resume_N():
    try:
        generator = POOL.pop()
    except IndexError:
        generator = giver_N()  #> giver_N
    next(generator)  #> EVERY
    POOL.append(generator)

def outside_N():
    binascii.crc32(DATA)
    time.sleep(0)

def root_N():
    while True:
        resume_N()  #> resume_N
        leaf_N()  #> leaf_N
        outside_N()  #> outside_N
"""

POOL = []
DATA = b"x" * 8000
def of_thread(number):
    return SOURCE.replace("EVERY", EVERY).replace("_N", "_%d" % number).replace("yield N", "yield %d" % number)


source = "".join(map(of_thread, range(COUNT)))
exec(compile(source, "threads.py", "exec"))

rules(__file__, source, ["<module>"] + ["root_%d" % n for n in range(COUNT)])
if hasattr(sys, "setswitchinterval"):
    sys.setswitchinterval(1e-5)
else:
    sys.setcheckinterval(1)
for n in range(COUNT):
    _thread.start_new_thread(globals()["root_%d" % n], ())
ready()
forever = _thread.allocate_lock()
forever.acquire()
forever.acquire()
