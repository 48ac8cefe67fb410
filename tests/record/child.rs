//! Programs that we start: their streams, their signals and their status are their own.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use py_spy_test_programs::{Interpreter, one_of_each_series};

use crate::common::{is_running, nobody_minds, program, py_spy, stderr, stdout};
use crate::recorder::Recorder;
use crate::{samples, stacks};

/// The oldest and the newest: how a program is started and ended concerns no interpreter in particular.
fn two() -> [&'static Interpreter; 2] {
    let all = one_of_each_series();
    [all[0], all[all.len() - 1]]
}

/// `record OPTIONS -o OUTPUT -- PYTHON ARGUMENTS`, ready to be started.
fn command(interpreter: &Interpreter, options: &[&str], arguments: &[&str]) -> Command {
    let mut command = py_spy(&[&["record", "-f", "raw"], options, &["--"]].concat());
    command.arg(&interpreter.program).arg("-B").args(arguments);
    command.envs(interpreter.environment.iter().copied());
    command
}

/// Works for a while, then does `end`.
fn source(end: &str) -> String {
    format!("import os, signal, sys, time\ndef f():\n  while time.process_time() < 0.5: pass\nf()\n{end}")
}

#[test]
fn its_status_is_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("x");
    let path = output.to_str().expect("UTF-8");
    let first = one_of_each_series()[0];
    for interpreter in one_of_each_series() {
        for (end, code) in [
            ("sys.exit(3)", 3),
            ("os._exit(255)", 255),
            ("1 / 0", 1),
            ("os.kill(os.getpid(), signal.SIGKILL)", 128 + 9),
            ("os.abort()", 128 + 6),
        ] {
            // Which end it is concerns no interpreter in particular.
            if code != 3 && interpreter != first {
                continue;
            }
            let done = command(interpreter, &["-o", path], &["-c", &source(end)]).output().expect("py-spy starts");
            let name = format!("{interpreter} {end}");
            assert_eq!(done.status.code(), Some(code), "{name}: {}", stderr(&done));
            assert!(stderr(&done).contains("py-spy> Stopped sampling because process exited"), "{name}");
            assert_eq!(stderr(&done).contains("ZeroDivisionError"), end == "1 / 0", "{name}");
            assert_eq!(stdout(&done), "", "{name}");
            let raw = fs::read_to_string(&output).expect("it is written");
            let all = stacks(&name, &raw);
            assert!(all.keys().flatten().any(|frame| *frame == "f (<string>:3)"), "{name}: {raw}");
            fs::remove_file(&output).expect("it is there");
        }
    }
}

#[test]
fn its_streams_are_its_own() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let copy = "import sys, time\nwhile time.process_time() < 0.5: pass\nfor line in sys.stdin.buffer: sys.stdout.buffer.write(line); sys.stdout.buffer.flush()";
    for interpreter in two() {
        let mut command = command(interpreter, &["-o", path.to_str().expect("UTF-8")], &["-c", copy]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("py-spy starts");
        let bytes: Vec<u8> = (0..=255).chain(*b"\n").cycle().take(257 * 1000).collect();
        let mut input = child.stdin.take().expect("a pipe");
        let sent = bytes.clone();
        let writer = std::thread::spawn(move || input.write_all(&sent));
        let mut seen = Vec::new();
        child.stdout.take().expect("a pipe").read_to_end(&mut seen).expect("a pipe");
        writer.join().expect("it does not panic").expect("all is taken");
        assert!(seen == bytes, "{interpreter}: {} bytes came back", seen.len());
        assert_eq!(child.wait().expect("our child").code(), Some(0), "{interpreter}");
    }
}

