"""Compares this py-spy with another one: what each reads, stops and uses, and what it costs the program.

    python3 compare.py OURS THEIRS PYTHON [ROUNDS]

Both are measured in turn, round by round, on the same running program; medians are printed. The program is pinned to CPU 0,
the profiler to CPU 1. Needs Linux, strace and two CPUs.
"""

import collections
import functools
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

PROGRAM = """
import sys, threading, time
sys.setrecursionlimit(10**6)
depth, sleepers = int(sys.argv[1]), int(sys.argv[2])

def down(depth):
    if depth > 1:
        down(depth - 1)
    print("ready", flush=True)
    while True:
        pass

for _ in range(sleepers):
    threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
down(depth)
"""


class Program:
    """A main thread that is busy at some depth, and threads that sleep."""

    def __init__(self, python, depth, sleepers):
        command = ["taskset", "-c", "0", python, "-c", PROGRAM, str(depth), str(sleepers)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.process.stdout.readline()
        self.pid = self.process.pid

    def counted(self):
        """What the scheduler counted for the busy thread: seconds on a CPU or waiting for one."""
        with open(f"/proc/{self.pid}/task/{self.pid}/schedstat") as file:
            run, wait, _ = map(int, file.read().split())
        return (run + wait) / 1e9

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def used():
    """CPU seconds of all children that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def record(tool, program, rate, seconds, before=()):
    """Runs a profiler once."""
    with tempfile.TemporaryDirectory() as folder:
        command = [*before, "taskset", "-c", "1", tool, "record", "-f", "raw", "-o", folder + "/out"]
        command += ["-r", str(rate), "-d", str(seconds), "--pid", str(program.pid)]
        cpu, began, counted = used(), time.monotonic(), program.counted()
        profiler = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            text, _ = profiler.communicate(timeout=seconds + 1)
        except subprocess.TimeoutExpired:
            # A tool that counts ticks instead of time would need much longer than it was asked for.
            child = ["pkill", "-INT", "-P", str(profiler.pid)] if before else ["kill", "-INT", str(profiler.pid)]
            subprocess.run(child, check=False)
            text, _ = profiler.communicate()
        wall = time.monotonic() - began
        still = max(0.0, wall - (program.counted() - counted))
        found = re.search(r"Samples: (\d+) Errors: (\d+)", text)
        samples, errors = map(int, found.groups()) if found else (0, 0)
        return Result((used() - cpu) / wall, still / wall, samples, samples / wall, errors)


# The share of a CPU that the profiler used; of the time, for which the busy thread stood still.
Result = collections.namedtuple("Result", "cpu still samples rate errors")


def calls(tool, program, seconds=6):
    """System calls for each stop of the busy thread, counted by strace from the second second on."""
    with tempfile.NamedTemporaryFile(mode="r") as out:
        tracer = ["strace", "-f", "-ttt", "-o", out.name, "-e", "trace=process_vm_readv,ptrace"]
        record(tool, program, 100, seconds, before=tracer)
        lines = [line.split(maxsplit=2) for line in out]
    start = float(lines[0][1]) + 2
    text = [call for _, at, call in lines if float(at) > start]
    stops = [call for call in text if re.match(r"ptrace\(PTRACE_(INTERRUPT|ATTACH)", call)]
    samples = sum(f", {program.pid}" in call for call in stops) or 1
    return sum(call.startswith("process_vm_readv(") for call in text) / samples, len(stops) / samples, samples


def medians(results):
    return Result(*(statistics.median(column) for column in zip(*results)))


def main():
    ours, theirs, python = sys.argv[1:4]
    rounds = int(sys.argv[4]) if len(sys.argv) > 4 else 5
    tools = {"ours": ours, "theirs": theirs}
    say = functools.partial(print, flush=True)
    say("load", *os.getloadavg())

    say("\nsystem calls a sample at 100 Hz")
    for depth, sleepers in [(10, 0), (100, 0), (1000, 0), (10, 500)]:
        with Program(python, depth, sleepers) as program:
            for name, tool in tools.items():
                reads, stops, samples = calls(tool, program)
                say(f"depth {depth:5} sleepers {sleepers:4} {name:7} reads {reads:8.2f} stops {stops:8.2f} ({samples} samples)")

    say("\nwhat the profiler uses of a CPU, and for how much of the time the busy thread stands still")
    for depth, sleepers in [(10, 0), (100, 0), (1000, 0), (10, 500)]:
        with Program(python, depth, sleepers) as program:
            for rate in (100, 1000):
                results = {name: [] for name in tools}
                for _ in range(rounds):
                    for name, tool in tools.items():
                        results[name].append(record(tool, program, rate, 4))
                for name, found in results.items():
                    it = medians(found)
                    each = 1e6 * it.still / it.rate if it.rate else 0
                    say(
                        f"depth {depth:5} sleepers {sleepers:4} {rate:5} Hz {name:7} cpu {100 * it.cpu:5.1f} %"
                        f"  still {100 * it.still:6.2f} % ({each:7.1f} us a sample)"
                        f"  samples {it.samples:6.0f}  errors {it.errors:4.0f}"
                    )

    say("\nhighest rate: 1,000,000 asked for")
    for depth in (10, 100, 1000):
        with Program(python, depth, 0) as program:
            results = {name: [] for name in tools}
            for _ in range(rounds):
                for name, tool in tools.items():
                    results[name].append(record(tool, program, 1_000_000, 2))
            for name, found in results.items():
                it = medians(found)
                say(f"depth {depth:5} {name:7} {it.rate:9.0f} samples a second, still {100 * it.still:5.1f} %")
    say("load", *os.getloadavg())


if __name__ == "__main__":
    main()
