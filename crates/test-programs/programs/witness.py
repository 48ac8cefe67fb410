"""What a program says of its own threads when they are at rest, in one line of JSON. Runs from 2.7 on."""

import telling

import _thread
import codecs
import json
import sys
import tempfile
import threading
import time

try:
    import faulthandler
except ImportError:
    faulthandler = None

from telling import get_ident, get_native_id

# Of x86-64: read, poll, select, nanosleep, clock_nanosleep, epoll_wait, pselect6, ppoll, epoll_pwait.
RESTS = ("0", "7", "23", "35", "230", "232", "270", "271", "281")
FUTEX = "202"

# Byte strings are the names of 2.x. Bytes that are not UTF-8 are written out.
codecs.register_error("written", lambda e: (u"".join(u"\\x%02x" % b for b in bytearray(e.object[e.start:e.end])), e.end))

native = {}
arrived = []


def note():
    """Where a thread says that its next step is to rest."""
    native[get_ident()] = get_native_id()
    arrived.append(get_native_id())


def is_at_rest(tid):
    with open("/proc/self/task/%d/syscall" % tid) as file:
        words = file.read().split()
    # Who waits for the GIL waits with a timeout. (In 2.x nothing tells it from any other lock: no program waits for one.)
    return words[0] in RESTS or words[0] == FUTEX and int(words[4], 16) == 0


def text(name):
    # What UTF-8 can not say is written out.
    if isinstance(name, bytes):
        return name.decode("utf-8", "written")
    return name.encode("utf-8", "backslashreplace").decode("utf-8")


def frames(frame):
    found = []
    while frame is not None:
        code = frame.f_code
        found.append([text(getattr(code, "co_qualname", code.co_name)), text(code.co_filename), frame.f_lineno])
        frame = frame.f_back
    return found


def truth(own):
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    threads = []
    for ident, frame in sys._current_frames().items():
        if ident == get_ident():
            frame = own
        name = text(names[ident]) if ident in names else None
        state = "active" if name == "busy" else "idle"
        threads.append({"id": ident, "tid": native[ident], "name": name, "state": state, "frames": frames(frame)})
    traceback = ""
    if faulthandler is not None:
        with tempfile.TemporaryFile() as file:
            faulthandler.dump_traceback(file, all_threads=True)
            file.seek(0)
            traceback = file.read().decode("ascii", "replace")
    return json.dumps({"threads": threads, "faulthandler": traceback})


def start(name, target, comes_to_rest=True):
    """Starts a thread; one after the other, so that locks that they share are never waited for."""
    before = len(arrived)
    if name is None:
        _thread.start_new_thread(target, ())
    else:
        telling.start_daemon(target, name)
    while len(arrived) == before:
        time.sleep(0)
    while comes_to_rest and not is_at_rest(arrived[-1]):
        time.sleep(0)


def arrive():
    """For the main thread: tells the truth of the caller's line. Call it in the line that waits."""
    native[get_ident()] = get_native_id()
    telling.say(truth(sys._getframe(1)))
