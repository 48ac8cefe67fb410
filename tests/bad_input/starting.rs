//! Processes that are just starting, or just ending.

use std::process::Stdio;

use py_spy_test_programs::one_of_each_series;

use crate::common::{good, one_error, py_spy, python, run};

/// Starts of each interpreter.
const STARTS: usize = 8;

#[test]
fn a_process_is_looked_at_from_its_first_instant_on() {
    for interpreter in one_of_each_series() {
        for start in 0..STARTS {
            let name = format!("{interpreter}, start {start}");
            let mut command = python(interpreter);
            command.args(["-c", "import os\nos.read(0, 1)"]).stdin(Stdio::piped()).stdout(Stdio::null());
            let mut child = command.spawn().expect("Python starts");
            let pid = child.id().to_string();
            // The first look is at a process that is not Python yet, or has not got far.
            let looks: Vec<_> = (0..3).map(|_| run(&["dump", "--pid", &pid])).collect();
            for output in &looks {
                if output.status.success() {
                    let text = good(&name, output);
                    assert!(text.starts_with(&format!("Process {pid}: ")), "{name}: {text}");
                    // Functions of the start, or of the program: all in files that there are.
                    let frames = text.lines().filter(|line| line.starts_with("    "));
                    let strange = frames.filter(|line| !line.contains(".py") && !line.contains("(<"));
                    assert_eq!(strange.collect::<Vec<_>>(), Vec::<&str>::new(), "{name}: {text}");
                } else {
                    one_error(&name, output, &format!("process {pid} "));
                }
            }
            // It goes on to its end.
            drop(child.stdin.take());
            assert_eq!(child.wait().expect("our child").code(), Some(0), "{name}");
        }
    }
}

#[test]
fn a_recording_begins_with_the_first_instant_too() {
    for interpreter in one_of_each_series() {
        let source = "import time\nwhile time.process_time() < 0.5: pass";
        let mut words = python(interpreter);
        words.args(["-c", source]).stdin(Stdio::null());
        let mut child = words.spawn().expect("Python starts");
        let pid = child.id().to_string();
        let output = py_spy(&["record", "-f", "raw", "-o", "-", "--pid", &pid]).output().expect("py-spy starts");
        // Before it is Python it is the program that starts it, which is none.
        if output.status.success() {
            let raw = good(&interpreter.to_string(), &output);
            assert!(raw.contains("<module> (<string>:2)"), "{interpreter}: {raw}");
        } else {
            one_error(&interpreter.to_string(), &output, &format!("process {pid} "));
        }
        assert_eq!(child.wait().expect("our child").code(), Some(0), "{interpreter}");
    }
}
