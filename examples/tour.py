"""A program with a shape worth looking at: recursion, a generator, a worker thread, and a part that sleeps.

    python3 tour.py [SECONDS]
"""

import queue
import sys
import threading
import time
import zlib


def lines(count):
    """Makes the lines of a log file, one at a time."""
    number = 12345
    for _ in range(count):
        number = (number * 1103515245 + 12345) % 2**31
        yield "host%d GET /page/%d %d" % (number % 7, number % 100, number % 5000)


def parse(line):
    host, method, path, size = line.split(" ")
    return host, method, path, int(size)


def read_log(count):
    """Adds up the bytes that each host asked for."""
    total = {}
    for line in lines(count):
        host, _, _, size = parse(line)
        total[host] = total.get(host, 0) + size
    return total


def queens(size, row=0, columns=0, left=0, right=0):
    """Counts the ways to put queens on a chess board: one call inside the other for each row."""
    if row == size:
        return 1
    found = 0
    for column in range(size):
        here = 1 << column
        if not (columns | left | right) & here:
            found += queens(size, row + 1, columns | here, (left | here) << 1, (right | here) >> 1)
    return found


def wait_for_answer():
    """Stands for a request to another machine: the thread sleeps and uses no time of a CPU."""
    time.sleep(0.02)


def checksum(data):
    value = 0
    for byte in data[:30000]:
        value = (value * 31 + byte) & 0xFFFFFFFF
    return value


def compress(jobs):
    """The worker thread. zlib lets the others run while it works, the checksum does not."""
    while True:
        data = jobs.get()
        if data is None:
            return
        checksum(data)
        zlib.compress(data, 9)


def main(seconds):
    jobs = queue.Queue(maxsize=2)
    worker = threading.Thread(target=compress, args=(jobs,), name="compressor")
    worker.start()
    end = time.monotonic() + seconds
    rounds = 0
    while time.monotonic() < end:
        total = read_log(8000)
        solutions = queens(9)
        jobs.put(repr(total).encode() * 12000)
        wait_for_answer()
        rounds += 1
    jobs.put(None)
    worker.join()
    print("%d rounds; 9 queens stand in %d ways" % (rounds, solutions))


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 5)
