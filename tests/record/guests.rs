//! Targets in states that are not everyday: stopped, traced, on our own CPU.

use std::fs;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use py_spy_test_programs::one_of_each_series_that_runs;

use crate::common::{Running, good, py_spy, run, stderr};
use crate::{counting, samples, stacks};

/// What a field of `/proc/PID/status` begins with.
fn status(program: &Running, field: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("it has that field");
    line.trim().split(' ').next().expect("a word").to_owned()
}

/// Waits until a field of `/proc/PID/status` is what it should be.
fn wait_until(program: &Running, field: &str, test: impl Fn(&str) -> bool) {
    while !test(&status(program, field)) {
        std::thread::yield_now();
    }
}

#[test]
fn a_stopped_target_is_recorded_and_stays_stopped() {
    for interpreter in one_of_each_series_that_runs("counting") {
        let mut program = counting(interpreter);
        let pid = program.id_text();
        program.signal(Signal::SIGSTOP);
        wait_until(&program, "State:", |state| state == "T");
        for mode in [&[][..], &["--nonblocking"]] {
            let name = format!("{interpreter} {mode:?}");
            let words = ["record", "-f", "raw", "-o", "-", "-d", "0.2", "--idle", "--pid", &pid];
            let output = run(&[&words, mode].concat());
            let raw = good(&name, &output);
            let stacks = stacks(&name, raw);
            assert!(stacks.keys().flatten().any(|frame| frame.starts_with("work (")), "{name}: {raw}");
            assert_eq!(status(&program, "State:"), "T", "{name}: it runs again");
            assert_eq!(status(&program, "TracerPid:"), "0", "{name}");
            let output = run(&[&["dump", "--pid", &pid], mode].concat());
            assert!(good(&name, &output).contains("\n    work ("), "{name}");
            assert_eq!(status(&program, "State:"), "T", "{name}: it runs again");
        }
        // Asleep it takes no time: who asks for those that run gets nothing.
        let output = run(&["record", "-f", "raw", "-o", "-", "-d", "0.2", "--pid", &pid]);
        assert_eq!(good("idle", &output), "", "{interpreter}");
        assert_eq!(samples("idle", stderr(&output)), 0, "{interpreter}");
        program.signal(Signal::SIGCONT);
        program.goes_on();
    }
}

#[test]
fn a_traced_target_is_recorded_without_stopping_it() {
    let Ok(_) = Command::new("strace").arg("-V").stdout(Stdio::null()).status() else {
        eprintln!("no strace here: a target that is traced is NOT tested");
        return;
    };
    for interpreter in one_of_each_series_that_runs("counting") {
        let mut program = counting(interpreter);
        let pid = program.id_text();
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", "trace=none", "-e", "signal=none", "-p", &pid]);
        let mut strace = strace.stderr(Stdio::null()).spawn().expect("strace starts");
        wait_until(&program, "TracerPid:", |tracer| tracer != "0");
        let name = format!("{interpreter} under strace");
        for words in [&["record", "-f", "raw", "-o", "-", "-d", "0.3", "-r", "500", "--pid"][..], &["dump", "--pid"]] {
            let output = run(&[words, &[&pid]].concat());
            assert!(good(&name, &output).contains("main (counting.py:"), "{name}: {}", stderr(&output));
            assert_eq!(status(&program, "TracerPid:"), strace.id().to_string(), "{name}");
        }
        strace.kill().expect("it runs");
        strace.wait().expect("our child");
        wait_until(&program, "TracerPid:", |tracer| tracer == "0");
        program.goes_on();
    }
}

#[test]
fn a_target_on_our_own_cpu_is_recorded() {
    let allowed = fs::read_to_string("/proc/self/status").expect("our status");
    let allowed = allowed.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("our CPUs");
    let cpu: String = allowed.trim().chars().take_while(char::is_ascii_digit).collect();
    for interpreter in one_of_each_series_that_runs("counting") {
        let mut program = counting(interpreter);
        let pid = program.id_text();
        let on_cpu =
            |command: &mut Command| command.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
        assert!(on_cpu(Command::new("taskset").args(["-a", "-c", "-p", &cpu, &pid])), "{interpreter}");
        for mode in [&[][..], &["--nonblocking"]] {
            let name = format!("{interpreter} {mode:?}");
            let us = py_spy(&[&["record", "-f", "raw", "-o", "-", "-d", "0.5", "--pid", &pid], mode].concat());
            let mut command = Command::new("taskset");
            command.args(["-c", &cpu]).arg(us.get_program()).args(us.get_args());
            let output = command.output().expect("taskset");
            let raw = good(&name, &output);
            let stacks = stacks(&name, raw);
            assert!(stacks.keys().flatten().any(|frame| frame.starts_with("work (")), "{name}: {raw}");
            program.is_unharmed();
        }
        program.goes_on();
    }
}
