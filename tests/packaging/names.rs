//! Interpreters by other names, at places with other names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use py_spy_test_programs::{Interpreter, all_interpreters};

use crate::host::{command, start};
use crate::library::{Library, Parts, libraries};
use crate::{copy_file, is_shown, waiting_in};

/// One interpreter of each series and kind.
pub(crate) fn interpreters() -> Vec<(&'static Interpreter, Parts)> {
    let mut seen = std::collections::BTreeSet::new();
    let all = all_interpreters().iter().filter(|one| one.environment.is_empty() && !one.debug);
    let all = all.filter(|interpreter| seen.insert((interpreter.series(), interpreter.free_threaded)));
    all.map(|interpreter| (interpreter, Parts::of(interpreter))).collect()
}

/// The command of an interpreter at another place: it does not find its modules by itself there, and not its library.
pub(crate) fn elsewhere(program: &Path, parts: &Parts, function: &str) -> Command {
    let mut command = command(program, &[&"-S", &"-c", &waiting_in(function)]);
    command.env("PYTHONHOME", &parts.home);
    let folders = [&parts.library, &parts.loader].into_iter().flatten().filter_map(|file| file.parent());
    command.env("LD_LIBRARY_PATH", std::env::join_paths(folders).expect("no colons"));
    command
}

/// An interpreter that has its own C library can not do without it at another place.
pub(crate) fn can_run(program: &Path, parts: &Parts) -> bool {
    let mut command = elsewhere(program, parts, "work");
    let ready = command.stdin(std::process::Stdio::null()).output().is_ok_and(|output| output.stdout == b"ready\n");
    if !ready {
        eprintln!("SKIPPED: CPython {} does not run at another place", parts.version);
    }
    ready
}

#[test]
fn copies_and_links_by_any_name() {
    for (interpreter, parts) in interpreters() {
        let folder = tempfile::tempdir().expect("a folder");
        // In Latin-1, with a line's end and blanks, and what the kernel says of files that are gone.
        let odd = folder.path().join(OsStr::from_bytes(b"caf\xe9 \xff\n(x) ")).join("a worker (deleted)");
        fs::create_dir(odd.parent().expect("a folder")).expect("a folder");
        let plain = folder.path().join("worker");
        for copy in [&plain, &odd] {
            copy_file(&interpreter.program, copy);
        }
        if !can_run(&plain, &parts) {
            continue;
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&plain, &link).expect("a link");
        for program in [&plain, &odd, &link] {
            let name = format!("CPython {} as {program:?}", parts.version);
            let Some(running) = start(&name, &mut elsewhere(program, &parts, "work"), 1) else { continue };
            is_shown(&name, running.id(), &[(&parts.version, "work")]);
        }
    }
}

#[test]
fn a_library_at_an_odd_place() {
    for Library { parts, path, host } in libraries() {
        let folder = tempfile::tempdir().expect("a folder");
        let odd = folder.path().join(OsStr::from_bytes(b"caf\xe9 \xff\n(x) "));
        fs::create_dir(&odd).expect("a folder");
        let copy = odd.join("plugin.so (deleted)");
        copy_file(path, &copy);
        let name = format!("CPython {} in {copy:?}", parts.version);
        let mut command = command(host, &[&"home", &parts.home, &"load", &copy, &"init", &"run", &waiting_in("work")]);
        let Some(running) = start(&name, &mut command, 1) else { continue };
        is_shown(&name, running.id(), &[(&parts.version, "work")]);
    }
}
