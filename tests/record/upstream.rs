//! What py-spy's own test suite expects of any py-spy (`tests/integration_test.py` there), told anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use py_spy_test_programs::{Interpreter, one_of_each_series};
use serde_json::Value;

use crate::common::{Running, python, run, stderr};

/// Sleeps in line 5 of `longsleep`, called in line 9.
const LONGSLEEP: &str = "import time; print(flush=True)


def longsleep():
    time.sleep(100000)


if __name__ == '__main__':
    longsleep()
";

const BUSYLOOP: &str = "print(flush=True)


def busy_loop():
    while True:
        pass


busy_loop()
";

const THREAD_NAMES: &str = "import threading
import time

for number in range(10):
    thread = threading.Thread(target=time.sleep, args=(100000,), name='CustomThreadName-%d' % number)
    thread.daemon = True
    thread.start()
print(flush=True)
time.sleep(100000)
";

/// The stacks of a speedscope profile, root first, and the profiles' names.
struct Profile {
    stacks: Vec<Vec<(String, u64)>>,
    names: Vec<String>,
}

/// Records a script for a second, once it is where it stays; the time that its start takes is no matter here.
fn profile(interpreter: &Interpreter, script: &str, options: &[&str]) -> Profile {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    std::fs::write(path("script.py"), script).expect("a script");
    let name = format!("{interpreter} {options:?}");
    let mut program = Running::start(&name, python(interpreter).arg(path("script.py")));
    program.line();
    let (output, pid) = (path("profile.json"), program.id_text());
    let words = ["record", "-o", output.to_str().expect("UTF-8"), "--format", "speedscope", "-d", "1", "--pid", &pid];
    let done = run(&[&words, options].concat());
    assert_eq!(done.status.code(), Some(0), "{name}: {}", stderr(&done));
    program.is_unharmed();
    let text = std::fs::read_to_string(output).expect("it is written");
    let file: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let frames = file["shared"]["frames"].as_array().expect("frames");
    let frame = |index: &Value| {
        let frame = &frames[index.as_u64().expect("an index") as usize];
        (frame["name"].as_str().expect("a name").to_owned(), frame["line"].as_u64().unwrap_or(0))
    };
    let profiles = file["profiles"].as_array().expect("profiles");
    let samples = profiles.iter().flat_map(|profile| profile["samples"].as_array().expect("samples"));
    let stacks = samples.map(|stack| stack.as_array().expect("a stack").iter().map(frame).collect());
    let names = profiles.iter().map(|profile| profile["name"].as_str().expect("a name").to_owned());
    Profile { stacks: stacks.filter(|stack: &Vec<_>| !stack.is_empty()).collect(), names: names.collect() }
}

#[test]
fn who_sleeps_does_not_hold_the_gil_and_who_is_busy_does() {
    // Without a GIL nobody holds it.
    for interpreter in one_of_each_series().into_iter().filter(|known| !known.free_threaded) {
        let asleep = profile(interpreter, LONGSLEEP, &["--gil"]);
        assert!(asleep.stacks.len() <= 10, "{interpreter}: {}", asleep.stacks.len());
        let busy = profile(interpreter, BUSYLOOP, &["--gil"]);
        assert!(!busy.stacks.is_empty(), "{interpreter}: nobody has the GIL");
    }
}

#[test]
fn a_long_sleep_has_one_stack() {
    for interpreter in one_of_each_series() {
        let idle = profile(interpreter, LONGSLEEP, &["--idle"]);
        let expected = [("<module>".to_owned(), 9), ("longsleep".to_owned(), 5)];
        let count = idle.stacks.iter().filter(|stack| stack[..] == expected).count();
        assert!(count * 100 >= idle.stacks.len() * 95, "{interpreter}: {count} of {}", idle.stacks.len());
        assert!(count > 0, "{interpreter}: no stack");
    }
}

#[test]
fn all_threads_have_their_names() {
    let expected: BTreeSet<_> =
        (0..10).map(|number| format!("CustomThreadName-{number}")).chain(["MainThread".to_owned()]).collect();
    for interpreter in one_of_each_series() {
        let names = profile(interpreter, THREAD_NAMES, &["--threads", "--idle"]).names;
        let quoted = names.iter().filter_map(|name| name.split('"').nth(1).map(str::to_owned));
        assert_eq!(quoted.collect::<BTreeSet<_>>(), expected, "{interpreter}: {names:?}");
    }
}

#[test]
fn names_are_found_when_threading_comes_late() {
    for interpreter in one_of_each_series().into_iter().filter(|known| known.environment.is_empty()) {
        let python = interpreter.program.to_str().expect("UTF-8");
        let burn = "while time.process_time() < ";
        let source = format!("import time\n{burn}1: pass\nimport threading\n{burn}2: pass");
        let words = ["record", "-f", "raw", "-o", "-", "--threads", "--", python, "-c", &source];
        let output = run(&words);
        assert_eq!(output.status.code(), Some(0), "{interpreter}: {}", stderr(&output));
        let raw = crate::common::stdout(&output);
        assert!(raw.contains("): MainThread;<module> (<string>:4) "), "{interpreter}: {raw}");
    }
}

#[test]
fn shells_get_completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(crate::common::stdout(&output).contains("py-spy"), "{shell}");
    }
}
