//! Processes that we may not look at.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use py_spy_test_programs::one_of_each_series;

use crate::common::one_error;
use crate::{both_ways, waiting};

/// Runs a copy of py-spy, at a place where everybody may run it, through another program that takes rights away.
fn with_less(program: &str, arguments: &[&str], expected: &[&str]) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("not root here: what is said without rights ({program} {arguments:?}) is NOT tested");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("it is ours");
    let copy = folder.path().join("py-spy");
    fs::copy(env!("CARGO_BIN_EXE_py-spy"), &copy).expect("a copy");
    for interpreter in [one_of_each_series()[0], one_of_each_series()[one_of_each_series().len() - 1]] {
        let mut target = waiting(interpreter);
        let pid = target.id_text();
        for words in both_ways(&pid) {
            let name = format!("{program} {arguments:?} {words:?}");
            let mut command = Command::new(program);
            command.args(arguments).arg("--").arg(&copy).args(&words).current_dir(&folder);
            let output = command.output().unwrap_or_else(|error| panic!("{name}: {error}"));
            let text =
                one_error(&name, &output, &format!("Error: no permission to read the memory of process {pid} ("));
            assert_eq!(text.lines().count(), 2, "{name}: {text}");
            for part in expected {
                assert!(text.lines().last().is_some_and(|hint| hint.contains(part)), "{name}: {text}");
            }
            assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 1, "{name}: something is left behind");
        }
        target.goes_on();
    }
}

#[test]
fn another_user_is_told_about_root() {
    with_less("setpriv", &["--reuid=65534", "--regid=65534", "--clear-groups"], &["hint: ", "sudo env \"PATH=$PATH\""]);
}

#[test]
fn root_without_the_capability_is_told_about_it() {
    // Whoever has all rights that the target has may trace it: it must have one that we lack.
    with_less("setpriv", &["--bounding-set=-sys_ptrace", "--inh-caps=-all"], &["hint: "]);
}
