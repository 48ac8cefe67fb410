//! System calls that a stop cuts short end as without us: EINTR is seen only by who was really sent a signal.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use py_spy_target::{Stopper, TaskState, Tasks};

use crate::rounds;
use crate::subject::{Subject, compiled, state};

/// Time from one stop to the next look: about 1 kHz, in step with nothing.
const PAUSE: Duration = Duration::from_micros(700);

/// How many instructions the program works between two of its calls: the shorter, the more stops meet it just as it
/// enters one.
const WORK: [&str; 2] = ["2000", "50000"];

/// Stops the program's first thread whenever it is seen running, as the sampler does, until it has said how many of
/// its calls failed. Returns that and the number of stops.
fn stop_while_it_runs(subject: &mut Subject, between: impl Fn(&Subject)) -> (u32, u32) {
    let pid = subject.id();
    let mut tasks = Tasks::of(pid).expect("it lives");
    let mut stopper = Stopper::new(pid);
    let mut stops = 0;
    // It is a zombie until we have waited for it, so there is no other process with its id.
    while let Some(now) = tasks.state(pid) {
        if now != TaskState::Running {
            std::thread::yield_now();
            continue;
        }
        if stopper.hold(pid).is_err() {
            break;
        }
        between(subject);
        stopper.release();
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
        stops += 1;
        std::thread::sleep(PAUSE);
    }
    (subject.number("interrupted"), stops)
}

/// Returns how often it was stopped.
fn calls(program: &Path, arguments: &[&str], count: u32, between: impl Fn(&Subject)) -> u32 {
    // Containers are frozen now and then by whoever runs them, which interrupts these calls too: one that nobody stops says so.
    let mut control = Subject::start(program, arguments);
    let mut subject = Subject::start(program, arguments);
    control.number("ready");
    subject.number("ready");
    let (interrupted, stops) = stop_while_it_runs(&mut subject, between);
    let without = control.number("interrupted");
    eprintln!("{interrupted} of {count} calls interrupted with {stops} stops, {without} without: {arguments:?}");
    // How many there are goes by how much else the machine has to do.
    if stops == 0 {
        eprintln!("{arguments:?}: it ended before it could be stopped: these calls are NOT tested");
    }
    // It may have been frozen just when the other one was not waiting. Without the repair it is a hundredth of the stops.
    assert!(interrupted <= without + stops / 5000, "{arguments:?}: {interrupted} of {count} calls, with {stops} stops");
    assert!(subject.wait().success(), "{arguments:?}");
    stops
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "nothing is repaired here")]
fn in_c_none_is_seen() {
    let Some(program) = compiled() else { return };
    let mut stops = 0;
    for (name, share) in [("epoll_wait", 1), ("epoll_pwait2", 5), ("accept", 5), ("sigtimedwait", 5), ("semtimedop", 5)]
    {
        for work in WORK {
            let count = rounds(1500, 50_000) / share;
            stops += calls(program, &["calls", name, &count.to_string(), work], count, |_| ());
        }
    }
    assert!(stops > 0, "nothing was stopped");
}

/// A signal that nobody handles does nothing, and ends no call, when a program is not traced.
#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "nothing is repaired here")]
fn in_c_none_is_seen_when_ignored_signals_come() {
    let Some(program) = compiled() else { return };
    let count = rounds(1000, 50_000);
    let stops = calls(program, &["calls", "epoll_wait", &count.to_string(), WORK[0]], count, |subject| {
        subject.signal(Signal::SIGWINCH);
    });
    assert!(stops > 0, "nothing was stopped");
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "nothing is repaired here")]
fn in_python_2_none_is_seen() {
    let home = std::env::home_dir().unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or_else(|| home.join(".pyenv"), Into::into);
    let installed = std::fs::read_dir(pyenv.join("versions")).into_iter().flatten().flatten();
    let python = installed.map(|version| version.path().join("bin/python2.7")).find(|path| path.exists());
    let Some(python) = python else {
        eprintln!("SKIPPED: no Python 2.7");
        return;
    };
    // From 3.5 on Python itself repeats what was interrupted.
    let source = "
import os, select, sys
epoll, interrupted = select.epoll(), 0
os.write(1, 'ready 0\\n')
for _ in xrange(int(sys.argv[1])):
    for _ in xrange(int(sys.argv[2]) // 50): pass
    try:
        epoll.poll(0.001)
    except IOError:
        interrupted += 1
os.write(1, 'interrupted %d\\n' % interrupted)";
    let mut stops = 0;
    for work in WORK {
        let count = rounds(2500, 50_000);
        stops += calls(&python, &["-c", source, &count.to_string(), work], count, |_| ());
    }
    assert!(stops > 0, "nothing was stopped");
}

/// What a program waits for with a call that its own signal ends must end it: while it is stopped, about to be, or just
/// let go.
#[test]
fn a_handled_signal_ends_the_call() {
    let Some(program) = compiled() else { return };
    let mut subject = Subject::start(program, &["signals"]);
    subject.number("ready");
    let pid = subject.id();
    let mut stopper = Stopper::new(pid);
    let mut lost = 0;
    let count = rounds(2000, 50_000);
    for round in 0..count {
        while state(pid) != Some('S') {
            std::thread::yield_now();
        }
        // Stops go on until the signal was sent, and no longer: each gives the call its whole time again.
        let sent = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Sent in all phases of a stop.
                let until = Instant::now() + Duration::from_nanos(u64::from(round % 100) * 700);
                while Instant::now() < until {
                    std::hint::spin_loop();
                }
                subject.signal(Signal::SIGUSR1);
                sent.store(true, Ordering::Release);
            });
            while !sent.load(Ordering::Acquire) {
                stopper.hold(pid).expect("it lives");
                stopper.release();
                stopper.collect_until(Instant::now() + Duration::from_mins(1));
            }
        });
        // "lost": the handler ran and the call went on. "nothing": not even that.
        let line = subject.line();
        assert!(!line.starts_with("nothing"), "signal {round} of {count}: {line}");
        lost += u32::from(line.starts_with("lost"));
        // One that comes when a call is just begun again is too early for it: a window of the kernel's own.
        assert!(lost <= 3 + count / 500, "signal {round} of {count}: {lost} did not end the call");
    }
    eprintln!("{lost} of {count} signals did not end the call");
}
