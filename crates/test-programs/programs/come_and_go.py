"""Threads that start and end all the time. Runs from 2.7 on."""

from telling import ready, rules

import _thread
import threading


def leaf():
    pass


def brief():
    for _ in range(20):
        leaf()  #> leaf


def root_raw():
    brief()  #> brief
    slots.release()  #> *


def root_thread():
    brief()  #> brief


def main():
    while True:
        slots.acquire()  #> *
        _thread.start_new_thread(root_raw, ())
        thread = threading.Thread(target=root_thread)  #> *
        thread.start()  #> *
        thread.join()  #> *


slots = threading.Semaphore(4)
rules(__file__, None, ["<module>", "root_raw", "_bootstrap", "__bootstrap"])
ready()
main()  #> main
