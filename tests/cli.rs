//! The command line without any interpreter: usage, help, completions, outputs and commands that can not be.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output, Stdio};

const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

fn py_spy(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
    // What is printed must not depend on where the tests run.
    for name in ["COLUMNS", "RUST_LOG", "CLICOLOR_FORCE", "SUDO_UID", "SUDO_GID"] {
        command.env_remove(name);
    }
    command.args(words).stdin(Stdio::null());
    command
}

fn run(words: &[&str]) -> Output {
    py_spy(words).output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stdout(output: &Output) -> &str {
    str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    str::from_utf8(&output.stderr).unwrap()
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn usage_errors_exit_with_2() {
    for (words, expected) in [
        (&["record"][..], "--pid <pid>|python_program"),
        (&["top"], "--pid <pid>|python_program"),
        (&["dump"], "--pid <pid>"),
        (&["record", "--pid", "1", "--", "python"], "cannot be used with"),
        (&["top", "--pid", "1", "python"], "cannot be used with"),
        (&["record", "--pid", "python"], "a process id is a positive number"),
        (&["record", "--pid", "0"], "a process id is a positive number"),
        (&["record", "--pid", "1", "--rate", "0"], "a rate is a number of samples a second"),
        (&["record", "--pid", "1", "--rate", "-5"], "a rate is a number of samples a second"),
        (&["record", "--pid", "1", "--rate", "1000001"], "at most 1000000 samples a second"),
        (&["record", "--pid", "1", "--duration", "0"], "at least 1ms"),
        (&["record", "--pid", "1", "--duration", "-1"], "a duration is a number of seconds"),
        (&["record", "--pid", "1", "--duration", "99999999999999999999"], "a hundred years"),
        (&["record", "--pid", "1", "--format", "pprof"], "possible values: flamegraph, raw, speedscope, chrometrace"),
        (&["record", "--pid", "1", "--keep-running"], "cannot be used with"),
        (&["top", "--pid", "1", "--delay", "0"], "a delay is a number of seconds"),
        (&["completions", "cmd"], "possible values: bash"),
        (&["record", "python", "app.py", "--its-option"], "-- --its-option"),
        (&["nonsense"], "unrecognized subcommand"),
    ] {
        let output = run(words);
        assert_eq!(code(&output), 2, "{words:?}");
        assert!(stderr(&output).contains(expected), "{words:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "", "{words:?}");
    }
}

#[test]
fn no_arguments_print_help_and_exit_with_2() {
    let output = run(&[]);
    assert_eq!(code(&output), 2);
    assert_eq!(stderr(&output), stdout(&run(&["--help"])));
}

#[test]
fn line_options_exclude_each_other_as_in_py_spy() {
    let output = run(&["record", "--pid", "1", "--function", "--nolineno"]);
    assert_eq!(code(&output), 1);
    assert_eq!(stderr(&output), "Error: --function & --nolinenos can't be used together\n");
}

#[test]
fn only_the_kernel_knows_where_it_is_in_it() {
    for sampler in ["stop", "nonblocking"] {
        let output = py_spy(&["record", "--kernel", "--sampler", sampler, "--pid", "1"]).output().expect("it starts");
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            stderr(&output),
            "Error: --kernel: only the kernel itself knows where a thread is in it\nhint: let it take the samples: --sampler kernel\n"
        );
    }
}

#[test]
fn the_version_is_one_line() {
    let output = run(&["-V"]);
    assert_eq!(code(&output), 0);
    assert_eq!(stdout(&output), concat!("py-spy ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn help() {
    for (name, words) in [
        ("help", &["--help"][..]),
        ("help_record", &["record", "--help"]),
        ("help_top", &["top", "--help"]),
        ("help_dump", &["dump", "--help"]),
        ("help_ps", &["ps", "--help"]),
    ] {
        insta::assert_snapshot!(name, stdout(&run(words)));
    }
}

#[test]
fn verbs_can_be_shortened() {
    for (short, verb) in
        [("r", "record"), ("rec", "record"), ("t", "top"), ("d", "dump"), ("p", "ps"), ("c", "completions")]
    {
        assert_eq!(stdout(&run(&[short, "--help"])), stdout(&run(&[verb, "--help"])), "{short}");
    }
}

#[test]
fn completions_for_every_shell() {
    for shell in SHELLS {
        let output = run(&["completions", shell]);
        assert_eq!(code(&output), 0, "{shell}");
        for word in ["record", "nonblocking", "speedscope"] {
            assert!(stdout(&output).contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn bash_accepts_its_completions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("completions");
    fs::write(&path, run(&["completions", "bash"]).stdout).unwrap();
    let output = Command::new("bash").arg("-n").arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_closed_standard_output_is_one_line() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = py_spy(&["completions", "bash"]).stdout(writer).output().unwrap();
    assert_eq!(code(&output), 1);
    assert_eq!(stderr(&output), "Error: standard output was closed before everything was written\n");
}

#[test]
fn a_full_standard_output_is_an_error() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = py_spy(&["completions", "bash"]).stdout(full).output().unwrap();
    assert_eq!(code(&output), 1);
    assert_eq!(stderr(&output), "Error: cannot write to standard output: No space left on device\n");
}

#[test]
fn an_output_that_can_not_be_written_is_known_before_the_command_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("file"), "").unwrap();
    let marker = path("marker");
    for (output, expected) in [
        (
            path("no/x.svg"),
            format!("No such file or directory\nhint: make the folder first: mkdir -p {}\n", path("no")),
        ),
        (path(""), "is a directory\nhint: name a file in it with --output\n".to_owned()),
        (path("file/x.svg"), "Not a directory\n".to_owned()),
    ] {
        let result = run(&["record", "-o", &output, "--", "touch", &marker]);
        assert_eq!(code(&result), 1);
        assert_eq!(stderr(&result), format!("Error: cannot write '{output}': {expected}"));
        assert!(!Path::new(&marker).exists());
    }
}

#[test]
fn a_read_only_output_is_left_alone() {
    // Root may write everything.
    if nix::unistd::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.svg");
    fs::write(&path, "old").unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let result = run(&["record", "-o", path.to_str().unwrap(), "--", "true"]);
    assert_eq!(code(&result), 1);
    assert!(stderr(&result).contains("Permission denied\nhint: "), "{}", stderr(&result));
    assert_eq!(fs::read_to_string(&path).unwrap(), "old");
}

#[test]
fn a_command_that_can_not_start_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    for (program, expected) in [
        ("no-such-program-here", "Error: cannot start 'no-such-program-here': command not found\nhint: "),
        ("./no-such-program", "Error: cannot start './no-such-program': no such file\nhint: "),
        ("/", "Error: cannot start '/': it is a directory\n"),
        ("/dev/null", "Error: cannot start '/dev/null': it is not executable\nhint: "),
    ] {
        let output = py_spy(&["record", "--", program]).current_dir(folder.path()).output().unwrap();
        assert_eq!(code(&output), 1, "{program}");
        assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
        assert!(is_empty(folder.path()), "{program}");
    }
}

#[test]
fn escapes_in_arguments_do_not_reach_the_terminal() {
    let output = run(&["record", "-o", "/no\x1b[31m\n/x", "--", "true"]);
    assert_eq!(stderr(&output).lines().count(), 2);
    assert!(stderr(&output).contains(r"/no\x1b[31m\n/x"), "{}", stderr(&output));
}
