"""Processes that are peculiar: `alone.py daemon|deathsig|undumpable|exec|title|threads|vfork`."""

import ctypes
import os
import signal
import sys

from work import work

way, libc = sys.argv[1], ctypes.CDLL(None)
if way == "daemon":
    import subprocess

    # It has left its parent, session and group when its parent goes on.
    work(10000)
    subprocess.run([sys.executable, sys.argv[0], "daemonized"])
    work(20000)
elif way == "daemonized":
    import daemon

    with daemon.DaemonContext(working_directory=os.getcwd()):
        work(15000)
elif way == "deathsig":
    # PR_SET_PDEATHSIG: it dies with the thread that started it.
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            libc.prctl(1, signal.SIGKILL)
            work(10000)
            os._exit(3)
        children.append(child)
    print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
elif way == "undumpable":
    # PR_SET_DUMPABLE: others of the same user may not look at it.
    libc.prctl(4, 0)
    print(work(20000))
elif way == "exec":
    # The same process is another program, again and again.
    left = int(sys.argv[2])
    work(3000)
    if left:
        os.execv(sys.executable, [sys.executable, *sys.argv[:2], str(left - 1)])
    print("done")
elif way == "title":
    import setproctitle

    setproctitle.setproctitle("a; title\n of its own \x1b[31m")
    print(work(20000))
elif way == "threads":
    import threading

    threads = [threading.Thread(target=work, args=(2000,)) for _ in range(20)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    print("done")
elif way == "vfork":
    # subprocess starts with vfork; many short ones, each a Python.
    import subprocess

    run = [sys.executable, "-S", "-c", "import sitecustomize, work; work.work(1000)"]
    print([subprocess.run(run).returncode for _ in range(20)])
