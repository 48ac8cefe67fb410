//! System calls that are forbidden, as container runtimes do it, or that an older kernel does not have.

use std::process::Command;

use py_spy_test_programs::Interpreter;
use serde_json::Value;

use crate::common::{BUSY, Running, behind, few, good, program, py_spy, python};
use crate::{both, interpreter_that_can, is_root};

/// Calls that can be done without, one kernel or another has not, or some profile forbids.
const OLD_KERNEL: &[&str] = &[
    "pidfd_open=ENOSYS",
    "pidfd_send_signal=ENOSYS",
    "clone3=ENOSYS",
    "openat2=ENOSYS",
    "epoll_pwait2=ENOSYS",
    "statx=ENOSYS",
    "kcmp=EPERM",
    "perf_event_open=EPERM",
];

/// What is said when something can not be done as usual.
const BY_FILE: &str = "process_vm_readv is not allowed, reading /proc/";
const NOT_STOPPED: &str = "ptrace is not allowed here";

/// What is forbidden, and what is said about it.
const FILTERS: [(&[&str], &[&str]); 7] = [
    (OLD_KERNEL, &[]),
    (&["pidfd_open=EPERM", "kcmp=ENOSYS"], &[]),
    (&["process_vm_readv=EPERM"], &[BY_FILE]),
    (&["process_vm_readv=ENOSYS"], &[BY_FILE]),
    (&["ptrace=EPERM"], &[NOT_STOPPED]),
    (&["process_vm_readv=EPERM", "ptrace=EPERM"], &[BY_FILE, NOT_STOPPED]),
    (&["process_vm_readv=ENOSYS", "ptrace=ENOSYS", "pidfd_open=ENOSYS"], &[BY_FILE, NOT_STOPPED]),
];

/// Runs py-spy under a filter.
struct Filter {
    launcher: Command,
}

impl Filter {
    /// None where no filter can be made.
    fn new(rules: &[&str]) -> Option<Filter> {
        let interpreter = interpreter_that_can(&["env"], "import ctypes")?;
        let mut launcher = python(interpreter);
        launcher.arg(program("forbidding")).args(rules).arg("--");
        Some(Filter { launcher })
    }

    fn py_spy(&self, words: &[&str]) -> Command {
        let launcher = std::iter::once(self.launcher.get_program()).chain(self.launcher.get_args());
        let outer: Vec<&str> = launcher.map(|word| word.to_str().expect("UTF-8")).collect();
        let mut command = behind(&outer, &py_spy(words));
        command.env("RUST_LOG", "info");
        command
    }
}

/// A system call of x86-64.
const READ: &[&str] = &["0"];

fn busy(interpreter: &Interpreter) -> Running {
    let mut target = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", BUSY]));
    assert_eq!(target.line(), "1", "{interpreter}");
    // Then its state is the same whoever looks.
    target.wait_for_call(target.id(), READ);
    target
}

