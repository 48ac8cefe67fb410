"""Threads that wait: two for each other's locks, one at a socket, one for a plain lock, one that handles an exception, one for an import.

Runs from 2.7 on.
"""
import os, socket, sys, tempfile, threading

first, second, plain = threading.RLock(), threading.RLock(), threading.Lock()
plain.acquire()
here, there = socket.socketpair()
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(1)
client = socket.create_connection(server.getsockname())
both = [threading.Event(), threading.Event()]
started = threading.Event()


def one():
    with first:
        both[0].set()
        both[1].wait()
        with second:
            pass


def other():
    with second:
        both[1].set()
        both[0].wait()
        with first:
            pass


def reader():
    password = "hunter2"
    headers = [(b"authorization", password), ("x-api-key", password)]
    values = getattr({"AccessKey": password}, "viewvalues", {"AccessKey": password}.values)()
    received = client.recv(1)


def wants_plain(lock):
    lock.acquire()


def handles():
    try:
        raise ValueError("broken")
    except ValueError:
        threading.Event().wait()


def holds_import():
    import held_by_test


def wants_import():
    import held_by_test


def start(target, *arguments):
    thread = threading.Thread(target=target, args=arguments, name=target.__name__)
    thread.daemon = True
    thread.start()


start(one)
start(other)
start(reader)
start(wants_plain, plain)
start(handles)
if sys.version_info[0] > 2:
    # Python 2 has one lock for all imports, which would hold up everything.
    folder = tempfile.mkdtemp()
    with open(os.path.join(folder, "held_by_test.py"), "w") as module:
        module.write("import sys, threading\nsys.modules['__main__'].started.set()\nthreading.Event().wait()\n")
    sys.path.insert(0, folder)
    sys.dont_write_bytecode = True
    start(holds_import)
    started.wait()
    os.remove(os.path.join(folder, "held_by_test.py"))
    os.rmdir(folder)
    start(wants_import)
sys.stdout.write("port %d\n" % server.getsockname()[1])
sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.readline()
