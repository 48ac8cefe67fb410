//! What is said of programs in which no CPython runs.

use crate::common::{one_error, py_spy, run, stderr};
use crate::host::{command, host, start};
use crate::library::{Library, libraries};

#[test]
fn a_program_that_has_none() {
    let Some(host) = host() else { return };
    let running = start("a server", &mut command(&host, &[&"say", &"ready", &"wait"]), 1).expect("it runs anywhere");
    let pid = running.id_text();
    let text = run(&["dump", "--pid", &pid]);
    let text = one_error("a server", &text, &format!("process {pid} (server, {}) is not a Python", host.display()));
    assert!(text.contains("none of its mapped files is CPython") && text.contains("\nhint: "), "{text}");
    // In detail each file is told of.
    let detailed = py_spy(&["dump", "--pid", &pid]).env("RUST_LOG", "info").output().expect("py-spy starts");
    let detailed = stderr(&detailed);
    assert!(detailed.contains(&format!("{}: _PyRuntime at None", host.display())), "{detailed}");
    assert!(detailed.contains(&format!("{}: it has no symbol of CPython", host.display())), "{detailed}");
    assert!(detailed.contains(" mapped files were looked at"), "{detailed}");
}

#[test]
fn a_program_that_does_not_use_its_own() {
    // It is waited for each of them: they might be starting.
    let ways = [("unused", &[][..]), ("used up", &["init", "run", "pass", "finalize"])];
    for (Library { parts, path, host }, (what, actions)) in libraries().iter().zip(ways.into_iter().cycle()) {
        let name = format!("CPython {}, {what}", parts.version);
        let mut command = command(host, &[&"home", &parts.home, &"load", &path]);
        command.args(actions).args(["say", "ready", "wait"]);
        let Some(running) = start(&name, &mut command, 1) else { continue };
        let output = run(&["dump", "--pid", &running.id_text()]);
        let text = one_error(&name, &output, "has a CPython that is not initialised: ");
        assert!(text.contains(&*path.to_string_lossy()) && text.contains("\nhint: "), "{name}: {text}");
    }
}
