//! The live table on a terminal of its own, before a real program: what is drawn, and that the terminal is given back.

#![allow(missing_docs, clippy::unwrap_used, clippy::print_stderr)]

mod common;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, Stdio};

use common::terminal::{COLUMNS, ROWS, Top};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/top/busy.py");

/// The python3 on PATH, without the scripts that may stand before it.
fn python() -> Option<String> {
    let print = "import sys, platform; print(sys.executable, platform.python_implementation(), sys.version_info[1])";
    let said = Command::new("python3").args(["-c", print]).output().ok().filter(|output| output.status.success());
    let said = said.map(|output| String::from_utf8(output.stdout).unwrap());
    let words: Vec<_> = said.iter().flat_map(|said| said.split_whitespace()).collect();
    match words[..] {
        [path, "CPython", minor] if (8..=15).contains(&minor.parse::<u32>().unwrap()) => Some(path.to_owned()),
        _ => {
            eprintln!("NOT TESTED: there is no CPython 3.8 to 3.15 called python3 on PATH");
            None
        }
    }
}

/// A busy program that ends with us.
struct Busy {
    child: Child,
    /// It ends when this is closed.
    input: Option<ChildStdin>,
}

impl Busy {
    fn start(python: &str) -> Busy {
        let mut child = Command::new(python).arg(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        let input = child.stdin.take();
        Busy { child, input }
    }

    fn end(&mut self) {
        self.input = None;
        self.child.wait().unwrap();
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.end();
    }
}

/// The number after `Total Samples`.
fn samples(screen: &vt100::Screen) -> u64 {
    let digits = screen.contents_between(1, 14, 1, COLUMNS);
    digits.split([',', ' ']).next().unwrap().parse().unwrap_or(0)
}

fn of(busy: &Busy) -> Top {
    Top::start(&["--pid", &busy.child.id().to_string(), "--delay", "0.2"])
}

#[test]
fn keys_and_quitting() {
    let Some(python) = python() else { return };
    let busy = Busy::start(&python);
    for quit in ["q", "\x03"] {
        let mut top = of(&busy);
        top.wait_for_table("  spin (busy.py)");
        top.press("l");
        top.wait_for("(filename:line)");
        top.press("?");
        top.wait_for("Scroll");
        top.press("x");
        top.wait_for("Collecting");
        top.wait_until(|screen| samples(screen) >= 100);
        let before = samples(top.screen());
        top.press("r");
        top.wait_until(|screen| samples(screen) < before && screen.contents().contains("  spin (busy.py:"));
        top.press(quit);
        let (code, printed) = top.finish();
        assert_eq!(code, 0);
        assert!(printed.contains("spin (busy.py:"), "{printed}");
        assert!(!printed.contains("ended"), "{printed}");
    }
}

#[test]
fn signals_end_it_and_not_the_program() {
    let Some(python) = python() else { return };
    let mut busy = Busy::start(&python);
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let mut top = of(&busy);
        top.wait_for_table("  spin (busy.py)");
        top.signal(signal);
        assert_eq!(top.finish().0, 0, "{signal}");
        assert!(busy.child.try_wait().unwrap().is_none());
    }
}

#[test]
fn the_end_of_the_program_leaves_the_last_table() {
    let Some(python) = python() else { return };
    let mut busy = Busy::start(&python);
    let mut top = of(&busy);
    top.wait_for_table("  spin (busy.py)");
    busy.end();
    let (code, printed) = top.finish();
    assert_eq!(code, 0);
    assert!(printed.contains("OwnTime  TotalTime  Function (filename)\n"), "{printed}");
    assert!(printed.contains("   spin (busy.py)\n"), "{printed}");
    assert!(printed.contains(&format!("\n\nprocess {} ended\n", busy.child.id())), "{printed}");
}

#[test]
fn a_command_that_fails_is_heard_and_its_status_is_ours() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("now");
    let mut top = Top::start(&["--", &python, PROGRAM, file.to_str().unwrap()]);
    top.wait_for_table("  spin (busy.py)");
    fs::write(&file, "").unwrap();
    let (code, printed) = top.finish();
    assert_eq!(code, 3);
    assert!(printed.contains("chatter on standard output\nit broke\n"), "{printed}");
    assert!(printed.contains(" ended\n"), "{printed}");
}

#[test]
fn quitting_asks_a_command_to_end() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("now");
    let mut top = Top::start(&["--", &python, PROGRAM, file.to_str().unwrap()]);
    top.wait_for_table("  spin (busy.py)");
    top.press("q");
    let (code, printed) = top.finish();
    assert_eq!(code, 0);
    assert!(file.with_extension("cleaned").exists());
    assert!(!printed.contains("chatter"), "{printed}");
}

#[test]
fn a_command_ends_when_the_terminal_is_gone() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("now");
    let size = Winsize { ws_row: ROWS, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    // It is gone when nobody has its other side, py-spy least of all.
    fcntl(&pty.master, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
    command.args(["top", "--", &python, PROGRAM, file.to_str().unwrap()]).env("TERM", "xterm-256color");
    let slave = || Stdio::from(pty.slave.try_clone().unwrap());
    let mut child = command.stdin(slave()).stdout(slave()).stderr(slave()).spawn().unwrap();
    drop((command, pty.slave));
    let mut master = File::from(pty.master);
    let (mut terminal, mut bytes) = (vt100::Parser::new(ROWS, COLUMNS, 0), [0; 4096]);
    while !terminal.screen().contents().contains("  spin (busy.py)") {
        let count = master.read(&mut bytes).unwrap();
        terminal.process(&bytes[..count]);
    }
    drop(master);
    // Standard error is gone too: nothing can be said, and that is no reason for a panic.
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(file.with_extension("cleaned").exists());
}

#[test]
fn a_command_can_be_left_running() {
    let Some(python) = python() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("now");
    let mut top = Top::start(&["--keep-running", "--", &python, PROGRAM, file.to_str().unwrap()]);
    top.wait_for_table("  spin (busy.py)");
    top.press("q");
    assert_eq!(top.finish().0, 0);
    assert!(!file.with_extension("cleaned").exists());
    // It ends when the folder does.
}

#[test]
fn a_command_that_is_no_python_never_takes_the_terminal() {
    let (code, printed) = Top::start(&["--", "sh", "-c", "echo words; exit 7"]).finish();
    assert_eq!(code, 1);
    let expected = "words\nError: the command ended with exit status 7 before it was seen to run Python\nhint: ";
    assert!(printed.starts_with(expected), "{printed}");
}

#[test]
fn without_a_terminal_there_is_a_hint() {
    let pty = openpty(None, None).unwrap();
    for (input, output, expected) in [
        (Stdio::from(pty.slave.try_clone().unwrap()), Stdio::piped(), "standard output"),
        (Stdio::null(), Stdio::from(pty.slave.try_clone().unwrap()), "standard input"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
        command.args(["top", "--pid", "1"]).stdin(input).stdout(output).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let expected = format!(
            "Error: top needs a terminal, and {expected} is none\nhint: py-spy record and py-spy dump work without a terminal\n"
        );
        assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    }
}
