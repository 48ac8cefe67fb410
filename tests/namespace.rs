//! A process in another PID namespace: the ids in its memory are not those by which we know its threads.

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use common::{good, py_spy, run};
use py_spy_test_programs::one_of_each_series;
use serde_json::Value;

/// Says where it is and is busy from then on, in a thread beside a sleeping one.
const PROGRAM: &str = "
import threading, time
def busy():
    print('ready', flush=True)
    while True: pass
threading.Thread(target=busy, name='worker', daemon=True).start()
time.sleep(900)
";

/// A program that ends with the test, and takes the one in its namespace with it.
struct Outer(Child);

impl Drop for Outer {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// `unshare` in front of a program gives it a PID namespace of its own. Not everybody may do so.
fn may_unshare() -> bool {
    let tried = Command::new("unshare").args(["--pid", "--fork", "true"]).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

#[test]
#[expect(clippy::print_stderr, reason = "what is left out is said")]
fn threads_of_another_namespace_are_known_by_our_ids() {
    if !may_unshare() {
        eprintln!("SKIPPED: no right to make a PID namespace");
        return;
    }
    for interpreter in one_of_each_series() {
        let name = interpreter.to_string();
        let outer = Command::new("unshare")
            // When the outer process goes, so does the inner one.
            .args(["--pid", "--fork", "--kill-child"])
            .arg(&interpreter.program)
            .args(["-c", PROGRAM])
            .envs(interpreter.environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare starts");
        let mut outer = Outer(outer);
        let mut line = String::new();
        BufReader::new(outer.0.stdout.take().expect("piped")).read_line(&mut line).expect("its word");
        assert_eq!(line, "ready\n", "{name}");
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", outer.0.id()));
        let pid = children.expect("a list of children").trim().to_owned();

        let output = run(&["dump", "--json", "--pid", &pid]);
        let threads: Value = serde_json::from_str(good(&name, &output)).expect("JSON");
        let of = |wanted: &str| {
            let mut all = threads.as_array().expect("a list").iter();
            let thread = all.find(|thread| thread["thread_name"] == wanted).expect("a thread with that name");
            (thread["os_thread_id"].as_u64().expect("an id"), thread["active"] == true)
        };
        assert_eq!(of("MainThread").0.to_string(), pid, "{name}");
        let (worker, active) = of("worker");
        let status = std::fs::read_to_string(format!("/proc/{pid}/task/{worker}/status"));
        assert!(status.is_ok() && active, "{name}: {worker} {active}");

        let output = py_spy(&["record", "-d", "0.3", "-f", "raw", "-o", "-", "--pid", &pid]).output().expect("it runs");
        let text = good(&name, &output);
        assert!(text.contains(";busy ("), "{name}: {text}");
    }
}
