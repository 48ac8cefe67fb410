"""Does one thing all the time: `threads`, `forks`, `spawns`, `signals` or `together`. Told something, it ends, with what it has done.

Whatever goes wrong in it ends it with another status than 0.
"""

import os
import signal
import subprocess
import sys
import threading
import time

from telling import say

count = 0


def leaf():
    global count
    count += 1


def brief():
    for _ in range(50):
        leaf()


def threads():
    # One ends every millisecond, at any moment some have just begun.
    alive = []
    while not told():
        thread = threading.Thread(target=brief)
        thread.start()
        alive.append(thread)
        if len(alive) > 4:
            alive.pop(0).join()


def forks():
    while not told():
        pid = os.fork()
        if pid == 0:
            brief()
            os._exit(7)
        brief()
        if os.waitpid(pid, 0) != (pid, 7 << 8):
            sys.exit("a child ended otherwise")


def spawns():
    # From 3.8 on with vfork, during which the thread can not be stopped.
    while not told():
        subprocess.run(["/bin/true"], check=True, close_fds=False)
        brief()


def signals():
    """Each real-time signal that is sent arrives once: the interpreter writes a byte for each."""
    number = signal.SIGRTMIN + 1
    hear, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(tell)
    pid = os.fork()
    if pid == 0:
        signal.set_wakeup_fd(-1)
        os.close(hear)
        send(number, os.getppid())
    os.close(tell_sender[0])
    while not told():
        os.write(tell_sender[1], b"x" * 50)
        missing = 50
        while missing:
            brief()
            missing -= len(os.read(hear, missing))
    # None came twice.
    os.set_blocking(hear, False)
    try:
        sys.exit("%d too many" % len(os.read(hear, 100)))
    except BlockingIOError:
        pass
    signal.set_wakeup_fd(-1)
    os.close(tell_sender[1])
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("the sender failed")


def send(number, pid):
    os.close(tell_sender[1])
    while True:
        wanted = os.read(tell_sender[0], 50)
        if not wanted:
            os._exit(0)
        for _ in wanted:
            os.kill(pid, number)


def told():
    return ended


def listen():
    global ended
    sys.stdin.readline()
    ended = True


def together():
    """Threads come and go, children too, while signals come."""
    signal.signal(signal.SIGALRM, lambda *_: leaf())
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    others = [threading.Thread(target=what) for what in (threads, spawns)]
    for other in others:
        other.start()
    while not told():
        time.sleep(0.0003)
        brief()
    for other in others:
        other.join()
    signal.setitimer(signal.ITIMER_REAL, 0, 0)


ended = False
tell_sender = os.pipe()
# Signals are for the first thread: this one is not to handle them in its place.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGRTMIN + 1})
threading.Thread(target=listen, daemon=True).start()
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM, signal.SIGRTMIN + 1})
say("ready")
{"threads": threads, "forks": forks, "spawns": spawns, "signals": signals, "together": together}[sys.argv[1]]()
say("done %d" % count)
