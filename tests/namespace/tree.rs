//! Children that enter namespaces belong to the tree as others do.

use crate::PID_NAMESPACE;
use crate::common::{few, good, may, py_spy};

/// Runs a Python of its own behind words, and waits for it.
const PARENT: &str = "
import subprocess, sys
source = '''
import time
def inner():
    while time.process_time() < 0.3: pass
inner()
'''
def outer():
    subprocess.check_call(sys.argv[1:] + [sys.executable, '-c', source])
outer()
";

#[test]
fn children_in_namespaces_of_their_own_are_followed() {
    let two_deep = [PID_NAMESPACE, PID_NAMESPACE].concat();
    let ways: [&[&str]; 3] =
        [&PID_NAMESPACE, &two_deep, &["unshare", "-Ur", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]];
    for words in ways.into_iter().filter(|words| may(words)) {
        for interpreter in few() {
            let name = format!("{} {interpreter}", words.join(" "));
            let program = interpreter.program.to_str().expect("UTF-8");
            let recording = ["record", "-s", "-f", "raw", "-o", "-", "--", program, "-c", PARENT];
            let output = py_spy(&[&recording[..], words].concat()).output().expect("it starts");
            let text = good(&name, &output);
            let inner = text.lines().filter(|line| line.contains(";inner ("));
            // Below its parent, the launchers and itself.
            let launchers = words.iter().filter(|&&word| word == "unshare").count();
            let labels = inner.map(|line| line.matches("process ").count()).collect::<Vec<_>>();
            assert!(!labels.is_empty() && labels.iter().all(|&count| count == launchers + 2), "{name}: {text}");
        }
    }
}
