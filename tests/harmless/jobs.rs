//! Ctrl-Z and `fg`: what a shell sees of a program that is stopped and goes on while it is profiled.

use std::fs;
use std::os::unix::process::CommandExt;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use py_spy_test_programs::Interpreter;

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::watchdog::Watchdog;
use crate::{rounds, subjects};

/// A program in a process group of its own, as a shell starts it: we are its parent, in another group.
fn job(interpreter: &Interpreter) -> Running {
    let name = format!("{interpreter} counting.py");
    let mut running = Running::start(&name, python(interpreter).arg(program("counting")).process_group(0));
    assert!(running.line().starts_with("ready "), "{name}");
    running.goes_on();
    running
}

/// The states of all threads, each once.
fn states(running: &Running) -> String {
    let tasks = fs::read_dir(format!("/proc/{}/task", running.id())).expect("it lives").flatten();
    let lines = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let mut states: Vec<char> =
        lines.filter_map(|line| line.rsplit(") ").next().and_then(|rest| rest.chars().next())).collect();
    states.sort_unstable();
    states.dedup();
    states.into_iter().collect()
}

/// What a shell hears next.
fn hears(running: &Running) -> WaitStatus {
    let flags = WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED;
    waitpid(Pid::from_raw(running.id() as i32), Some(flags)).expect("our child")
}

/// Nothing more is there to be heard.
fn hears_nothing(name: &str, running: &Running) {
    let flags = WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED | WaitPidFlag::WNOHANG;
    let heard = waitpid(Pid::from_raw(running.id() as i32), Some(flags));
    assert_eq!(heard, Ok(WaitStatus::StillAlive), "{name}");
}

/// Stops the program, has it looked at, and lets it go on.
fn stop_and_go_on(name: &str, running: &mut Running, profiler: &mut Profiler, signal: Signal) {
    let pid = Pid::from_raw(running.id() as i32);
    running.signal(signal);
    assert_eq!(hears(running), WaitStatus::Stopped(pid, signal), "{name}");
    // The others follow the one that got the signal, and one that was just held follows when it is let go.
    while states(running) != "T" {
        std::thread::yield_now();
    }
    for _ in 0..20 {
        profiler.wait_for_looks(1);
        // One that was just looked at wakes to stop again, as one that nobody traces.
        while states(running) != "T" {
            std::thread::yield_now();
        }
    }
    hears_nothing(name, running);
    running.signal(Signal::SIGCONT);
    assert_eq!(hears(running), WaitStatus::Continued(pid), "{name}");
    goes_on(running);
}

/// It is not stopped and works. It may be held for a sample right now.
fn goes_on(running: &mut Running) {
    running.tell("\n");
    let first: u64 = running.line().parse().expect("a number");
    running.tell("\n");
    let second: u64 = running.line().parse().expect("a number");
    assert!(second > first);
}

#[test]
fn a_stopped_program_stays_stopped_until_it_is_continued() {
    for interpreter in subjects() {
        for options in [&["-r", "100"][..], &["-r", "1000", "--idle"], &["-r", "10000"], &["-r", "10000", "--idle"]] {
            let name = format!("{interpreter} {options:?}");
            let mut running = job(interpreter);
            let watchdog = Watchdog::over(&name, running.id());
            let mut profiler = Profiler::record(&name, running.id(), options);
            profiler.wait_until_it_samples();
            for _ in 0..rounds(2, 20) {
                for signal in [Signal::SIGSTOP, Signal::SIGTSTP] {
                    stop_and_go_on(&name, &mut running, &mut profiler, signal);
                }
            }
            profiler.finish().went_well();
            running.goes_on();
            drop(watchdog);
        }
    }
}

/// Stops and continues in quick succession: the last one counts.
#[test]
fn the_last_signal_of_a_burst_counts() {
    for interpreter in subjects() {
        for rate in ["100", "1000", "10000"] {
            let name = format!("{interpreter} at {rate} Hz");
            let mut running = job(interpreter);
            let pid = Pid::from_raw(running.id() as i32);
            let watchdog = Watchdog::over(&name, running.id());
            let mut profiler = Profiler::record(&name, running.id(), &["-r", rate]);
            profiler.wait_until_it_samples();
            for burst in 0..rounds(30, 200) {
                for signal in 0..burst % 20 {
                    running.signal(if signal % 2 == 0 { Signal::SIGSTOP } else { Signal::SIGCONT });
                }
                running.signal(Signal::SIGSTOP);
                // Whatever is heard of the burst, its end is heard last.
                while states(&running) != "T" {
                    std::thread::yield_now();
                }
                while hears(&running) != WaitStatus::Stopped(pid, Signal::SIGSTOP) {}
                running.signal(Signal::SIGCONT);
                while hears(&running) != WaitStatus::Continued(pid) {}
                goes_on(&mut running);
            }
            profiler.finish().went_well();
            running.goes_on();
            drop(watchdog);
        }
    }
}

/// `dump` of a stopped program shows it and leaves it stopped, and so does a recording from beginning to end.
#[test]
fn a_stopped_program_can_be_looked_at() {
    for interpreter in subjects() {
        let name = interpreter.to_string();
        let mut running = job(interpreter);
        let pid = Pid::from_raw(running.id() as i32);
        running.signal(Signal::SIGSTOP);
        assert_eq!(hears(&running), WaitStatus::Stopped(pid, Signal::SIGSTOP), "{name}");
        while states(&running) != "T" {
            std::thread::yield_now();
        }
        for mode in [&[][..], &["--nonblocking"]] {
            let dump = crate::common::run(&[&["dump", "--pid", &running.id_text()], mode].concat());
            let stacks = crate::common::good(&name, &dump);
            assert!(stacks.contains("    work (counting.py:"), "{name} {mode:?}: {stacks}");
            assert_eq!(states(&running), "T", "{name} {mode:?}");
        }
        Profiler::record(&name, running.id(), &["-r", "1000", "-d", "0.2", "--idle"]).wait().went_well();
        assert_eq!(states(&running), "T", "{name}");
        hears_nothing(&name, &running);
        running.signal(Signal::SIGCONT);
        assert_eq!(hears(&running), WaitStatus::Continued(pid), "{name}");
        running.goes_on();
    }
}

/// Ctrl-Z typed at py-spy stops py-spy, and not the program that it holds at that moment.
#[test]
fn the_program_goes_on_while_we_are_stopped() {
    for interpreter in subjects() {
        for rate in ["100", "10000"] {
            let name = format!("{interpreter} at {rate} Hz");
            let mut running = job(interpreter);
            let watchdog = Watchdog::over(&name, running.id());
            let mut profiler = Profiler::record(&name, running.id(), &["-r", rate]);
            profiler.wait_until_it_samples();
            for _ in 0..rounds(20, 200) {
                profiler.signal(Signal::SIGTSTP);
                profiler.wait_until_stopped();
                running.goes_on();
                profiler.signal(Signal::SIGCONT);
                profiler.wait_for_looks(2);
            }
            profiler.finish().went_well();
            running.goes_on();
            drop(watchdog);
        }
    }
}
