//! However a recording ends, there is a profile.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use nix::sys::signal::Signal;
use py_spy_test_programs::{Interpreter, one_of_each_series_that_runs};

use crate::common::Running;
use crate::recorder::Recorder;
use crate::{counting, samples, stacks};

/// Records a running program into a file until `end` ends it; the messages.
fn record_until(
    interpreter: &Interpreter,
    options: &[&str],
    program: &mut Running,
    end: impl FnOnce(&mut Running, &Recorder),
) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let pid = program.id_text();
    let words = ["-f", "raw", "-r", "500", "-o", path.to_str().expect("UTF-8"), "--pid", &pid];
    let mut recorder = Recorder::start(&[&words, options].concat(), |_| ());
    recorder.wait_until_it_samples();
    assert!(!path.exists(), "{interpreter}: the file is there before it is whole");
    end(program, &recorder);
    let (status, messages) = recorder.wait();
    let name = format!("{interpreter} {options:?}");
    assert_eq!(status.code(), Some(0), "{name}: {messages}");
    is_whole(&name, &path, &messages);
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1, "{name}: something is left behind");
    messages
}

/// The profile has the samples that the messages tell of.
fn is_whole(name: &str, path: &Path, messages: &str) {
    let raw = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}: {messages}"));
    let stacks = stacks(name, &raw);
    assert_eq!(stacks.values().sum::<u64>(), samples(name, messages), "{name}");
    // Without stopping the leaf may have been on the move in each of a few samples.
    let ours = |frame: &&str| frame.starts_with("work (") || frame.starts_with("main (");
    assert!(stacks.keys().any(|stack| stack.iter().any(ours)), "{name}: {raw}");
    assert!(!messages.contains("Error: "), "{name}: {messages}");
}

#[test]
fn a_signal_to_us_ends_the_recording_and_nothing_else() {
    for interpreter in one_of_each_series_that_runs("counting") {
        let mut program = counting(interpreter);
        for (signal, why) in [
            (Signal::SIGINT, "Stopped sampling because Control-C pressed"),
            (Signal::SIGTERM, "Stopped sampling because SIGTERM received"),
            (Signal::SIGHUP, "Stopped sampling because SIGHUP received"),
        ] {
            let messages = record_until(interpreter, &[], &mut program, |_, recorder| recorder.signal(signal));
            assert!(messages.contains(why), "{interpreter}: {messages}");
            program.goes_on();
        }
    }
}

#[test]
fn a_target_that_ends_in_the_middle_leaves_a_profile() {
    for interpreter in one_of_each_series_that_runs("counting") {
        for (order, code, signal) in
            [("exit 7\n", Some(7), None), ("crash\n", None, Some(11)), ("abort\n", None, Some(6))]
        {
            let mut program = counting(interpreter);
            let messages = record_until(interpreter, &[], &mut program, |program, _| program.tell(order));
            assert!(messages.contains("Stopped sampling because process exited"), "{interpreter}: {messages}");
            let status = program.wait();
            // It died of its own.
            assert_eq!((status.code(), status.signal()), (code, signal), "{interpreter} {order}");
        }
    }
}

#[test]
fn a_target_that_becomes_another_program_is_sampled_on() {
    for interpreter in one_of_each_series_that_runs("counting") {
        for mode in [&[][..], &["--nonblocking"]] {
            let mut program = counting(interpreter);
            let messages = record_until(interpreter, mode, &mut program, |program, recorder| {
                program.tell("exec\n");
                assert_eq!(program.line(), "other", "{interpreter}");
                recorder.signal(Signal::SIGINT);
            });
            assert!(messages.contains("Stopped sampling because Control-C pressed"), "{interpreter}: {messages}");
            program.is_unharmed();
        }
    }
}
