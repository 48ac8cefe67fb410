# -*- coding: utf-8 -*-
"""Threads that rest at places that all versions have, and the truth about them in one line of JSON. Runs from 2.7 on.

`places` has what only newer ones can say.
"""

from witness import arrive, note, start

import functools
import os
import shutil
import sys
import tempfile
import threading

from telling import say

nothing, _never = os.pipe()
one = [1]


def rest():
    note(), os.read(nothing, 1)


class Shape(object):
    def method(self):
        self.of_class()

    @classmethod
    def of_class(cls):
        cls.of_none()

    @staticmethod
    def of_none():
        Shape().attribute

    @property
    def attribute(self):
        self.unknown

    def __getattr__(self, name):
        with self:
            pass

    def __enter__(self):
        try:
            raise KeyError
        except KeyError:
            try:
                pass
            finally:
                rest()

    def __exit__(self, *_):
        pass


class Classic:
    def __call__(self):
        (lambda: rest())()


class Dying(object):
    def __del__(self):
        rest()


def in_a_destructor():
    dying = Dying()
    del dying


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@decorated
@decorated
def in_callbacks(*_):
    return sorted(one, key=lambda x: list(map(functools.partial(many_lines, 1), [x])))


def many_lines(*_):
    return max(
        1,
        abs(
            len(
                os.read(note() or nothing, 1)
            ),
        ),
        2,
    )


def inner():
    for _ in (rest() for _ in one):
        yield 1


def outer():
    for number in inner():
        yield number


def in_generators():
    return [sum(1 for _ in outer()) for _ in one], {1: 2}


def in_comprehensions():
    return {(x, y): [rest() for z in one] for x in one for y in {y for y in one}}


def in_an_event():
    event = threading.Event()
    note(), event.wait()


def in_a_class():
    class Body:
        [rest() for _ in one]


def in_an_import():
    folder = tempfile.mkdtemp()
    try:
        package = os.path.join(folder, "a_package")
        os.mkdir(package)
        with open(os.path.join(package, "__init__.py"), "w") as file:
            file.write("\nfrom . import a_module\n")
        with open(os.path.join(package, "a_module.py"), "w") as file:
            file.write("from corners import rest\n\n\nrest()\n")
        sys.path.append(folder)
        import a_package
    finally:
        shutil.rmtree(folder)


def made(source, file, name="made"):
    """A function that was made from source."""
    namespace = {"rest": rest}
    exec(compile(source, file, "exec"), namespace)
    return namespace[name]


LONG = "a_long_name_" * 417
PLAIN = "def made():\n    rest()\n"
MADE = {
    "semicolon": made(PLAIN, "a;b.py"),
    "newline": made(PLAIN, "new\nline.py"),
    "escape": made(PLAIN, "\x1b[31mred.py"),
    "long": made("def %s():\n    rest()\n" % LONG, "/" + LONG + ".py", LONG),
    "nameless file": made("\n\n" + PLAIN, ""),
    # No file name of 3.x is this; one of 2.x is not UTF-8.
    "scripts": made(PLAIN, "日本語/ελληνικά/🐍.py" if sys.version_info >= (3,) else "Latin \xe9\xff 日本語.py"),
    "far down": made("\n" * 70000 + PLAIN, "far.py"),
    "a gap": made("def made():\n    x = 1\n" + "\n" * 300 + "    rest()\n", "gap.py"),
    "gaps": made("def made():\n" + ("    x = 1\n" + "\n" * 127) * 3 + ("    x = 1\n" + "\n" * 254) * 3 + "    rest()\n", "gaps.py"),
    "big": made("def made():\n" + "    x = [1,\n 2]\n" * 6000 + "    rest()\n" + "    x = 1\n" * 9000, "big.py"),
    "big, first": made("def made(x=1):\n    if x: rest()\n" + "    x = 1\n" * 12000, "big_first.py"),
    "long line": made("def made():\n    x = " + "[1, x if 0 else 2]," * 300 + "rest()\n    rest()\n", "long_line.py"),
    "jumps back": made("def made():\n    return (\n" + "\n" * 300 + "        1 +\n" * 3 + "        rest()\n\n\n    )\n", "back.py"),
    "nested": made("def made():\n  def f(): return (lambda: rest())()\n  class C:\n    def g(self): f()\n  C().g()\n", "<made>"),
}
if sys.version_info >= (3, 6):
    ASYNC = """
async def ticks():
    yield 1
    rest()

async def deep():
    return [x async for x in ticks()]

async def shallow():
    return await deep()

def delegating():
    yield from (rest() for _ in [1])

def made():
    shallow().send(None)

def also_made():
    list(delegating())

def größe():
    also_made()
"""
    MADE["async"] = made(ASYNC, "async.py")
    MADE["größe 名 🐍"] = made(ASYNC, "名.py", "größe")


def busy():
    for _ in note() or iter(int, 1): pass


THREADS = {
    "plain": rest,
    "methods": Shape().method,
    "classic": Classic(),
    "callbacks": in_callbacks,
    "generators": in_generators,
    "comprehensions": in_comprehensions,
    "new\nline \x1b[31m": in_a_destructor,
    "name " * 1000: in_a_class,
}
if sys.version_info >= (3,):
    # In 2.x nobody can tell from outside whether it waits for this lock or for the GIL.
    THREADS["event"] = in_an_event
THREADS.update(MADE)


def keep():
    """2.x lets go of the GIL after so many steps even if nobody wants it, by default after 100, and a look in between sees no
    holder. Who wants it has to come just in between too, so this can not be for ever."""
    if sys.version_info < (3,):
        sys.setcheckinterval(3000)


def main():
    for name, target in THREADS.items():
        start(name, target)
    # In 2.x nobody else can import after that.
    start("", in_an_import)
    start(None, rest)
    start("busy", busy, comes_to_rest=False)
    # One line: while it is waiting for an answer it is where it was when it told the truth.
    arrive(), keep(), os.read(0, 1)
    say("1")


sys.modules["corners"] = sys.modules["__main__"]
main()
