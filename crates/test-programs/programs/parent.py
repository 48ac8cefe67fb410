"""A parent that waits for its child, and how long that took: from the child's last word to the end of the wait.

The child has several threads that run. Told `exit`, it ends by itself; told `kill`, its parent kills it.
"""

import os
import signal
import sys
import threading
import time

from telling import say


def work():
    while True:
        pass


def child(hear, tell):
    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    try:
        say("child %d" % os.getpid())
    except BrokenPipeError:
        os._exit(0)
    # It works while it waits to be told: what it is told it finds in a pipe.
    os.set_blocking(hear, False)
    while True:
        try:
            os.read(hear, 1)
            break
        except BlockingIOError:
            pass
    os.write(tell, b"%.9f" % time.monotonic())
    os._exit(7)


def main():
    while True:
        (hear, order), (answer, tell) = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            # When the parent ends, so does this one.
            os.close(order)
            child(hear, tell)
        for fd in (hear, tell):
            os.close(fd)
        word = sys.stdin.readline().strip()
        if not word:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        if word == "kill":
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
            took = time.monotonic() - began
        else:
            os.write(order, b"x")
            status = os.waitpid(pid, 0)[1]
            ended = time.monotonic()
            took = ended - float(os.read(answer, 100))
        for fd in (order, answer):
            os.close(fd)
        say("%d %.6f" % (status, took))


main()
