//! CPython in a program that is called something else.

use std::ffi::OsString;

use crate::host::{command, compile, start};
use crate::library::{Library, libraries, parts};
use crate::{is_shown, waiting_in};

#[test]
fn a_program_that_has_loaded_a_library() {
    for Library { parts, path, host } in libraries() {
        let name = format!("a server with CPython {}", parts.version);
        let mut command = command(host, &[&"home", &parts.home, &"load", &path, &"init", &"run", &waiting_in("work")]);
        let Some(running) = start(&name, &mut command, 1) else { continue };
        is_shown(&name, running.id(), &[(&parts.version, "work")]);
        running.is_unharmed();
    }
}

#[test]
fn an_interpreter_that_was_ended_and_begun_again() {
    for Library { parts, path, host } in libraries() {
        let name = format!("a second CPython {}", parts.version);
        let code = waiting_in("again");
        let mut command = command(
            host,
            &[&"home", &parts.home, &"load", &path, &"init", &"run", &"pass", &"finalize", &"init", &"run", &code],
        );
        let Some(running) = start(&name, &mut command, 1) else { continue };
        is_shown(&name, running.id(), &[(&parts.version, "again")]);
    }
}

/// What is linked to a program need not be exported, and its symbols may be stripped.
#[test]
fn a_program_that_is_linked_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut tested = 0;
    for parts in parts() {
        let Some(archive) = &parts.archive else { continue };
        for way in ["-rdynamic", "-O1", "-s"] {
            let name = format!("a server that is linked with CPython {} ({way})", parts.version);
            let program = folder.path().join("server");
            let mut switches: Vec<OsString> = vec!["-DLINKED".into(), way.into(), archive.into()];
            switches.extend(parts.link.iter().map(OsString::from));
            switches.extend(["-lutil", "-lm"].map(OsString::from));
            if compile(&program, &switches).is_none() {
                break;
            }
            let actions: [&dyn AsRef<std::ffi::OsStr>; 6] =
                [&"home", &parts.home, &"linked", &"init", &"run", &waiting_in("work")];
            let Some(running) = start(&name, &mut command(&program, &actions), 1) else { continue };
            is_shown(&name, running.id(), &[(&parts.version, "work")]);
            tested += 1;
        }
    }
    if tested == 0 {
        eprintln!("no libpython.a that can be linked here: a program that is linked with CPython is NOT tested");
    }
}
