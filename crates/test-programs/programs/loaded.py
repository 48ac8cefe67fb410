"""Which of some eBPF programs and maps are there: a line of `program ID` and `map ID` is answered with those that are."""

import ctypes
import os
import struct
import sys

from telling import say

BPF = 321
NEXT = {"program": 11, "map": 12}
system = ctypes.CDLL(None, use_errno=True)


def is_there(kind, number):
    """By the next one after the one before: that takes no hold of it."""
    ids = ctypes.create_string_buffer(struct.pack("IIII", number - 1, 0, 0, 0))
    if system.syscall(BPF, NEXT[kind], ids, 12) != 0:
        return False
    return struct.unpack("IIII", ids.raw[:16])[1] == number


say("ready")
for line in iter(sys.stdin.readline, ""):
    words = line.split()
    pairs = zip(words[::2], words[1::2])
    say("there: " + " ".join("%s %s" % (kind, number) for kind, number in pairs if is_there(kind, int(number))))
