"""The program that `cargo xtask compare` has looked at: it counts its own work while it is profiled.

    python3 program.py FILE DEPTH SLEEPERS busy|idle HEAP

A chain of DEPTH different functions of which the last is busy for ever, or waits for ever, SLEEPERS threads that wait for a lock, and HEAP GiB of memory. FILE has
64-bit numbers and is shared memory: the first is the start in nanoseconds of the monotonic clock, each other one the pieces of work done in one slot of
20 ms. Who has the file can see at any time how fast the program ran when.
"""

import mmap
import os
import sys
import threading
import time

SLOT = 20_000_000


def work(slots, start):
    """Counts small pieces of work, each in the slot in which it ended."""
    clock, parent, last = time.monotonic_ns, os.getppid(), 0
    while True:
        for _ in range(100):
            pass
        slot = (clock() - start) // SLOT + 1
        slots[slot] += 1
        if slot != last:
            last = slot
            # Nobody is left to end this.
            if os.getppid() != parent:
                os._exit(1)


def wait(slots, start):
    """Does nothing until the other end is closed."""
    os.read(0, 1)


def chain(depth, leaf):
    """Functions of which each calls the next, the leaf among them."""
    names = {"f_%d" % depth: leaf}
    for number in range(1, depth):
        source = "def f_%d(slots, start):\n    return f_%d(slots, start)\n" % (number, number + 1)
        exec(compile("\n" * 4 * number + source, __file__, "exec"), names)
    return names["f_1"]


def main():
    path, depth, sleepers, kind = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    sys.setrecursionlimit(depth + 1000)
    with open(path, "r+b") as file:
        slots = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")
    lock = threading.Lock()
    lock.acquire()
    for _ in range(sleepers):
        threading.Thread(target=lock.acquire, daemon=True).start()
    memory = bytearray(b"x") * (int(sys.argv[5]) << 30)
    # The module and this function are two frames of the depth.
    function = chain(max(depth - 2, 1), work if kind == "busy" else wait)
    slots[0] = start = time.monotonic_ns()
    print("ready", flush=True)
    function(slots, start)
    del memory
    os._exit(0)


main()
