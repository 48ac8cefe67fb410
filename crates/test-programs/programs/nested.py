"""Interpreters within the interpreter, each in a thread, at rest: `nested.py own|shared`.

With `own` they have a GIL of their own where the version has such a thing.
"""

import json
import os
import sys

from witness import arrive, note, start

nothing, _never = os.pipe()
mouth, ear = os.pipe()[::-1]

SOURCE = """
import json, os, sys

def frames(frame):
    found = []
    while frame is not None:
        code = frame.f_code
        found.append([getattr(code, "co_qualname", code.co_name), code.co_filename, frame.f_lineno])
        frame = frame.f_back
    return found

def sub_rest():
    os.write(MOUTH, (json.dumps(frames(sys._getframe())) + "\\n").encode()), os.read(NOTHING, 1)

def sub_main():
    return [sub_rest() for _ in (1,)]

sub_main()
""".replace("MOUTH", str(mouth)).replace("NOTHING", str(nothing))


def create():
    own = sys.argv[1] == "own"
    if sys.version_info >= (3, 14) and own:
        from concurrent import interpreters

        return interpreters.create().exec
    if sys.version_info >= (3, 13):
        import _interpreters as module

        interpreter = module.create("isolated" if own else "legacy")
    else:
        import _xxsubinterpreters as module

        interpreter = module.create(isolated=own) if sys.version_info >= (3, 9) else module.create()
    kept.append(interpreter)
    return lambda source: module.run_string(interpreter, source)


def in_a_thread():
    note(), create()(SOURCE)


kept = []
# One that runs nothing, made by the main thread.
create()
told = []
with os.fdopen(ear) as file:
    for number in range(3):
        start("thread %d" % number, in_a_thread, comes_to_rest=False)
        told.append(json.loads(file.readline()))
    print(json.dumps(told), flush=True)
    arrive(), os.read(0, 1)
