//! `ps`: what is listed.

use py_spy_test_programs::one_of_each_series;
use serde_json::Value;

use crate::common::{Running, good, python, run};

/// Two threads that do nothing.
const PROGRAM: &str = "
import os, threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
os.write(1, b'ready\\n')
os.read(0, 1)
";

#[test]
fn every_python_is_listed_with_its_kind() {
    let all = one_of_each_series();
    let programs: Vec<Running> = all
        .iter()
        .map(|interpreter| {
            let mut running = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", PROGRAM]));
            assert_eq!(running.line(), "ready");
            running
        })
        .collect();
    let output = run(&["ps", "--json"]);
    let listed: Value = serde_json::from_str(good("ps", &output)).expect("JSON");
    let output = run(&["ps"]);
    let text = good("ps", &output);
    assert!(
        text.lines()
            .next()
            .is_some_and(|line| line.split_whitespace().eq(["PID", "PYTHON", "BUILD", "THREADS", "GIL", "COMMAND"]))
    );
    for (interpreter, program) in all.iter().zip(&programs) {
        let name = interpreter.to_string();
        let mut entries = listed.as_array().expect("a list").iter();
        let entry = entries.find(|entry| entry["pid"] == program.id()).unwrap_or_else(|| panic!("{name}: {listed}"));
        let version = entry["version"].as_str().expect("a version");
        assert!(version.starts_with(&format!("3.{}.", interpreter.minor())), "{name}: {entry}");
        // The GIL can be switched on in a build without.
        assert_eq!(entry["gil"], !interpreter.free_threaded, "{name}: {entry}");
        assert!(!interpreter.free_threaded || entry["free_threaded"] == true, "{name}: {entry}");
        assert_eq!(entry["threads"], 2, "{name}: {entry}");
        assert!(entry["error"].is_null() && entry["command_line"][1] == "-B", "{name}: {entry}");
        let line = text.lines().find(|line| line.split_whitespace().next() == Some(&program.id_text()));
        assert!(
            line.is_some_and(|line| line.contains(version) && line.contains("import os, threading")),
            "{name}: {text}"
        );
        program.is_unharmed();
    }
    let own = std::process::id();
    assert!(listed.as_array().expect("a list").iter().all(|entry| entry["pid"] != own), "we are no Python");
}