/// A recording of `counting.py` that we started, once it samples; the lines that the program says, and its id.
fn start_counting(
    interpreter: &Interpreter,
    options: &[&str],
    arguments: &[&str],
) -> (Recorder, BufReader<std::process::ChildStdout>, u32) {
    let python = interpreter.program.to_str().expect("UTF-8");
    let script = program("counting");
    let words = [&["-f", "raw", "-r", "500"], options, &["--", python, "-B"]].concat();
    let mut recorder = Recorder::start(&words, |command| {
        command.arg(script).args(arguments).envs(interpreter.environment.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
    });
    let mut lines = BufReader::new(recorder.child().stdout.take().expect("a pipe"));
    let ready = line(&mut lines);
    let pid = ready.strip_prefix("ready ").and_then(|pid| pid.parse().ok()).expect("it says who it is");
    (recorder, lines, pid)
}

fn line(lines: &mut impl BufRead) -> String {
    let mut line = String::new();
    lines.read_line(&mut line).expect("UTF-8");
    line.trim_end().to_owned()
}

#[test]
fn control_c_reaches_it_once_and_lets_it_clean_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let output = path.to_str().expect("UTF-8");
    for interpreter in two() {
        let python = interpreter.program.to_str().expect("UTF-8");
        let script = program("counting");
        let words = ["-f", "raw", "-r", "500", "-o", output, "--", python, "-B"];
        let (mut recorder, mut keyboard) = Recorder::start_on_terminal(&words, |command| {
            command.arg(script).envs(interpreter.environment.iter().copied()).stdout(Stdio::piped());
        });
        let mut lines = BufReader::new(recorder.child().stdout.take().expect("a pipe"));
        assert!(line(&mut lines).starts_with("ready "), "{interpreter}");
        recorder.wait_until_it_samples();
        keyboard.write_all(b"\x03").expect("a keyboard");
        assert_eq!(line(&mut lines), "cleaning", "{interpreter}");
        recorder.wait_until_it_knows(Signal::SIGINT);
        // Only now, and not soon: who kills it early, or interrupts it twice, is found out.
        recorder.wait_until_it_samples();
        keyboard.write_all(b"leave\nup\n").expect("a keyboard");
        let last = line(&mut lines);
        assert!(last.starts_with("cleaned "), "{interpreter}: {last:?}");
        let (status, messages) = recorder.wait();
        assert_eq!(status.code(), Some(5), "{interpreter}: {messages}");
        assert!(messages.contains("py-spy> Stopped sampling because Control-C pressed"), "{interpreter}: {messages}");
        whole(&interpreter.to_string(), &path, &messages);
    }
}

#[test]
fn when_the_duration_ends_first_it_is_asked_to_end() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let output = path.to_str().expect("UTF-8");
    for interpreter in two() {
        let name = interpreter.to_string();
        for arguments in [&[][..], &["polite"]] {
            let (recorder, mut lines, pid) = start_counting(interpreter, &["-d", "3", "-o", output], arguments);
            let last = line(&mut lines);
            let expected = if arguments.is_empty() { "" } else { "asked to end" };
            assert_eq!(last, expected, "{name}");
            let (status, messages) = recorder.wait();
            assert_eq!(status.code(), Some(0), "{name}: {messages}");
            assert!(!is_running(pid), "{name}: it was left running");
            whole(&name, &path, &messages);
        }
    }
}

#[test]
fn a_program_that_is_to_keep_running_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let output = path.to_str().expect("UTF-8");
    for interpreter in two() {
        let name = interpreter.to_string();
        let options = ["-d", "3", "--keep-running", "-o", output];
        let (mut recorder, mut lines, pid) = start_counting(interpreter, &options, &[]);
        let mut input = recorder.child().stdin.take().expect("a pipe");
        let (status, messages) = recorder.wait();
        assert_eq!(status.code(), Some(0), "{name}: {messages}");
        whole(&name, &path, &messages);
        assert!(nobody_minds(pid), "{name}");
        input.write_all(b"\n").expect("it reads");
        assert!(line(&mut lines).parse::<u64>().is_ok(), "{name}: it does not go on");
        kill(Pid::from_raw(pid as i32), Signal::SIGKILL).expect("it runs");
    }
}

#[test]
fn a_signal_to_us_alone_ends_both() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let output = path.to_str().expect("UTF-8");
    for interpreter in two() {
        for signal in [Signal::SIGTERM, Signal::SIGHUP] {
            let name = format!("{interpreter} {signal}");
            let (mut recorder, mut lines, pid) = start_counting(interpreter, &["-o", output], &[]);
            recorder.wait_until_it_samples();
            recorder.signal(signal);
            assert_eq!(line(&mut lines), "", "{name}");
            let (status, messages) = recorder.wait();
            assert!(!is_running(pid), "{name}: it was left running");
            // It died of the signal that was passed on.
            assert_eq!(status.code(), Some(128 + signal as i32), "{name}: {messages}");
            whole(&name, &path, &messages);
        }
    }
}

/// The profile is there and has the samples that the messages tell of; makes room for the next one.
fn whole(name: &str, path: &std::path::Path, messages: &str) {
    let raw = fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}: {messages}"));
    assert_eq!(stacks(name, &raw).values().sum::<u64>(), samples(name, messages), "{name}");
    fs::remove_file(path).expect("it is there");
}
