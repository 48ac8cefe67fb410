"""What the recordings of `cargo xtask fixtures` are of: threads of all kinds that stand still, and the truth about them. Runs from 3.6 on.

It stands alone and names no folder of the machine that it runs on: what it has in memory is kept in this repository.
"""

import _thread
import os
import signal
import sys
import threading

signal.alarm(900)
arrived = _thread.allocate_lock()
arrived.acquire()
never = _thread.allocate_lock()
never.acquire()


def rest():
    # One line, so that it does not matter how far it has come.
    arrived.release(), never.acquire()


def recursion(depth):
    if depth:
        recursion(depth - 1)
    else:
        rest()


def generator():
    yield rest()


def delegating():
    yield from generator()


def generators():
    for _ in delegating():
        pass


def comprehension():
    return [rest() for _ in range(1)]


def expression():
    return sum(rest() for _ in range(1))


def handler():
    try:
        raise KeyError
    except KeyError:
        try:
            {}["missing"]
        finally:
            rest()


class Outer:
    class Inner:
        def __init__(self):
            self.method()

        def method(self):
            Outer.of_class()

    @classmethod
    def of_class(cls):
        Outer.static()

    @staticmethod
    def static():
        (lambda: rest())()


async def inner_coroutine():
    rest()


async def coroutine():
    await inner_coroutine()


def asynchronous():
    coroutine().send(None)


def größe():
    rest()


def 名前():
    größe()


def 𠀀𠀁():
    名前()


def surrogate():
    rest()


# What a code object is made of up to 3.7, which can not replace parts of one.
PARTS = "argcount kwonlyargcount nlocals stacksize flags code consts names varnames filename name firstlineno lnotab freevars cellvars"


def replaced(code, **parts):
    if hasattr(code, "replace"):
        return code.replace(**parts)
    names = ["co_" + part for part in PARTS.split()]
    return type(code)(*[parts.get(name, getattr(code, name)) for name in names])


names = {"co_name": "lone_\udc80"}
if hasattr(surrogate.__code__, "co_qualname"):
    names["co_qualname"] = "lone_\udc80"
surrogate.__code__ = replaced(surrogate.__code__, **names)

LONG = "l" * 300
exec(compile("\n" * 70000 + "def %s():\n    rest()" % LONG, "/srv/app/名.py", "exec"))


def called_from_c():
    list(map(lambda _: rest(), [1]))


# The frames with which threads begin are the library's.
for function in (threading.Thread._bootstrap, threading.Thread._bootstrap_inner, threading.Thread.run):
    function.__code__ = replaced(function.__code__, co_filename="/usr/lib/python3/threading.py")

for number, target in enumerate(
    [generators, comprehension, expression, handler, Outer.Inner, asynchronous, 𠀀𠀁, surrogate, globals()[LONG]]
):
    threading.Thread(target=target, name="thread %d %s" % (number, "é名𠀀"[:number]), daemon=True).start()
    arrived.acquire()
_thread.start_new_thread(called_from_c, ())
arrived.acquire()
_thread.start_new_thread(recursion, (40,))
arrived.acquire()


def describe(frame):
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        yield "  %s (%s:%d)" % (name, os.path.basename(code.co_filename), frame.f_lineno)
        frame = frame.f_back


def truth():
    own = threading.get_ident()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = ["version %d.%d.%d" % sys.version_info[:3]]
    for ident, frame in sorted(sys._current_frames().items()):
        lines.append("thread %d %s" % (ident, names.get(ident, "-")))
        lines.extend(describe(sys._getframe(1) if ident == own else frame))
    return ("\n".join(lines) + "\nready\n").encode("utf-8", "backslashreplace")


def stand_still():
    while True:
        os.write(1, truth()), os.read(0, 1)


stand_still()
