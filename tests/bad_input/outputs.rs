//! Outputs that can not be written, with a target that could be recorded.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use py_spy_test_programs::one_of_each_series;

use crate::common::{one_error, py_spy, run, stderr};
use crate::waiting;

#[test]
fn an_output_that_can_not_be_written_is_an_error_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    fs::write(path("file"), "old").expect("a file");
    let mut program = waiting(one_of_each_series()[0]);
    let pid = program.id_text();
    for (output, expected) in
        [(path("no/x"), "No such file"), (path(""), "is a directory"), (path("file/x"), "Not a directory")]
    {
        // No duration: it would go on until somebody ends it.
        let done = run(&["record", "-o", &output, "--pid", &pid]);
        let text = one_error(&output, &done, &format!("Error: cannot write '{output}': "));
        assert!(text.contains(expected), "{text}");
    }
    assert_eq!(fs::read_to_string(path("file")).expect("a file"), "old");
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1, "something is left behind");
    program.goes_on();
}

#[test]
fn a_full_disk_is_an_error() {
    let mut program = waiting(one_of_each_series()[0]);
    let pid = program.id_text();
    for format in ["raw", "speedscope", "chrometrace", "flamegraph"] {
        let done = run(&["record", "-i", "-d", "0.1", "-f", format, "-o", "/dev/full", "--pid", &pid]);
        one_error(format, &done, "Error: cannot write '/dev/full': No space left on device\nhint: ");
    }
    for words in [&["dump", "--pid", &pid][..], &["record", "-i", "-d", "0.1", "-o", "-", "--pid", &pid]] {
        let full = File::options().write(true).open("/dev/full").expect("/dev/full");
        let done = py_spy(words).stdout(full).output().expect("py-spy starts");
        one_error(&words.join(" "), &done, "Error: cannot write to standard output: No space left on device");
    }
    program.goes_on();
}

#[test]
fn a_reader_that_has_had_enough_is_told_in_one_line() {
    let mut program = waiting(one_of_each_series()[0]);
    let pid = program.id_text();
    for words in [&["dump", "--pid", &pid][..], &["record", "-i", "-d", "0.1", "-f", "raw", "-o", "-", "--pid", &pid]] {
        // Nobody reads at all.
        let mut child = py_spy(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("py-spy starts");
        drop(child.stdout.take());
        let mut text = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut text).expect("UTF-8");
        let code = child.wait().expect("our child").code();
        assert!(
            code == Some(1) && !text.contains("panicked") && text.contains("Error: standard output was closed"),
            "{words:?}: {code:?}: {text}"
        );
        // Somebody reads the first byte.
        let mut child = py_spy(words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("py-spy starts");
        let mut output = BufReader::new(child.stdout.take().expect("a pipe"));
        assert!(!output.fill_buf().expect("a pipe").is_empty(), "{words:?}: nothing is printed");
        drop(output);
        // All may have been written by then.
        assert!(matches!(child.wait().expect("our child").code(), Some(0 | 1)), "{words:?}");
    }
    program.goes_on();
}

#[test]
fn a_pid_and_a_command_exclude_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut program = waiting(one_of_each_series()[0]);
    let words = ["record", "--pid", &program.id_text(), "--", "touch", "marker"];
    let done = py_spy(&words).current_dir(&folder).output().expect("py-spy starts");
    assert_eq!(done.status.code(), Some(2), "{}", stderr(&done));
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0, "it was started");
    program.goes_on();
}

#[test]
fn an_absurd_rate_ends_in_time_and_is_written() {
    for interpreter in one_of_each_series() {
        let mut program = waiting(interpreter);
        let pid = program.id_text();
        let words = ["record", "-i", "-d", "0.5", "-r", "1000000", "-f", "raw", "-o", "-", "--pid", &pid];
        let done = run(&words);
        assert_eq!(done.status.code(), Some(0), "{interpreter}: {}", stderr(&done));
        assert!(crate::common::stdout(&done).starts_with("<module> (<string>:5) "), "{interpreter}");
        program.goes_on();
    }
}
