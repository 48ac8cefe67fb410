"""Threads that rest at all kinds of places, one that is busy, and the truth about all of them in one line of JSON."""

import _thread
import asyncio
import functools
import os
import sys
import tempfile
import threading
import time

from telling import say
from witness import arrive, note, start

nothing, _never = os.pipe()
one = [1]


def rest():
    note(), os.read(nothing, 1)


class Shape:
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


class Dying:
    def __del__(self):
        lock = _thread.allocate_lock()
        lock.acquire()
        note(), lock.acquire()


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
            int(
                time.sleep(note() or 100000)
            ),
        ),
        2,
    )


def inner():
    yield from (rest() for _ in one)


def outer():
    yield from inner()


def in_generators():
    return [sum(1 for _ in outer()) for _ in one], {1: 2}


def in_comprehensions():
    return {(x, y): [rest() for z in one] for x in one for y in {y for y in one}}


async def ticks():
    yield 1
    rest()


async def deep():
    return [x async for x in ticks()]


async def shallow():
    return await asyncio.gather(deep())


async def waiting():
    note(), await asyncio.get_running_loop().create_future()


def in_async():
    asyncio.run(shallow())


def in_a_loop():
    asyncio.run(waiting())


def in_an_event():
    event = threading.Event()
    note(), event.wait()


def in_a_destructor():
    dying = Dying()
    del dying


def in_a_class():
    class Body:
        [rest() for _ in one]


def in_an_import():
    with tempfile.TemporaryDirectory() as folder:
        package = os.path.join(folder, "a_package")
        os.mkdir(package)
        with open(os.path.join(package, "__init__.py"), "w") as file:
            file.write("\nfrom . import a_module\n")
        with open(os.path.join(package, "a_module.py"), "w") as file:
            file.write("from places import rest\n\n\nrest()\n")
        sys.path.append(folder)
        import a_package


def made(source, file, function="made", **names):
    """Runs a function that was made from source, under names that no source can have."""
    namespace = {"rest": rest}
    exec(compile(source, file, "exec"), namespace)
    made = namespace[function]
    if names and sys.version_info >= (3, 11):
        names["co_qualname"] = names["co_name"]
    made.__code__ = made.__code__.replace(**names)
    return made


LONG = "a_long_name_" * 417
PLAIN = "def made():\n    rest()\n"
MADE = {
    "semicolon": made(PLAIN, "a;b.py", co_name="a;b c"),
    "newline": made(PLAIN, "new\nline.py", co_name="new\nline"),
    "escape": made(PLAIN, "\x1b[31mred.py", co_name="\x1b[31mred\x07"),
    "long": made(PLAIN, "/" + LONG + ".py", co_name=LONG),
    "nameless file": made("\n\n" + PLAIN, ""),
    "surrogate": made(PLAIN, "sur\udc80rogate.py", co_name="sur\ud800rogate"),
    "scripts": made("def функция():\n  rest()\n", "日本語/ελληνικά/🐍.py", "функция"),
    "far down": made("\n" * 70000 + PLAIN, "far.py"),
    "big": made("def made():\n" + "    x = [1,\n 2]\n" * 6000 + "    rest()\n" + "    x = 1\n" * 9000, "big.py"),
    "big, first": made("def made(x=1):\n    if x: rest()\n" + "    x = 1\n" * 12000, "big_first.py"),
    "jumps back": made("def made():\n    return (\n" + "\n" * 300 + "        1 +\n" * 3 + "        rest()\n\n\n    )\n", "back.py"),
    "nested": made("def made():\n  def f(): return (lambda: rest())()\n  class C:\n    def g(self): f()\n  C().g()\n", "<made>"),
}


def busy():
    for _ in note() or iter(int, 1): pass


THREADS = {
    "plain": rest,
    "methods": Shape().method,
    "Ünïcödé": in_callbacks,
    "日本語 العربية עברית ελληνικά": in_generators,
    "🐍👩‍👩‍👧‍👦": in_comprehensions,
    "new\nline \x1b[31m\u202e": in_async,
    "sur\udc80rogate \ud83d": in_a_loop,
    "name " * 1000: in_an_event,
    "": in_a_destructor,
    "ÿ" * 5000: in_a_class,
    "import": in_an_import,
}
THREADS.update(MADE)


def main():
    for name, target in THREADS.items():
        start(name, target)
    start(None, rest)
    start("busy", busy, comes_to_rest=False)
    # One line: while it is waiting for an answer it is where it was when it told the truth.
    arrive(), os.read(0, 1)
    say("1")


sys.modules["places"] = sys.modules["__main__"]
main()
