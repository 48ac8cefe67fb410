"""Threads that wait: two for each other's locks, one at a socket, one for a plain lock, one that handles an exception.

Runs from 2.7 on.
"""
import socket, sys, threading

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
    client.recv(1)


def wants_plain(lock):
    lock.acquire()


def handles():
    try:
        raise ValueError("broken")
    except ValueError:
        threading.Event().wait()


def start(target, *arguments):
    thread = threading.Thread(target=target, args=arguments, name=target.__name__)
    thread.daemon = True
    thread.start()


start(one)
start(other)
start(reader)
start(wants_plain, plain)
start(handles)
sys.stdout.write("port %d\n" % server.getsockname()[1])
sys.stdout.write("ready\n")
sys.stdout.flush()
sys.stdin.readline()
