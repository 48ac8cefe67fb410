//! Processes in namespaces and roots of their own, as containers have them: seen from outside, and from inside.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod files;
mod inside;
mod proc;
mod root;
mod seen;
mod tree;

use std::fs;
use std::process::Command;

use common::{BUSY, Running, behind, good, python, run};
use py_spy_test_programs::Interpreter;
use serde_json::Value;

/// Gives a program a PID namespace of its own. When the outer process goes, so does the inner one.
const PID_NAMESPACE: [&str; 4] = ["unshare", "--pid", "--fork", "--kill-child"];

/// A program in namespaces; it ends with the test.
struct Inner {
    running: Running,
    /// Its id as we see it.
    pid: u32,
}

impl Inner {
    /// Starts a program that says a line when it is ready. None when it ends before, which is said.
    fn start(name: &str, command: &mut Command) -> Option<Inner> {
        let mut running = Running::start(name, command);
        let first = running.line_or_end();
        if first.is_none() {
            eprintln!("SKIPPED: {name} does not start here");
            return None;
        }
        assert_eq!(first.as_deref(), Some("1"), "{name}");
        let pid = innermost(running.id());
        Some(Inner { running, pid })
    }

    /// Starts a busy Python behind these words.
    fn busy(name: &str, words: &[&str], interpreter: &Interpreter) -> Option<Inner> {
        Inner::start(name, &mut behind(words, python(interpreter).args(["-c", BUSY])))
    }

    /// Its id as it is in its own PID namespace.
    fn own_pid(&self) -> String {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).expect("it lives");
        let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).expect("its ids");
        ids.split_whitespace().last().expect("an id").to_owned()
    }

    /// Looks at it in each way: with the right threads, states and stacks, and it goes on.
    #[track_caller]
    fn is_seen(&mut self, name: &str, interpreter: &Interpreter) {
        let pid = self.pid.to_string();
        self.settles(name);
        for options in [&[][..], &["--nonblocking"]] {
            let output = run(&[&["dump", "--json", "--pid", &pid], options].concat());
            self.threads_are_known(name, good(name, &output), interpreter);
        }
        let output = run(&["record", "-d", "1", "-f", "raw", "-o", "-", "--pid", &pid]);
        let text = good(name, &output);
        assert!(text.contains(";busy ("), "{name}: {text}");
        let words = ["record", "-d", "1", "-r", "1000", "-f", "raw", "-o", "-", "--sampler", "kernel", "--pid", &pid];
        let output = run(&words);
        if common::is_by_kernel(name, &output) {
            let text = good(name, &output);
            assert!(text.contains(";busy ("), "{name} by the kernel: {text}");
        }
        assert!(common::nobody_minds(self.pid), "{name}");
        for _ in 0..2 {
            self.running.tell("\n");
            self.running.line();
        }
    }

    /// Waits until its worker has the GIL for itself.
    #[track_caller]
    fn settles(&self, name: &str) {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid)).expect("it lives").flatten();
        let ids = tasks.filter_map(|task| task.file_name().to_str()?.parse::<u32>().ok());
        let worker = ids.filter(|&id| id != self.pid).last().expect("its worker");
        common::wait_until_alone(name, self.pid, worker);
    }

    /// It is among the processes that can be seen.
    #[track_caller]
    fn is_listed(&self, name: &str, interpreter: &Interpreter) {
        let listed = run(&["ps", "--json"]);
        let listed: Value = serde_json::from_str(good(name, &listed)).expect("JSON");
        let process = listed.as_array().expect("a list").iter().find(|process| process["pid"] == self.pid);
        let version = interpreter.version;
        let version = format!("{}.{}.{}", version >> 24, version >> 16 & 0xff, version >> 8 & 0xff);
        let seen = process.and_then(|process| process["version"].as_str()).unwrap_or_default();
        assert!(seen.starts_with(&version), "{name}: {process:?}");
    }

    /// The ids are ours, and the state is that of the thread with this id.
    #[track_caller]
    fn threads_are_known(&self, name: &str, json: &str, interpreter: &Interpreter) {
        let threads: Value = serde_json::from_str(json).expect("JSON");
        let threads = threads.as_array().expect("a list");
        assert_eq!(threads.len(), 2, "{name}: {json}");
        let named = |wanted: &str| threads.iter().find(|thread| thread["thread_name"] == wanted).expect("that name");
        let tid = |thread: &Value| thread["os_thread_id"].as_u64().unwrap_or_default() as u32;
        let worker = named("worker");
        assert_eq!(tid(named("MainThread")), self.pid, "{name}: {json}");
        assert!(fs::exists(format!("/proc/{}/task/{}", self.pid, tid(worker))).expect("a file"), "{name}: {json}");
        assert_ne!(tid(worker), self.pid, "{name}: {json}");
        assert_eq!(
            (&worker["active"], &worker["owns_gil"]),
            (&true.into(), &(!interpreter.free_threaded).into()),
            "{name}"
        );
        let frames = worker["frames"].as_array().expect("a list");
        assert!(frames.iter().any(|frame| frame["name"] == "busy"), "{name}: {json}");
    }
}

/// The last of the processes that began each other.
fn innermost(mut pid: u32) -> u32 {
    let child = |pid: u32| {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("a list of children");
        children.split_whitespace().next().map(|id| id.parse().expect("an id"))
    };
    while let Some(inner) = child(pid) {
        pid = inner;
    }
    pid
}
