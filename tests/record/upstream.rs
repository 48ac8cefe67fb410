//! What py-spy's own test suite expects of any py-spy (`tests/integration_test.py` there), told anew.

use std::collections::BTreeSet;
use std::path::PathBuf;

use py_spy_test_programs::{Interpreter, one_of_each_series};
use serde_json::Value;

use crate::common::{py_spy, run, stderr};

/// Sleeps in line 5 of `longsleep`, called in line 9.
const LONGSLEEP: &str = "import time


def longsleep():
    time.sleep(100000)


if __name__ == '__main__':
    longsleep()
";

const BUSYLOOP: &str = "def busy_loop():
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
time.sleep(100000)
";

/// The stacks of a speedscope profile, root first, and the profiles' names.
struct Profile {
    stacks: Vec<Vec<(String, u64)>>,
    names: Vec<String>,
}

/// Records a script for a second, as that suite does: its output is piped, and it must be gone when we are.
fn profile(interpreter: &Interpreter, script: &str, options: &[&str]) -> Profile {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    std::fs::write(path("script.py"), script).expect("a script");
    let output = path("profile.json");
    let words = ["record", "-o", output.to_str().expect("UTF-8"), "--format", "speedscope", "-d", "1"];
    let mut command = py_spy(&[&words, options].concat());
    command.envs(interpreter.environment.iter().copied());
    command.arg("--").arg(&interpreter.program).arg(path("script.py"));
    // Waits until nobody has the pipe any more.
    let done = command.output().expect("py-spy starts");
    let name = format!("{interpreter} {options:?}");
    assert_eq!(done.status.code(), Some(0), "{name}: {}", stderr(&done));
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
fn longsleep_and_busyloop_and_thread_names() {
    for interpreter in one_of_each_series() {
        // Without a GIL nobody holds it.
        if !interpreter.free_threaded {
            let asleep = profile(interpreter, LONGSLEEP, &["--gil"]);
            assert!(asleep.stacks.len() <= 10, "{interpreter}: {}", asleep.stacks.len());
            let busy = profile(interpreter, BUSYLOOP, &["--gil"]);
            assert!(!busy.stacks.is_empty(), "{interpreter}: nobody has the GIL");
        }

        let idle = profile(interpreter, LONGSLEEP, &["--idle"]);
        let expected = [("<module>".to_owned(), 9), ("longsleep".to_owned(), 5)];
        let count = idle.stacks.iter().filter(|stack| stack[..] == expected).count();
        // It starts in this second too, which takes a busy machine a while.
        assert!(count * 2 > idle.stacks.len(), "{interpreter}: {count} of {}", idle.stacks.len());

        let names = profile(interpreter, THREAD_NAMES, &["--threads", "--idle"]).names;
        let quoted = names.iter().filter_map(|name| name.split('"').nth(1));
        let mut expected: BTreeSet<String> = (0..10).map(|number| format!("CustomThreadName-{number}")).collect();
        expected.insert("MainThread".to_owned());
        assert_eq!(quoted.map(str::to_owned).collect::<BTreeSet<_>>(), expected, "{interpreter}: {names:?}");
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
