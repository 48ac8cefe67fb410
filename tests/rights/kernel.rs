//! Samples that the kernel takes, where it may, and what is done and said where it may not.

use std::process::Output;

use py_spy_test_programs::{Interpreter, one_of_each_series};

use crate::common::{BUSY, Running, behind, good, is_by_kernel, may, py_spy, python, stderr};
use crate::{AS_NOBODY, Copy, interpreter_that_can, is_root};

const RECORD: [&str; 8] = ["record", "--sampler", "kernel", "-f", "raw", "-o", "-", "--pid"];

fn busy(interpreter: &Interpreter) -> Running {
    let mut target = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", BUSY]));
    assert_eq!(target.line(), "1", "{interpreter}");
    target
}

#[test]
fn who_may_has_it_take_them() {
    if !is_root("samples that the kernel takes") {
        return;
    }
    for interpreter in one_of_each_series() {
        let mut target = busy(interpreter);
        let pid = target.id_text();
        let words = [&RECORD[..], &[&pid, "-d", "1"]].concat();
        let output = py_spy(&words).output().expect("it starts");
        let name = interpreter.to_string();
        assert!(good(&name, &output).contains("busy ("), "{name}: {output:?}");
        // A container may lack the rights, and a kernel what it needs.
        if !is_by_kernel(&name, &output) {
            return;
        }
        target.goes_on();
    }
}

/// Reads for ever, and says `1` when it is about to.
const READING: &str = "
import os, sys
zeros = os.open('/dev/zero', os.O_RDONLY)
def busy():
    while True: os.read(zeros, 1 << 20)
sys.stdout.write('1\\n')
sys.stdout.flush()
busy()
";

/// In a system call the kernel's own frames are inside of the program's, with native ones between and without.
#[test]
fn where_it_is_in_the_kernel_is_shown() {
    if !is_root("frames of the kernel") {
        return;
    }
    let all = one_of_each_series();
    for interpreter in [all[0], all[all.len() - 1]] {
        let mut target = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", READING]));
        assert_eq!(target.line(), "1", "{interpreter}");
        let pid = target.id_text();
        for option in ["--kernel", "--kernel --native"] {
            let name = format!("{interpreter} {option}");
            let more: Vec<&str> = option.split(' ').chain(["-d", "1"]).collect();
            let words = [&["record", "-f", "raw", "-o", "-", "--pid", &pid], &more[..]].concat();
            let output = py_spy(&words).output().expect("it starts");
            let raw = good(&name, &output);
            if !is_by_kernel(&name, &output) {
                return;
            }
            let is_kernels = |frame: &str| frame.contains("[kernel]");
            let inside = |line: &str| {
                let frames: Vec<&str> = line.split(';').collect();
                let first = frames.iter().position(|frame| is_kernels(frame));
                first.is_some_and(|first| {
                    frames[..first].iter().any(|frame| frame.starts_with("busy ("))
                        && frames[first..].iter().all(|frame| is_kernels(frame))
                })
            };
            assert!(raw.lines().any(inside), "{name}: {raw}");
            assert!(raw.lines().all(|line| inside(line) || !is_kernels(line)), "{name}: {raw}");
        }
    }
}

/// What is said of it, once.
#[track_caller]
fn fell_back(name: &str, output: &Output, why: &str) {
    assert!(good(name, output).contains("busy ("), "{name}: {output:?}");
    let text = stderr(output);
    let said: Vec<_> = text.lines().filter(|line| line.contains("does not take the samples")).collect();
    assert_eq!(said.len(), 1, "{name}: {text}");
    assert!(said[0].contains(&format!("the kernel does not take the samples: {why}")), "{name}: {text}");
    assert!(text.contains("; sampler: stop; "), "{name}: {text}");
}

#[test]
fn without_a_right_they_are_taken_by_stopping() {
    for (rights, why) in [
        ("-bpf,-perfmon,-sys_admin", "maps are not allowed (CAP_BPF)"),
        ("-bpf,-sys_admin", "maps are not allowed (CAP_BPF)"),
        ("-perfmon,-sys_admin", "the program is not allowed (CAP_PERFMON, or the kernel is locked down)"),
    ] {
        let bounding = format!("--bounding-set={rights}");
        let less = ["setpriv", &bounding, "--inh-caps=-all"];
        if !is_root("root without CAP_BPF or CAP_PERFMON") || !may(&less) {
            return;
        }
        let all = one_of_each_series();
        for interpreter in [all[0], all[all.len() - 1]] {
            let mut target = busy(interpreter);
            let pid = target.id_text();
            let words = [&RECORD[..], &[&pid, "-d", "1"]].concat();
            let output = behind(&less, &py_spy(&words)).output().expect("it starts");
            fell_back(&format!("{interpreter}, {rights}"), &output, why);
            target.goes_on();
        }
    }
}

/// Whatever `kernel.perf_event_paranoid` and `kernel.unprivileged_bpf_disabled` are: maps of this kind are for those with the right.
#[test]
fn a_user_without_rights_has_them_taken_by_stopping() {
    if !is_root("a user without rights") || !may(&AS_NOBODY) {
        return;
    }
    let copy = Copy::new();
    let Some(interpreter) = interpreter_that_can(&AS_NOBODY, "pass") else { return };
    let mut command = behind(&AS_NOBODY, python(interpreter).args(["-c", BUSY]));
    let mut target = Running::start(&interpreter.to_string(), command.current_dir("/"));
    assert_eq!(target.line(), "1", "{interpreter}");
    if crate::ptrace_scope() > 0 {
        eprintln!("not without Yama here: a user's own process is NOT tested");
        return;
    }
    let pid = target.id_text();
    let words = [&RECORD[..], &[&pid, "-d", "1"]].concat();
    let output = copy.behind(&AS_NOBODY, &words).output().expect("it starts");
    fell_back(&interpreter.to_string(), &output, "maps are not allowed (CAP_BPF)");
    target.goes_on();
}
