//! One-file programs: a bootloader unpacks CPython into a temporary folder, and a child of it runs the program there.

use std::fs;

use crate::common::{good, one_error, py_spy, run};
use crate::host::{command, start};
use crate::library::{Library, libraries, two_libraries};
use crate::{busy_in, copy_file, has_all, is_shown, waiting_in};

#[test]
fn the_bootloader_points_to_its_child_and_the_child_is_shown() {
    for Library { parts, path, host } in libraries() {
        let folder = tempfile::tempdir().expect("a folder");
        let unpacked = folder.path().join("plugin.so");
        copy_file(path, &unpacked);
        let name = format!("a bundle of CPython {}", parts.version);
        let code = waiting_in("work");
        let actions: [&dyn AsRef<std::ffi::OsStr>; 11] =
            [&"fork", &"home", &parts.home, &"load", &unpacked, &"init", &"unlink", &unpacked, &"run", &code, &"wait"];
        let Some(running) = start(&name, &mut command(host, &actions), 1) else { continue };
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.id()));
        let Some(child) = children.ok().and_then(|text| text.trim().parse::<u32>().ok()) else {
            eprintln!("SKIPPED: this kernel does not tell of children");
            return;
        };
        is_shown(&name, child, &[(&parts.version, "work")]);
        let pid = running.id_text();
        for words in [&["dump", "--pid", &pid][..], &["record", "-d", "1", "-o", "-", "--pid", &pid]] {
            let output = run(words);
            let text = one_error(&name, &output, &format!("process {pid} (server, "));
            let hint = format!("process {child}, which is CPython {}: use --pid {child}; ", parts.version);
            assert!(text.contains(" is not a Python program") && text.contains(&hint), "{name}: {text}");
        }
        let output = run(&["dump", "-s", "--pid", &pid]);
        assert!(good(&name, &output).contains("\n    work (<string>:"), "{name}");
        // It waits for the end of its input, and its parent for its end.
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(child as i32), nix::sys::signal::Signal::SIGKILL)
            .expect("it runs");
    }
}

#[test]
fn a_bundle_that_is_started_is_recorded() {
    for Library { parts, path, host } in two_libraries() {
        let folder = tempfile::tempdir().expect("a folder");
        let unpacked = folder.path().join("plugin.so");
        copy_file(path, &unpacked);
        let name = format!("a bundle of CPython {}", parts.version);
        let mut command = py_spy(&["record", "-f", "raw", "-o", "-", "--"]);
        command.arg(host).args(["fork", "home"]).arg(&parts.home).arg("load").arg(&unpacked);
        command.arg("init").arg("unlink").arg(&unpacked).args(["run", &busy_in("work", 2)]);
        let output = command.output().expect("py-spy starts");
        has_all(&name, good(&name, &output), &["work"]);
    }
}
