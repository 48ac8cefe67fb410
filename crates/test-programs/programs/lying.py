"""Its memory says that its one thread is the one that it was told: what is found there must not be believed."""

import ctypes
import sys
import threading

from telling import say


def leaf():
    pass


def work():
    while True:
        leaf()


def lie(other):
    get = ctypes.pythonapi.PyThreadState_Get
    get.restype = ctypes.c_void_p
    state = get()
    own = threading.get_native_id()
    found = 0
    for at in range(state, state + 400, 8):
        word = ctypes.c_uint64.from_address(at)
        if word.value == own:
            word.value = other
            found += 1
    return found


say("ready %d" % lie(int(sys.argv[1])))
work()
