"""One kind of work, over and over, until its parent is gone: `python work.py NAME`. It says `ready` when it is at it.

What Python 2 can not read is in modern.py.
"""

import os
import sys


def pure():
    def fibonacci(n):
        return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)

    return lambda: fibonacci(18)


def comprehensions():
    return lambda: [{str(n): [m for m in range(n % 7)]} for n in range(5000)]


def generators():
    def counting(n):
        for number in range(n):
            yield number

    def through(inner):
        for number in inner:
            yield number

    return lambda: sum(through(through(counting(20000))))


def sort():
    values = [(n * 7919) % 10007 for n in range(10000)]
    return lambda: sorted(values, key=lambda value: -value)


def regular_expression():
    import re

    text = "the quick brown fox jumps over the lazy dog 12345 " * 50
    return lambda: re.sub(r"(\w+) (?:o\w+|\d+)", lambda match: match.group(1), text)


def json():
    import json

    rows = [{"name": "x" * 20, "values": list(range(20)), "deep": {"a": [None, True, 1.5]}} for _ in range(100)]
    return lambda: json.loads(json.dumps(rows), object_hook=lambda found: found)


def pickle():
    import collections
    import pickle

    rows = [collections.OrderedDict(a=list(range(50)), b="text") for _ in range(100)]
    return lambda: pickle.loads(pickle.dumps(rows))


def zlib():
    import zlib

    data = bytes(range(256)) * 2000
    return lambda: zlib.decompress(zlib.compress(data))


def bz2():
    import bz2

    data = bytes(range(256)) * 200
    return lambda: bz2.decompress(bz2.compress(data))


def lzma():
    import lzma

    data = bytes(range(256)) * 200
    return lambda: lzma.decompress(lzma.compress(data))


def hashes():
    import hashlib

    data = bytes(1 << 20)
    return lambda: [hashlib.new(name, data).digest() for name in ("md5", "sha1", "sha256", "sha512")]


def key_derivation():
    import hashlib

    return lambda: hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 20000)


def sqlite():
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.create_function("twice", 1, lambda value: value * 2)
    connection.execute("create table numbers (number)")
    connection.executemany("insert into numbers values (?)", [(n,) for n in range(2000)])
    return lambda: connection.execute("select sum(twice(number)) from numbers group by number % 7 order by 1").fetchall()


def decimals():
    import decimal

    return lambda: sum(decimal.Decimal(n).sqrt() / 3 for n in range(1, 500))


def big_numbers():
    return lambda: len(str(7 ** 5000))


def dates():
    import datetime

    return lambda: [datetime.datetime(2020, 1, 1 + n % 28).strftime("%Y-%m-%d %H:%M") for n in range(500)]


def parsing():
    source = "def f(a, b=1):\n    return [a + n for n in range(b) if n % 2]\n" * 20
    return lambda: compile(source, "made.py", "exec")


def evaluating():
    return lambda: [eval(compile("sum(n for n in range(%d))" % n, "made.py", "eval")) for n in range(50)]


def xml():
    import xml.etree.ElementTree as tree

    text = "<a>" + "<b c='d'>text<e/></b>" * 500 + "</a>"
    return lambda: [element.tag for element in tree.fromstring(text).iter()]


def garbage():
    import gc

    class Node(object):
        def __del__(self):
            self.other = None

    def rings():
        for _ in range(1000):
            one, two = Node(), Node()
            one.other, two.other = two, one
        gc.collect()

    return rings


def signals():
    import signal

    def handler(number, frame):
        sum(range(2000))

    signal.signal(signal.SIGPROF, handler)
    signal.setitimer(signal.ITIMER_PROF, 0.001, 0.001)
    return lambda: sum(n * n for n in range(5000))


def callbacks():
    import ctypes

    library = ctypes.CDLL(None)
    kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    compare = kind(lambda one, two: (one[0] > two[0]) - (one[0] < two[0]))
    array = ctypes.c_int * 500

    def once():
        values = array(*[(n * 7919) % 503 for n in range(500)])
        library.qsort(values, 500, ctypes.sizeof(ctypes.c_int), compare)

    return once


def threads():
    import threading

    def busy():
        while True:
            sum(n * n for n in range(1000))

    for _ in range(3):
        thread = threading.Thread(target=busy)
        thread.daemon = True
        thread.start()
    return lambda: sorted(range(1000), key=lambda value: -value)


def numpy_sort():
    import numpy

    values = numpy.random.rand(200000)
    return lambda: (numpy.sort(values), numpy.argsort(values), numpy.sort(values.astype(numpy.int32)))


def numpy_math():
    import numpy

    values = numpy.random.rand(200000)
    return lambda: numpy.exp(values) * numpy.sin(values) + numpy.sqrt(values) ** 1.5


def numpy_matmul():
    import numpy

    matrix = numpy.random.rand(300, 300)
    return lambda: numpy.matmul(matrix, matrix)


def numpy_small():
    import numpy

    return lambda: [numpy.array([n, n + 1]).sum() for n in range(1000)]


def scipy_svd():
    import numpy
    import scipy.linalg

    matrix = numpy.random.rand(150, 150)
    return lambda: scipy.linalg.svd(matrix)


def scipy_fft():
    import numpy
    import scipy.fft

    values = numpy.random.rand(1 << 16)
    return lambda: scipy.fft.fft(values)


def scipy_minimize():
    import scipy.optimize

    return lambda: scipy.optimize.minimize(lambda x: (x[0] - 1) ** 2 + (x[1] + 2) ** 4, [9.0, 9.0])


def pandas():
    import pandas

    frame = pandas.DataFrame({"key": [n % 100 for n in range(20000)], "value": range(20000)})
    return lambda: frame.groupby("key").value.apply(lambda group: group.max() - group.min()).sort_values()


def lxml():
    from lxml import etree

    text = b"<a>" + b"<b c='d'>text<e/></b>" * 500 + b"</a>"
    return lambda: [element.get("c") for element in etree.fromstring(text).xpath("//b[@c]")]


def pillow():
    import io

    from PIL import Image, ImageFilter

    image = Image.effect_noise((400, 400), 50).convert("RGB")

    def once():
        out = io.BytesIO()
        image.resize((200, 200)).filter(ImageFilter.GaussianBlur(3)).save(out, "JPEG")
        Image.open(out).load()

    return once


def orjson():
    import orjson

    rows = [{"name": "x" * 20, "values": list(range(20)), "deep": {"a": [None, True, 1.5]}} for _ in range(500)]
    return lambda: orjson.loads(orjson.dumps(rows))


def polars():
    import polars

    frame = polars.DataFrame({"key": [n % 100 for n in range(50000)], "value": range(50000)})
    return lambda: frame.lazy().group_by("key").agg(polars.col("value").sum()).sort("key").collect()


def greenlets():
    import greenlet

    def other():
        while True:
            parent.switch(sum(range(200)))

    parent = greenlet.getcurrent()
    child = greenlet.greenlet(other)
    return lambda: [child.switch() for _ in range(200)]


def cython():
    import compiled

    counter, values = compiled.Counter(), list(range(2000))
    return lambda: (compiled.smallest(values, key=lambda value: -value), counter.add(values))


def main():
    parent = os.getppid()
    name = sys.argv[1]
    once = (globals().get(name) or getattr(__import__("modern"), name))()
    once()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while os.getppid() == parent:
        once()


main()
