//! Commands that do not become a Python that can be sampled.

use std::fs;

use py_spy_test_programs::one_of_each_series;

use crate::common::{one_error, py_spy, stderr};

/// Records a command that is not worth it, in an empty folder that is empty afterwards.
fn refused(words: &[&str], expected: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let words = [&["record", "--"], words].concat();
    let output = py_spy(&words).current_dir(&folder).output().expect("py-spy starts");
    one_error(&words.join(" "), &output, expected);
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0, "{words:?}: something is left behind");
}

#[test]
fn commands_that_end_before_they_are_python() {
    refused(&["true"], "Error: the command ended with exit status 0 before it was seen to run Python\nhint: ");
    refused(&["sh", "-c", "exit 9"], "Error: the command ended with exit status 9 before it was seen to run Python\n");
    refused(&["sh", "-c", "kill -TERM $$"], "Error: the command ended with SIGTERM before it was seen to run Python\n");
}

#[test]
fn a_python_that_ends_at_once_is_recorded_or_its_end_is_told() {
    for interpreter in one_of_each_series() {
        let python = interpreter.program.to_str().expect("UTF-8");
        for (source, code) in [("pass", 0), ("raise SystemExit(4)", 4), ("syntax error", 1)] {
            let folder = tempfile::tempdir().expect("a folder");
            let words = ["record", "-f", "raw", "-o", "x", "--", python, "-c", source];
            let output = py_spy(&words).current_dir(&folder).output().expect("py-spy starts");
            let (name, text) = (format!("{interpreter} -c {source:?}"), stderr(&output));
            assert!(!text.contains("panicked"), "{name}: {text}");
            let files = fs::read_dir(&folder).expect("a folder").count();
            if text.contains("Wrote ") {
                assert_eq!((output.status.code(), files), (Some(code), 1), "{name}: {text}");
            } else {
                let expected =
                    format!("Error: the command ended with exit status {code} before it was seen to run Python");
                one_error(&name, &output, &expected);
                assert_eq!(files, 0, "{name}: something is left behind");
            }
        }
    }
}

#[test]
fn a_launcher_that_becomes_python_is_waited_for() {
    for interpreter in one_of_each_series() {
        let python = interpreter.program.to_str().expect("UTF-8");
        let script = "head -c 3000000 /dev/zero | md5sum > /dev/null; exec \"$0\" -c \"$1\"";
        let source = "import time\nwhile time.process_time() < 0.5: pass";
        let words = ["record", "-f", "raw", "-o", "-", "--", "sh", "-c", script, python, source];
        let output = py_spy(&words).output().expect("py-spy starts");
        assert_eq!(output.status.code(), Some(0), "{interpreter}: {}", stderr(&output));
        let raw = crate::common::stdout(&output);
        assert!(raw.contains("<module> (<string>:2)"), "{interpreter}: {raw}");
    }
}
