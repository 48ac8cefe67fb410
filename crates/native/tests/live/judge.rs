//! The same stacks, followed by another unwinder: gdb's.

use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use py_spy_address_space::Addr;
use py_spy_native::End;
use py_spy_target::Stopper;
use py_spy_test_programs::{Interpreter, one_of_each_series_that_runs};

use crate::program::{Held, Process, Running, WORK};

/// The instruction pointers of all frames that are on the stack: of functions that were put into others, or have ended with a jump, gdb
/// tells too.
const SCRIPT: &str = "python
frame = gdb.newest_frame()
while frame is not None and frame.is_valid():
    if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
        print('frame %x' % frame.pc())
    frame = frame.older()
";

/// Which of the programs are looked at: what C calls Python, C alone, and code that was written by hand.
const LOOKED_AT: [usize; 4] = [2, 3, 5, 6];

/// What gdb says of a process; `None` when there is none, or it can not be scripted.
fn of_gdb(pid: Pid) -> Option<Vec<Addr>> {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("script");
    std::fs::write(&script, SCRIPT).expect("written");
    let mut command = Command::new("gdb");
    command.args(["-nx", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off"]);
    command.args(["-iex", "set backtrace past-main on", "-iex", "set libthread-db-search-path /nowhere"]);
    command.arg("-p").arg(pid.to_string()).arg("-x").arg(&script);
    let output = command.output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let frames = text.lines().filter_map(|line| Addr::from_str_radix(line.strip_prefix("frame ")?, 16).ok());
    let frames: Vec<Addr> = frames.collect();
    (!frames.is_empty()).then_some(frames)
}

/// Stops the program wherever it is, and has both follow its stack.
fn looked_at_by_both(interpreter: &Interpreter, setup: &str, work: &str) {
    let name = format!("{interpreter}: {work}");
    let Some(running) = Running::start(interpreter, setup, work) else {
        eprintln!("{name}: SKIPPED, it does not start");
        return;
    };
    let pid = Pid::from_raw(running.0.id() as i32);
    kill(pid, Signal::SIGSTOP).expect("it lives");
    assert_eq!(waitpid(pid, Some(WaitPidFlag::WUNTRACED)), Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)));
    let (process, mut unwinder) = Process::of(running.0.id());
    let mut stopper = Stopper::new(running.0.id());
    let (end, frames) = Held::new(&process, &mut stopper).walk(&mut unwinder, &process);
    drop(stopper);
    assert_eq!(end, End::Root, "{name}: {frames:x?}");
    let Some(judged) = of_gdb(pid) else {
        eprintln!("{name}: SKIPPED, there is no gdb here with Python in it");
        return;
    };
    // Of callers we have the call, and gdb what comes after it.
    let ours: Vec<Addr> = (0..).zip(&frames).map(|(depth, frame)| frame.at + u64::from(depth > 0)).collect();
    assert_eq!(ours, judged, "{name}: {ours:x?} {judged:x?}");
}

#[test]
fn gdb_follows_the_same_stacks() {
    for interpreter in one_of_each_series_that_runs("still_2") {
        if interpreter.kinds.contains(&"musl") || !interpreter.environment.is_empty() {
            eprintln!("{interpreter}: SKIPPED, code without unwind tables is no matter for gdb");
            continue;
        }
        for (setup, work) in LOOKED_AT.map(|index| WORK[index]) {
            looked_at_by_both(interpreter, setup, work);
        }
    }
}
