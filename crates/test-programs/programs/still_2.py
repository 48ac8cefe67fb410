"""What the recording of 2.7 is of: as `still.py`, in its words. Runs from 2.7 on.

It stands alone and names no folder of the machine that it runs on: what it has in memory is kept in this repository.
"""

import os
import signal
import sys
import thread
import threading

signal.alarm(900)
arrived = thread.allocate_lock()
arrived.acquire()
never = thread.allocate_lock()
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


def generators():
    for _ in generator():
        pass


def comprehension():
    return {rest() for _ in range(1)}


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


class Outer(object):
    def __init__(self):
        self.of_class()

    @classmethod
    def of_class(cls):
        cls.static()

    @staticmethod
    def static():
        (lambda: rest())()


class Classic:
    def __init__(self):
        rest()


def replaced(code, **parts):
    names = "argcount nlocals stacksize flags code consts names varnames filename name firstlineno lnotab freevars cellvars"
    names = ["co_" + name for name in names.split()]
    return type(code)(*[parts.get(name, getattr(code, name)) for name in names])


def no_text():
    rest()


no_text.__code__ = replaced(no_text.__code__, co_name="no_utf8_\xff", co_filename="/srv/app/gr\xc3\xb6\xc3\x9fe.py")

LONG = "l" * 300
exec(compile("\n" * 70000 + "def %s():\n    x = 1\n%s    rest()" % (LONG, "\n" * 300), "/srv/app/far.py", "exec"))


def called_from_c():
    list(map(lambda _: rest(), [1]))


# The frames with which threads begin are the library's.
kind = threading.Thread
for name in ("_Thread__bootstrap", "_Thread__bootstrap_inner", "run"):
    function = getattr(kind, name).__func__
    function.__code__ = replaced(function.__code__, co_filename="/usr/lib/python2/threading.py")


def start(target, name):
    started = kind(target=target, name=name)
    started.daemon = True
    started.start()
    arrived.acquire()


for number, target in enumerate(
    [generators, comprehension, expression, handler, Outer, Classic, no_text, globals()[LONG]]
):
    start(target, "thread %d %s" % (number, "\xc3\xa9\xff"[:number]))
thread.start_new_thread(called_from_c, ())
arrived.acquire()
thread.start_new_thread(recursion, (40,))
arrived.acquire()


def text(name):
    # Bytes that are no UTF-8 are written out.
    out = ""
    while name:
        try:
            name.decode("utf-8")
            return out + name
        except UnicodeDecodeError as error:
            out += name[: error.start] + "".join("\\x%02x" % ord(b) for b in name[error.start : error.end])
            name = name[error.end :]
    return out


def describe(frame):
    while frame is not None:
        code = frame.f_code
        yield "  %s (%s:%d)" % (text(code.co_name), text(os.path.basename(code.co_filename)), frame.f_lineno)
        frame = frame.f_back


def truth():
    own = thread.get_ident()
    names = {one.ident: text(one.name) for one in threading.enumerate()}
    lines = ["version %d.%d.%d" % sys.version_info[:3]]
    for ident, frame in sorted(sys._current_frames().items()):
        lines.append("thread %d %s" % (ident, names.get(ident, "-")))
        lines.extend(describe(sys._getframe(1) if ident == own else frame))
    return "\n".join(lines) + "\nready\n"


def stand_still():
    while True:
        os.write(1, truth()), os.read(0, 1)


stand_still()
