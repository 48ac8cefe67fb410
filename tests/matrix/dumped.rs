//! `dump` of the program.

use serde_json::Value;

use crate::common::{good, run};
use crate::{BUSY, Pair, line_of};

fn threads(name: &str, words: &[&str]) -> Vec<Value> {
    let output = run(words);
    serde_json::from_str(good(name, &output)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Names and lines, innermost first.
fn frames(thread: &Value) -> Vec<(&str, usize)> {
    let frames = thread["frames"].as_array().expect("frames").iter();
    frames
        .map(|frame| (frame["name"].as_str().expect("a name"), frame["line"].as_u64().expect("a line") as usize))
        .collect()
}

fn of_pid<'a>(name: &str, threads: &'a [Value], pid: u32) -> Vec<&'a Value> {
    let own: Vec<_> = threads.iter().filter(|thread| thread["pid"] == pid).collect();
    assert!(!own.is_empty(), "{name}: {threads:?}");
    own
}

/// Both threads of a process, each with all its frames.
fn judge(pair: &Pair, name: &str, threads: &[&Value]) {
    assert_eq!(threads.len(), 2, "{name}: {threads:?}");
    let named = |wanted: &str| {
        let thread = threads.iter().find(|thread| thread["thread_name"] == wanted);
        thread.unwrap_or_else(|| panic!("{name}: no {wanted}: {threads:?}"))
    };
    let busy = named("MainThread");
    assert_eq!(frames(busy), BUSY.map(|(function, text)| (function, line_of(text))), "{name}");
    assert_eq!((&busy["active"], busy["os_thread_id"].to_string()), (&Value::Bool(true), pair.pid()), "{name}");
    let resting = named("resting");
    let stack = frames(resting);
    assert_eq!(stack[0], ("rest", line_of("    os.read(nothing, 1)")), "{name}");
    // The others are those of `threading`.
    assert!(stack.len() >= 3 && stack.iter().all(|frame| frame.1 > 0), "{name}: {stack:?}");
    let state = (&resting["active"], &resting["owns_gil"], resting["os_thread_id"].to_string());
    assert_eq!(state, (&Value::Bool(false), &Value::Bool(false), pair.resting.to_string()), "{name}");
}

pub(crate) fn one(pair: &Pair, options: &[&str]) {
    let name = format!("{} dump {options:?}", pair.name);
    let threads = threads(&name, &[&["dump", "--json", "--pid", &pair.pid()], options].concat());
    judge(pair, &name, &threads.iter().collect::<Vec<_>>());
}

pub(crate) fn with_child(pair: &Pair) {
    let name = format!("{} dump -s", pair.name);
    let threads = threads(&name, &["dump", "--json", "-s", "--pid", &pair.pid()]);
    judge(pair, &name, &of_pid(&name, &threads, pair.running.id()));
    let child = of_pid(&name, &threads, pair.child);
    let stacks: Vec<_> = child.iter().map(|thread| frames(thread)).collect();
    assert_eq!(stacks.len(), 1, "{name}: {stacks:?}");
    let names: Vec<_> = stacks[0].iter().map(|frame| frame.0).collect();
    assert_eq!(names, ["in_child", "<module>"], "{name}");
    assert_eq!(child[0]["active"], true, "{name}");
}
