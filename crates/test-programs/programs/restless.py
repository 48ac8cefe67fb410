"""Begins and ends things: `threads`, `forks`, `spawns`, `signals` or `together`; so many for each line that it is told, and says when
they are done.

Whatever goes wrong in it ends it with another status than 0.
"""

import os
import signal
import subprocess
import sys
import threading

from telling import say


def leaf():
    pass


def brief():
    for _ in range(50):
        leaf()


def threads(count):
    # Some have just begun at any moment, and some are just ending.
    alive = []
    for _ in range(count):
        thread = threading.Thread(target=brief)
        thread.start()
        alive.append(thread)
        if len(alive) > 4:
            alive.pop(0).join()
    for thread in alive:
        thread.join()


def forks(count):
    for _ in range(count):
        pid = os.fork()
        if pid == 0:
            brief()
            os._exit(7)
        brief()
        if os.waitpid(pid, 0) != (pid, 7 << 8):
            sys.exit("a child ended otherwise")


def spawns(count):
    # In most versions with vfork, during which the thread can not be stopped.
    for _ in range(count // 4):
        subprocess.run(["/bin/true"], check=True, close_fds=False)
        brief()


def signals(count):
    """Each real-time signal that is sent arrives once: the interpreter writes a byte for each."""
    number = signal.SIGRTMIN + 1
    (hear, tell), (asked, ask) = os.pipe(), os.pipe()
    os.set_blocking(tell, False)
    signal.signal(number, lambda *_: None)
    pid = os.fork()
    if pid == 0:
        os.close(ask)
        send(number, os.getppid(), asked)
    os.close(asked)
    signal.set_wakeup_fd(tell)
    for _ in range(count):
        os.write(ask, b"x" * 50)
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
    os.close(ask)
    if os.waitpid(pid, 0)[1] != 0:
        sys.exit("the sender failed")
    os.close(hear)
    os.close(tell)


def send(number, pid, asked):
    while True:
        wanted = os.read(asked, 50)
        if not wanted:
            os._exit(0)
        for _ in wanted:
            os.kill(pid, number)


def together(count):
    """Threads come and go, children too, while signals come."""
    handled = []
    signal.signal(signal.SIGALRM, lambda *_: handled.append(brief()))
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    others = [threading.Thread(target=what, args=(count // 4,)) for what in (threads, spawns)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    while not handled:
        brief()
    signal.setitimer(signal.ITIMER_REAL, 0, 0)


def main():
    what = {"threads": threads, "forks": forks, "spawns": spawns, "signals": signals, "together": together}[sys.argv[1]]
    say("ready")
    for _ in sys.stdin:
        what(int(sys.argv[2]))
        say("done")


main()
