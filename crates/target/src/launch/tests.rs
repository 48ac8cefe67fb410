#![allow(clippy::unwrap_used)]

use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::*;

fn words(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

fn scratch(name: &str) -> std::path::PathBuf {
    std::env::temp_dir().join(format!("py-spy-launch-{}-{name}", std::process::id()))
}

/// Runs a shell command to its end and gives its status and what it wrote.
fn run(name: &str, script: &str) -> (ExitStatus, String) {
    let path = scratch(name);
    let file = File::create(&path).unwrap();
    let mut child = Child::launch(&words(&["sh", "-c", script]), Streams::Capture(file)).unwrap();
    child.watcher().wait();
    assert!(child.has_ended());
    let status = child.reap().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    (status, text)
}

#[test]
fn the_exit_status_is_kept() {
    assert_eq!(run("status", "exit 3").0.code(), Some(3));
    assert_eq!(run("killed", "kill -TERM $$").0.signal(), Some(libc::SIGTERM));
}

#[test]
fn both_output_streams_are_captured_and_input_is_empty() {
    let (status, text) = run("capture", "cat; echo out; echo err >&2");
    assert!(status.success());
    assert_eq!(text, "out\nerr\n");
}

#[test]
fn a_blocked_signal_of_ours_is_not_blocked_in_the_child() {
    let mut set = SigSet::empty();
    set.add(Signal::SIGCHLD);
    pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&set), None).unwrap();
    let (_, text) = run("mask", "grep SigBlk /proc/self/status");
    assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["SigBlk:", "0000000000000000"]);
}

#[test]
fn a_signal_ends_the_child_and_only_then_is_it_ended() {
    // Opening a FIFO without a writer holds the shell until the signal.
    let fifo = scratch("fifo");
    mkfifo(&fifo, Mode::S_IRWXU).unwrap();
    let mut child =
        Child::launch(&words(&["sh", "-c", "read x < \"$0\"", fifo.to_str().unwrap()]), Streams::Inherit).unwrap();
    assert!(!child.has_ended());
    child.signal(libc::SIGTERM).unwrap();
    child.watcher().wait();
    assert_eq!(child.reap().unwrap().signal(), Some(libc::SIGTERM));
    assert!(child.has_ended());
    child.signal(libc::SIGTERM).unwrap();
    std::fs::remove_file(fifo).unwrap();
}

#[test]
fn a_program_that_can_not_start_says_why() {
    let fail = |program: &str| Child::launch(&words(&[program]), Streams::Inherit).unwrap_err();
    assert_eq!(fail("no-such-program-here").to_string(), "cannot start 'no-such-program-here': command not found");
    assert!(fail("no-such-program-here").hint().unwrap().contains("PATH"));
    assert_eq!(fail("./no/such").to_string(), "cannot start './no/such': no such file");
    assert_eq!(fail("/").to_string(), "cannot start '/': it is a directory");
    assert_eq!(fail("").to_string(), "cannot start '': the command is empty");

    let script = scratch("script.py");
    std::fs::write(&script, "print()\n").unwrap();
    let error = fail(script.to_str().unwrap());
    assert!(error.to_string().ends_with("it is not executable"));
    assert!(error.hint().unwrap().contains("-- python "));
    std::fs::remove_file(script).unwrap();
}

#[test]
fn sudo_callers_are_read_from_its_variables() {
    let root = Uid::from_raw(0);
    let variables = |name: &str| match name {
        "SUDO_UID" | "SUDO_GID" => Some("4242424".to_owned()),
        "SUDO_USER" => Some("somebody".to_owned()),
        _ => None,
    };
    let caller = SudoCaller::find(root, variables).unwrap();
    assert_eq!((caller.uid.as_raw(), caller.gid.as_raw()), (4_242_424, 4_242_424));
    assert_eq!(caller.name.as_deref(), Some("somebody"));
    assert_eq!(caller.groups, [caller.gid]);

    assert!(SudoCaller::find(Uid::from_raw(1), variables).is_none());
    assert!(SudoCaller::find(root, |_| None).is_none());
    assert!(SudoCaller::find(root, |_| Some("0".to_owned())).is_none());
    assert!(SudoCaller::find(root, |_| Some("x".to_owned())).is_none());
}

#[test]
fn the_sudo_caller_is_who_the_child_runs_as() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let caller = SudoCaller::find(Uid::from_raw(0), |_| Some("4242424".to_owned())).unwrap();
    let mut command = Command::new("grep");
    command.args(["-E", "^(Uid|Gid|Groups):", "/proc/self/status"]);
    caller.apply(&mut command);
    let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let ids = "4242424 4242424 4242424 4242424";
    let lines: Vec<_> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(lines, [format!("Uid: {ids}"), format!("Gid: {ids}"), "Groups: 4242424".to_owned()]);
}
