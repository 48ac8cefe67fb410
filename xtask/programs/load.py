"""Asks a server so many times, touches a file half-way (a reloader begins anew), and has it end: `load.py PORT REQUESTS LAST [FILE]`."""

import os
import sys
import threading
import time
import urllib.error
import urllib.request

port, requests, last = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def ask(path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
            return answer.read()
    except (OSError, urllib.error.URLError):
        return None


def wait():
    until = time.time() + 60
    while time.time() < until and ask("/") is None:
        time.sleep(0.05)


def some():
    for _ in range(requests // 8):
        ask("/")


def crowd():
    threads = [threading.Thread(target=some) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


wait()
crowd()
if len(sys.argv) > 4:
    os.utime(sys.argv[4])
    time.sleep(3)
    wait()
crowd()
ask(last)
