"""Runs a program to which the kernel refuses system calls, as container runtimes do it: `forbidding.py CALL=ERROR... -- PROGRAM...`.

An error is a name such as EPERM. The filter is inherited by whatever the program starts. x86-64 only.
"""

import ctypes
import errno
import os
import struct
import sys

CALLS = {
    "pread64": 17,
    "ptrace": 101,
    "prctl": 157,
    "perf_event_open": 298,
    "preadv": 295,
    "process_vm_readv": 310,
    "kcmp": 312,
    "statx": 332,
    "pidfd_send_signal": 424,
    "pidfd_open": 434,
    "clone3": 435,
    "bpf": 321,
    "openat2": 437,
    "epoll_pwait2": 441,
}

# linux/bpf_common.h, linux/seccomp.h, linux/audit.h
LOAD_WORD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARCHITECTURE = 0, 4
X86_64 = 0xC000003E
ALLOW, FAIL = 0x7FFF0000, 0x00050000

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def step(code, value, if_so=0, if_not=0):
    return struct.pack("=HBBI", code, if_so, if_not, value)


class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_char_p)]


def forbid(rules):
    steps = [
        step(LOAD_WORD, ARCHITECTURE),
        step(JUMP_IF_EQUAL, X86_64, 1, 0),
        step(RETURN, ALLOW),
        step(LOAD_WORD, NUMBER),
    ]
    for call, error in rules:
        steps += [step(JUMP_IF_EQUAL, CALLS[call], 0, 1), step(RETURN, FAIL | getattr(errno, error))]
    steps.append(step(RETURN, ALLOW))
    libc = ctypes.CDLL(None, use_errno=True)
    code = b"".join(steps)
    program = Filter(len(steps), code)
    words = [ctypes.c_ulong(0)] * 3
    if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), *words) != 0:
        raise OSError(ctypes.get_errno(), "no_new_privs")
    mode = ctypes.c_ulong(SECCOMP_MODE_FILTER)
    if libc.prctl(PR_SET_SECCOMP, mode, ctypes.byref(program), *words[:2]) != 0:
        raise OSError(ctypes.get_errno(), "no filter")


end = sys.argv.index("--")
forbid([word.split("=") for word in sys.argv[1:end]])
os.execvp(sys.argv[end + 1], sys.argv[end + 1 :])
