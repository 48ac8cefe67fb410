//! Files that were deleted or replaced while they are mapped, and files that never had a name.

use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::host::{command, start};
use crate::library::{Library, libraries};
use crate::names::{can_run, elsewhere, interpreters};
use crate::{copy_file, is_shown, waiting_in};

/// Another file than this one of those.
fn other<'a>(files: &'a [PathBuf], than: &Path) -> Option<&'a PathBuf> {
    let other = files.iter().find(|file| *file != than);
    if other.is_none() {
        eprintln!("only one here: that another takes the place of {} is NOT tested", than.display());
    }
    other
}

#[test]
fn a_library_that_is_gone_or_another_by_now() {
    let all = libraries();
    let files: Vec<PathBuf> = all.iter().map(|library| library.path.clone()).collect();
    for Library { parts, path, host } in all {
        let folder = tempfile::tempdir().expect("a folder");
        let (copy, new) = (folder.path().join(path.file_name().expect("a name")), folder.path().join("new"));
        let code = waiting_in("work");
        let check = |what: &str, actions: &[&dyn AsRef<std::ffi::OsStr>]| {
            let name = format!("CPython {} in a library that is {what}", parts.version);
            let actions = [&[&"home" as &dyn AsRef<_>, &parts.home][..], actions, &[&"init", &"run", &code]].concat();
            if let Some(running) = start(&name, &mut command(host, &actions), 1) {
                is_shown(&name, running.id(), &[(&parts.version, "work")]);
            }
        };
        copy_file(path, &copy);
        check("deleted", &[&"load", &copy, &"unlink", &copy]);
        check("nameless", &[&"memfd", &path]);
        if let Some(other) = other(&files, path) {
            copy_file(path, &copy);
            copy_file(other, &new);
            check("replaced", &[&"load", &copy, &"rename", &new, &copy]);
        }
    }
}

#[test]
fn an_executable_that_is_gone_or_another_by_now() {
    let all = interpreters();
    let files: Vec<PathBuf> = all.iter().map(|(interpreter, _)| interpreter.program.clone()).collect();
    for (interpreter, parts) in &all {
        let folder = tempfile::tempdir().expect("a folder");
        let (copy, new) = (folder.path().join("worker"), folder.path().join("new"));
        copy_file(&interpreter.program, &copy);
        if !can_run(&copy, parts) {
            continue;
        }
        let name = format!("CPython {}, deleted", parts.version);
        if let Some(running) = start(&name, &mut elsewhere(&copy, parts, "work"), 1) {
            fs::remove_file(&copy).expect("it is there");
            is_shown(&name, running.id(), &[(&parts.version, "work")]);
        }
        copy_file(&interpreter.program, &copy);
        let name = format!("CPython {}, replaced", parts.version);
        if let Some(other) = other(&files, &interpreter.program)
            && let Some(running) = start(&name, &mut elsewhere(&copy, parts, "work"), 1)
        {
            copy_file(other, &new);
            fs::rename(&new, &copy).expect("it takes the other's place");
            is_shown(&name, running.id(), &[(&parts.version, "work")]);
        }
        let name = format!("CPython {} without a name", parts.version);
        // Children have it too: to them it is at the same number.
        let nameless = memfd_create("python", MFdFlags::empty()).expect("a file");
        let mut nameless = fs::File::from(nameless);
        nameless.write_all(&fs::read(&interpreter.program).expect("it is there")).expect("memory");
        let path = PathBuf::from(format!("/proc/self/fd/{}", nameless.as_raw_fd()));
        if let Some(running) = start(&name, &mut elsewhere(&path, parts, "work"), 1) {
            is_shown(&name, running.id(), &[(&parts.version, "work")]);
        }
    }
}
