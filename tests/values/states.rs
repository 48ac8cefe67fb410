//! What each thread is doing.

use std::collections::BTreeMap;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use py_spy_test_programs::{Program, one_of_each_series_that_runs, turn};
use serde_json::Value;

use super::cores::{dump_core, gcore};
use super::{dump, dump_json};

fn thread<'a>(threads: &'a Value, name: &str) -> &'a Value {
    let mut all = threads.as_array().expect("threads").iter();
    all.find(|thread| thread["thread_name"] == name).unwrap_or_else(|| panic!("no thread {name}"))
}

fn thread_of<'a>(threads: &'a Value, id: &Value) -> &'a Value {
    let mut all = threads.as_array().expect("threads").iter();
    all.find(|thread| thread["thread_id"] == *id).expect("it was there before")
}

/// What is known of each thread but the call that it is in, by name.
fn states(threads: &Value) -> BTreeMap<&str, [&Value; 3]> {
    let all = threads.as_array().expect("threads").iter();
    all.map(|thread| {
        let state = &thread["state"];
        (thread["thread_name"].as_str().expect("a name"), [&state["lock"], &state["exception"], &state["deadlocked"]])
    })
    .collect()
}

/// Waits until all threads are where they stay: the kernel says so of each.
fn settled(program: &Program) -> Value {
    let names = ["one", "other", "reader", "wants_plain", "handles"];
    loop {
        let threads = dump_json(program, &["--state"]);
        let rests = |name| {
            let doing = thread(&threads, name)["state"]["doing"].as_str().expect("words");
            if name == "reader" { doing.contains("socket") } else { doing == "waiting for a lock" }
        };
        // Python 2 has no lock for one import.
        let imports = threads.as_array().expect("threads").iter().any(|thread| thread["thread_name"] == "wants_import");
        if names.into_iter().all(rests) && (!imports || rests("wants_import")) {
            return threads;
        }
        std::thread::yield_now();
    }
}

/// A stopped process stays stopped, and each of its threads says that before what it would wait for.
#[test]
fn stopped_threads_say_so() {
    let turn = turn();
    for interpreter in one_of_each_series_that_runs("waits") {
        let program = Program::start(&turn, interpreter, "waits", &[]);
        let before = settled(&program);
        let pid = Pid::from_raw(program.id().cast_signed());
        kill(pid, Signal::SIGSTOP).expect("it is ours");
        while !all_are_stopped(program.id()) {
            std::thread::yield_now();
        }
        let threads = dump_json(&program, &["--state"]);
        assert!(all_are_stopped(program.id()), "{interpreter}");
        for thread in threads.as_array().expect("threads") {
            let doing = |threads: &Value| thread_of(threads, &thread["thread_id"])["state"]["doing"].clone();
            let (now, then) = (doing(&threads), doing(&before));
            let expected = format!("stopped by a signal while {}", then.as_str().expect("words"));
            assert_eq!(now.as_str(), Some(&*expected), "{interpreter}");
        }
        kill(pid, Signal::SIGCONT).expect("it is ours");
    }
}

fn all_are_stopped(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("its threads");
    tasks
        .map(|task| std::fs::read_to_string(task.expect("a thread").path().join("stat")).expect("its state"))
        .all(|stat| stat.rsplit_once(") ").expect("a name").1.starts_with('T'))
}

#[test]
fn threads_say_what_they_wait_for() {
    let turn = turn();
    for interpreter in one_of_each_series_that_runs("waits") {
        let program = Program::start(&turn, interpreter, "waits", &[]);
        let threads = settled(&program);
        let port = program.said().iter().find_map(|line| line.strip_prefix("port ")).expect("it says its port");
        let doing = thread(&threads, "reader")["state"]["doing"].as_str().expect("words");
        assert!(doing.starts_with("sleeping in recvfrom fd "), "{interpreter}: {doing}");
        assert!(doing.ends_with(&format!(" -> socket 127.0.0.1:{port}")), "{interpreter}: {doing}");
        let main = thread(&threads, "MainThread")["state"]["doing"].as_str().expect("words");
        assert!(main.starts_with("sleeping in read fd 0 -> "), "{interpreter}: {main}");
        for (name, other) in [("one", "other"), ("other", "one")] {
            let state = &thread(&threads, name)["state"];
            assert_eq!(state["lock"]["owner"], thread(&threads, other)["thread_id"], "{interpreter}: {state}");
            assert_eq!(state["deadlocked"], true, "{interpreter}: {name}");
        }
        let plain = &thread(&threads, "wants_plain")["state"];
        assert_eq!(
            (plain["lock"]["owner"].as_u64(), &plain["deadlocked"]),
            (None, &Value::Bool(false)),
            "{interpreter}"
        );
        let handles = thread(&threads, "handles")["state"]["exception"].as_str();
        assert!(
            matches!(handles, Some("ValueError('broken')" | "ValueError('broken',)")),
            "{interpreter}: {handles:?}"
        );
        if interpreter.series() >= (3, 3) {
            let state = &thread(&threads, "wants_import")["state"];
            assert_eq!(state["lock"]["kind"], "the import lock of held_by_test", "{interpreter}: {state}");
            assert_eq!(state["lock"]["owner"], thread(&threads, "holds_import")["thread_id"], "{interpreter}: {state}");
        }
        if interpreter.environment.is_empty()
            && let Some(core) = gcore(&program)
        {
            let of_core = dump_core(&core.path, &["--state", "--json"]);
            let of_core = serde_json::from_str(&of_core).expect("it is JSON");
            assert_eq!(states(&of_core), states(&threads), "{interpreter}");
        }
        let text = dump(&program, &["--state", "-l", "--source", "--thread", "r*der"]);
        assert_eq!(text.matches("\nThread ").count(), 1, "{interpreter}: {text}");
        let marks = if interpreter.series() >= (3, 11) { "                     ^^^^^^^^^^^^^^\n" } else { "" };
        let source = format!("        > received = client.recv(1)\n{marks}");
        assert!(text.contains(&source), "{interpreter}: {text}");
        assert!(text.contains("            password: <redacted>\n"), "{interpreter}: {text}");
        // Nor is it in the pairs, views and dicts that have it.
        assert!(!text.contains("hunter2"), "{interpreter}: {text}");
        let shown = dump(&program, &["-l", "--no-redact", "--thread", "reader"]);
        assert!(shown.contains("            password: 'hunter2'\n"), "{interpreter}: {shown}");
    }
}

#[test]
fn garbage_collection_is_told() {
    let turn = turn();
    for interpreter in one_of_each_series_that_runs("collects") {
        let program = Program::start(&turn, interpreter, "collects", &[]);
        let threads = dump_json(&program, &["--state"]);
        let doing = threads[0]["state"]["doing"].as_str().expect("words");
        assert!(
            doing.starts_with("running") && doing.ends_with(" while garbage is collected"),
            "{interpreter}: {doing}"
        );
    }
}
