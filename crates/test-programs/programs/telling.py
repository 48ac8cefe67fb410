"""How the programs of this folder speak to the test that started them. Runs on 3.8 to 3.15."""

import ast
import os
import signal
import sys
import threading

# A test that was killed leaves nothing behind.
signal.alarm(900)

if "PROGRAM_CPU" in os.environ:
    os.sched_setaffinity(0, {int(os.environ["PROGRAM_CPU"])})


def say(text):
    data = (text + "\n").encode("utf-8", "backslashreplace")
    while data:
        data = data[os.write(1, data):]


def rules(path, source=None, roots=("<module>",)):
    """Says which stacks are possible. `#> a b` behind a line means that the line may call a and b.

    A comprehension is a frame of its own in some versions only: the others of its line may be called by it or directly.
    """
    if source is None:
        with open(path, encoding="utf-8") as file:
            source = file.read()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]
    lines = ["root " + root for root in roots]
    for function in functions:
        lines.append("def %s %d %d" % (function.name, function.lineno, function.end_lineno))
    for number, line in enumerate(source.splitlines(), 1):
        _, mark, callees = line.partition("#>")
        if not mark:
            continue
        around = [f for f in functions if f.lineno <= number <= f.end_lineno]
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
    own = threading.get_ident()
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
