//! Started by the loader: the executable is the loader then.

use py_spy_test_programs::{all_interpreters, one_of_each_series};

use crate::common::{good, py_spy};
use crate::host::{command, start};
use crate::library::Parts;
use crate::{busy_in, has_all, is_shown, waiting_in};

#[test]
fn the_loader_runs_an_interpreter() {
    let mut seen = std::collections::BTreeSet::new();
    for interpreter in all_interpreters().iter().filter(|one| one.environment.is_empty()) {
        let parts = Parts::of(interpreter);
        let Some(loader) = parts.loader.filter(|_| seen.insert((interpreter.series(), interpreter.free_threaded)))
        else {
            continue;
        };
        let name = format!("{} {interpreter}", loader.display());
        let mut command = command(&loader, &[&interpreter.program, &"-c", &waiting_in("work")]);
        let Some(running) = start(&name, &mut command, 1) else { continue };
        is_shown(&name, running.id(), &[(&parts.version, "work")]);
    }
}

#[test]
fn what_the_loader_runs_is_recorded() {
    let interpreter = one_of_each_series()[0];
    let parts = Parts::of(interpreter);
    let Some(loader) = parts.loader else {
        eprintln!("SKIPPED: {interpreter} has no loader");
        return;
    };
    let mut command = py_spy(&["record", "-f", "raw", "-o", "-", "--"]);
    let output = command.arg(&loader).arg(&interpreter.program).args(["-c", &busy_in("work", 2)]).output();
    let output = output.expect("py-spy starts");
    has_all("a loader", good("a loader", &output), &["work"]);
}
