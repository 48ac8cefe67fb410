"""Work for a while, of which the amount does not depend on the machine: `work.py [ROUNDS]`."""

import sys


def inner(n):
    return sum(i * i for i in range(n))


def work(rounds):
    return sum(inner(1000) for _ in range(rounds)) % 1000


if __name__ == "__main__":
    print(work(int(sys.argv[1]) if len(sys.argv) > 1 else 30000))