/// Every thread's id, name, state and function names. The line of one that runs is another each time.
fn outline(json: &str) -> Vec<String> {
    let threads: Value = serde_json::from_str(json).expect("JSON");
    let frames = |thread: &Value| {
        let frames = thread["frames"].as_array().expect("a list").iter();
        frames.map(|frame| frame["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>().join(";")
    };
    let outline = |thread: &Value| {
        let keys = ["os_thread_id", "thread_name", "active", "owns_gil"].map(|key| thread[key].to_string());
        format!("{} {}", keys.join(" "), frames(thread))
    };
    threads.as_array().expect("a list").iter().map(outline).collect()
}

#[test]
fn what_is_forbidden_is_done_in_another_way() {
    for (rules, said) in FILTERS {
        let Some(filter) = Filter::new(rules) else { return };
        for interpreter in few() {
            let name = format!("{} {interpreter}", rules.join(" "));
            let mut target = busy(interpreter);
            let pid = target.id_text();
            let free = py_spy(&["dump", "--json", "--pid", &pid]).output().expect("it starts");
            let filtered = filter.py_spy(&["dump", "--json", "--pid", &pid]).output().expect("it starts");
            assert_eq!(outline(good(&name, &filtered)), outline(good(&name, &free)), "{name}");
            let record = ["record", "-d", "1", "-f", "raw", "-o", "-", "--pid", &pid];
            let recorded = filter.py_spy(&record).output().expect("it starts");
            assert!(good(&name, &recorded).contains(";busy ("), "{name}: {recorded:?}");
            for text in [both(&filtered), both(&recorded)] {
                for words in [BY_FILE, NOT_STOPPED] {
                    assert_eq!(text.contains(words), said.contains(&words), "{name}: {words}: {text}");
                }
            }
            target.goes_on();
        }
    }
}

/// What is forbidden, and what is said of samples by the kernel. Without the right to maps nobody gets as far as the timers.
const WITHOUT_KERNEL: [(&str, &str); 4] = [
    ("bpf=EPERM", "maps are not allowed (CAP_BPF)"),
    ("bpf=ENOSYS", "the kernel has no eBPF"),
    ("perf_event_open=EACCES", "timers are not allowed (kernel.perf_event_paranoid, CAP_PERFMON)"),
    ("perf_event_open=ENOSYS", "a timer was refused"),
];

#[test]
fn where_the_kernel_may_not_they_are_taken_by_stopping() {
    if !is_root("samples by the kernel without one of its calls") {
        return;
    }
    for (rule, why) in WITHOUT_KERNEL {
        let Some(filter) = Filter::new(&[rule]) else { return };
        let interpreter = few()[0];
        let name = format!("{rule} {interpreter}");
        let mut target = busy(interpreter);
        let pid = target.id_text();
        for by_itself in [false, true] {
            // It is asked for by itself after half a second.
            let sampler = if by_itself { "auto" } else { "kernel" };
            let record =
                ["record", "--sampler", sampler, "-r", "1000", "-d", "2", "-f", "raw", "-o", "-", "--pid", &pid];
            let output = filter.py_spy(&record).output().expect("it starts");
            assert!(good(&name, &output).contains(";busy ("), "{name}: {output:?}");
            let text = both(&output);
            let refused = format!("the kernel does not take the samples: {why}");
            // The machine may refuse something else before; whether it is asked at all by itself is a matter of what stops cost.
            let other = text.contains("the kernel does not take the samples") && rule.starts_with("perf");
            assert!(by_itself || other || text.contains(&refused), "{name}: {text}");
            assert!(text.contains("; sampler: stop; "), "{name}: {text}");
            let warns = text.lines().any(|line| line.contains("WARN") && line.contains("does not take the samples"));
            assert_eq!(warns, !by_itself, "{name}: {text}");
        }
        target.goes_on();
    }
}

#[test]
fn a_command_and_its_children_are_sampled_under_a_filter() {
    let source = "import time\ndef short():\n  while time.process_time() < 0.3: pass\nshort()";
    for (rules, _) in FILTERS {
        let Some(filter) = Filter::new(rules) else { return };
        for interpreter in few() {
            let name = format!("{} {interpreter}", rules.join(" "));
            let python = interpreter.program.to_str().expect("UTF-8");
            for options in [&[][..], &["-s"]] {
                let words =
                    [&["record", "-f", "raw", "-o", "-"], options, &["--", python, "-B", "-c", source]].concat();
                let output = filter.py_spy(&words).output().expect("it starts");
                assert!(good(&name, &output).contains("short ("), "{name}: {output:?}");
            }
        }
    }
}

#[test]
fn where_no_thread_may_be_started_it_is_said() {
    let Some(filter) = Filter::new(&["clone3=EPERM"]) else { return };
    let command = ["record", "-o", "-", "--", "true"];
    let output = filter.py_spy(&command).output().expect("it starts");
    let text = both(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(
        text.contains("Error: cannot start a thread: Operation not permitted\nhint: look at the limits of threads"),
        "{text}"
    );
}
