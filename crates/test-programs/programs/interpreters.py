"""A second interpreter in a thread, busy like the main one: `interpreters.py own|shared [there]`.

With `own` it has a GIL of its own where the version has such a thing. With `there` it is created by the thread that runs
it, else by the main thread. Both are in their endless functions when it says that it is ready.
"""

import sys
import threading
import time

from telling import ready, rules

try:
    import _interpreters as module
except ImportError:
    import _xxsubinterpreters as module

SOURCE = """
def sub_leaf():
    pass

def sub_busy():
    os.write(WHERE, b"x")
    while True:
        sub_leaf()  #> sub_leaf
        sleep(0)

import os
from time import sleep
sub_busy()  #> sub_busy
"""


def create():
    if sys.version_info >= (3, 13):
        return module.create("isolated" if sys.argv[1] == "own" else "legacy")
    if sys.version_info >= (3, 12):
        return module.create(isolated=sys.argv[1] == "own")
    return module.create()


def enter(interpreter):
    # Its code is <string>, whose lines begin after the first one.
    text = SOURCE.replace("WHERE", str(pipe[1]))
    module.run_string(interpreter, text)  #> <module>


def root_there():
    enter(create())  #> enter


def root_here(interpreter):
    enter(interpreter)  #> enter


def leaf():
    pass


def main():
    ready()  #> *
    # In 3.9 to 3.11 nobody asks the other interpreter's threads for the lock: they must give it.
    while True:
        leaf()  #> leaf
        time.sleep(0)


import os

pipe = os.pipe()
rules(__file__, None, ["<module>", "_bootstrap"])
rules("<string>", SOURCE, ["<module>"])
if "there" in sys.argv:
    threading.Thread(target=root_there, daemon=True).start()
else:
    threading.Thread(target=root_here, args=(create(),), daemon=True).start()
os.read(pipe[0], 1)
main()  #> main
