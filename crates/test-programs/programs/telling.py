"""How the programs of this folder speak to the test that started them. Runs from 2.7 on.

A program that runs on versions before 3.8 says `Runs from X.Y on.` in its first lines, and imports this before all else.
"""

import ast
import io
import os
import signal
import sys
import threading

# A test that was killed leaves nothing behind.
signal.alarm(900)

# What has another name, or is not there at all, in old versions.
try:
    import _thread
except ImportError:
    import thread as _thread

    sys.modules["_thread"] = _thread
get_ident = _thread.get_ident

if sys.version_info < (3, 8):
    import ctypes


def of_the_kernel(number, *arguments):
    """A system call of x86-64."""
    return ctypes.CDLL(None).syscall(number, *arguments)


def get_native_id():
    if hasattr(threading, "get_native_id"):
        return threading.get_native_id()
    return of_the_kernel(186)


def pin(cpu):
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {cpu})
    else:
        mask = bytearray(128)
        mask[cpu // 8] = 1 << cpu % 8
        of_the_kernel(203, 0, len(mask), bytes(mask))


if "PROGRAM_CPU" in os.environ:
    pin(int(os.environ["PROGRAM_CPU"]))


def start_daemon(target, name=None, args=()):
    thread = threading.Thread(target=target, name=name, args=args)
    thread.daemon = True
    thread.start()
    return thread


def say(text):
    data = (text + "\n").encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(1, data):]


def last_line(node):
    if hasattr(node, "end_lineno"):
        return node.end_lineno
    # Up to 3.7 the line where the last part of it begins: in these programs that is its last one.
    return max(getattr(part, "lineno", 0) for part in ast.walk(node))


def rules(path, source=None, roots=("<module>",)):
    """Says which stacks are possible. `#> a b` behind a line means that the line may call a and b.

    A comprehension is a frame of its own in some versions only: the others of its line may be called by it or directly.
    """
    if source is None:
        with io.open(path, encoding="utf-8") as file:
            source = file.read()
    kinds = (ast.FunctionDef, getattr(ast, "AsyncFunctionDef", ast.FunctionDef))
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    lines = ["root " + root for root in roots]
    for function in functions:
        lines.append("def %s %d %d" % (function.name, function.lineno, last_line(function)))
    for number, line in enumerate(source.splitlines(), 1):
        _, mark, callees = line.partition("#>")
        if not mark:
            continue
        around = [f for f in functions if f.lineno <= number <= last_line(f)]
        owner = max(around, key=lambda f: f.lineno).name if around else "<module>"
        callees = callees.split()
        inner = [name for name in callees if name.startswith("<")]
        for caller in [owner] + inner:
            for callee in callees:
                lines.append("call %s %d %s" % (caller, number, callee))
    say("\n".join(lines))


def ready():
    say("ready")


def describe(frame):
    """A stack, the innermost frame first, one line each: name, base name of the file, line."""
    lines = []
    while frame is not None:
        code = frame.f_code
        name = getattr(code, "co_qualname", code.co_name)
        lines.append("  %s (%s:%d)" % (name, os.path.basename(code.co_filename), frame.f_lineno))
        frame = frame.f_back
    return lines


def truth():
    """All threads and stacks: the caller's as if this had not been called."""
    own = get_ident()
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    lines = []
    for ident, frame in sorted(sys._current_frames().items()):
        name = " " + names[ident] if ident in names else ""
        lines.append("thread %d%s" % (ident, name))
        lines.extend(describe(sys._getframe(1) if ident == own else frame))
    return "\n".join(lines) + "\nready\n"


def stand_still():
    # One line: while it is waiting for an answer it is where it was when it told the truth.
    data = (os.write(1, truth().encode("utf-8", "backslashreplace")), os.read(0, 1))
    return data
