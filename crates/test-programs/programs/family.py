"""A program with relatives of all kinds: each says who it is, works for a while and ends. It runs on 3.8 to 3.15.

Its process ends with status 3 when all are done but the daemon, who is on its own.
"""

import multiprocessing
import os
import subprocess
import sys
import time

from telling import say

WORK = 0.4


def leaf():
    pass


def work(seconds=WORK):
    end = time.process_time() + seconds
    while time.process_time() < end:
        leaf()


def begin(name):
    say("%s %d" % (name, os.getpid()))


def forked():
    begin("forked")
    work()


def grandchild():
    begin("grandchild")
    work()


def parent():
    begin("parent")
    pid = fork(grandchild)
    work()
    os.waitpid(pid, 0)


def spawned():
    begin("spawned")
    work()


def served():
    begin("served")
    work()


def started():
    begin("started")
    work()


def shelled():
    begin("shelled")
    work()


def late():
    begin("late")
    work()


def before():
    begin("before")
    work()
    os.execv(sys.executable, words("after"))


def after():
    begin("after")
    work()


def threaded():
    import threading

    begin("threaded")
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def daemon():
    # Who is between it and us has ended before it does anything.
    begin("daemon")
    work()


def brief():
    begin("brief")
    work(0.05)


def fork(function):
    pid = os.fork()
    if pid == 0:
        try:
            function()
        finally:
            os._exit(0)
    return pid


def daemonise():
    if os.fork() == 0:
        os.setsid()
        fork(daemon)
        os._exit(0)
    os.wait()


def words(name):
    return [sys.executable, "-B", __file__, name]


def everybody():
    begin("root")
    daemonise()
    # A program that is no Python, and one that has ended and is not waited for.
    sleeper = subprocess.Popen(["sleep", "60"])
    fork(lambda: None)
    shell = ["sh", "-c"]
    others = [
        subprocess.Popen(words("started")),
        subprocess.Popen(shell + ['"$@"; true', "sh"] + words("shelled")),
        # Another program first, then Python in its place.
        subprocess.Popen(shell + ['head -c 3000000 /dev/zero | cksum > /dev/null; exec "$@"', "sh"] + words("late")),
        subprocess.Popen(words("threaded")),
    ]
    pids = [fork(function) for function in (forked, parent, before)]
    pool = []
    for method, function in (("spawn", spawned), ("forkserver", served)):
        process = multiprocessing.get_context(method).Process(target=function)
        process.start()
        pool.append(process)
    work()
    for pid in pids:
        os.waitpid(pid, 0)
    for other in others:
        other.wait()
    for process in pool:
        process.join()
    for _ in range(5):
        os.waitpid(fork(brief), 0)
    sleeper.kill()
    sleeper.wait()
    sys.exit(3)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        globals()[sys.argv[1]]()
    else:
        everybody()
