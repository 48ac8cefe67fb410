//! Processes that can not be looked at.

use std::fs;
use std::process::{Child, Command, Stdio};

use crate::both_ways;
use crate::common::{is_running, nobody_minds, one_error, py_spy};

/// Looks at a process in each way; the error has this in it, and nothing is left behind.
#[track_caller]
fn refused(pid: u32, expected: &str) {
    let pid = pid.to_string();
    for words in both_ways(&pid) {
        let folder = tempfile::tempdir().expect("a folder");
        let name = words.join(" ");
        let output = py_spy(&words).current_dir(&folder).output().expect("py-spy starts");
        let text = one_error(&name, &output, expected);
        assert!(text.lines().count() <= 3, "{name}: {text}");
        assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0, "{name}: something is left behind");
    }
}

/// A program that waits for the end of its input, once it is that program.
fn start(words: &[&str]) -> Child {
    let mut command = Command::new(words[0]);
    let child = command.args(&words[1..]).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("it starts");
    let comm = format!("/proc/{}/comm", child.id());
    while fs::read_to_string(&comm).expect("it runs").trim_end() != words[0] {
        std::thread::yield_now();
    }
    child
}

fn end(mut child: Child) {
    child.kill().expect("it runs");
    child.wait().expect("our child");
}

#[test]
fn a_process_that_is_not_there() {
    let mut child = start(&["cat"]);
    child.kill().expect("it runs");
    child.wait().expect("our child");
    refused(child.id(), &format!("Error: there is no process {}\nhint: ", child.id()));
    // The largest that there can be on x86-64, and the largest that can be typed.
    for pid in [4_194_304, i32::MAX as u32] {
        refused(pid, &format!("Error: there is no process {pid}\n"));
    }
}

#[test]
fn programs_that_are_not_python() {
    for words in [&["cat"][..], &["sleep", "1000"], &["sh"], &["bash"]] {
        let child = start(words);
        refused(child.id(), &format!("Error: process {} ({}", child.id(), words[0]));
        refused(child.id(), " is not a Python program");
        assert!(nobody_minds(child.id()), "{words:?}");
        end(child);
    }
}

#[test]
fn a_zombie() {
    let mut child = start(&["cat"]);
    child.kill().expect("it runs");
    while is_running(child.id()) {
        std::thread::yield_now();
    }
    refused(child.id(), &format!("Error: process {} has ended", child.id()));
    child.wait().expect("our child");
}

#[test]
fn the_first_process_and_ourselves() {
    if nix::unistd::geteuid().is_root() {
        // It may be out of root's reach.
        refused(1, "process 1 (");
        assert!(nobody_minds(1), "process 1");
    }
    // The process that asks: exec keeps the id.
    let text = "exec \"$0\" dump --pid $$";
    let output = Command::new("sh").args(["-c", text, env!("CARGO_BIN_EXE_py-spy")]).output().expect("a shell");
    one_error("ourselves", &output, "is not a Python program");
}

#[test]
fn a_thread_of_the_kernel() {
    let is_one = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        !status.is_empty() && !status.contains("VmSize:") && !status.contains("State:\tZ")
    };
    let pids = fs::read_dir("/proc").expect("/proc").flatten();
    let mut pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    match pids.find(|&pid| is_one(pid)) {
        Some(pid) => refused(pid, "is a thread of the kernel"),
        None => eprintln!("no thread of the kernel is seen from here: that one is looked at is NOT tested"),
    }
}
