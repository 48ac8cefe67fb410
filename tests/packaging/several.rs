//! Two CPythons in one process.

use crate::common::{Running, good, py_spy, run};
use crate::host::{command, host, start};
use crate::library::{Parts, libraries};
use crate::{busy_in, is_recorded, is_shown, waiting_in};

use std::path::Path;

type Library = (&'static Parts, &'static Path);

/// Each library with the one of the next series, the last one with the first.
fn pairs() -> Vec<(Library, Library)> {
    let all = libraries();
    if all.len() < 2 {
        eprintln!("fewer than two libraries here: two CPythons in one process are NOT tested");
        return Vec::new();
    }
    all.iter().copied().zip(all.iter().copied().cycle().skip(1)).collect()
}

/// A process in which one runs in the first thread and the other in another.
fn both(one: Library, two: Library) -> Option<(String, Running)> {
    let name = format!("CPython {} and {}", one.0.version, two.0.version);
    let (first, second) = (waiting_in("first"), waiting_in("second"));
    let actions: [&dyn AsRef<std::ffi::OsStr>; 17] = [
        &"home",
        &one.0.home,
        &"load",
        &one.1,
        &"init",
        &"thread",
        &"home",
        &two.0.home,
        &"load",
        &two.1,
        &"init",
        &"run",
        &second,
        &"end",
        &"run",
        &first,
        &"wait",
    ];
    let running = start(&name, &mut command(host()?, &actions), 2)?;
    Some((name, running))
}

#[test]
fn both_are_shown() {
    for (one, two) in pairs() {
        let Some((name, running)) = both(one, two) else { continue };
        is_shown(&name, running.id(), &[(&one.0.version, "first"), (&two.0.version, "second")]);
        running.is_unharmed();
    }
}

#[test]
fn both_are_listed() {
    for (one, two) in pairs().into_iter().take(1) {
        let Some((name, running)) = both(one, two) else { continue };
        let output = run(&["ps", "--json"]);
        let all: serde_json::Value = serde_json::from_str(good(&name, &output)).expect("JSON");
        let ours = all.as_array().expect("a list").iter().filter(|process| process["pid"] == running.id());
        let mut versions: Vec<&str> = ours.filter_map(|process| process["version"].as_str()).collect();
        versions.sort_unstable();
        let mut expected = [one.0.version.as_str(), two.0.version.as_str()];
        expected.sort_unstable();
        assert_eq!(versions, expected, "{name}");
    }
}

#[test]
fn one_that_is_loaded_later_is_recorded_too() {
    for (one, two) in pairs().into_iter().rev() {
        let name = format!("CPython {} and later {}", one.0.version, two.0.version);
        let Some(host) = host() else { return };
        let (alone, first, second) = (busy_in("alone", 0.3), busy_in("first", 1.5), busy_in("second", 1.5));
        let mut command = py_spy(&["record", "-f", "raw", "-o", "-", "--"]);
        command.arg(host).arg("home").arg(&one.0.home).arg("load").arg(one.1).args(["init", "run", &alone, "thread"]);
        command.arg("home").arg(&two.0.home).arg("load").arg(two.1).args(["init", "run", &second, "end"]);
        command.args(["run", &first]);
        let output = command.output().expect("py-spy starts");
        if output.status.code() == Some(77) {
            eprintln!("SKIPPED: {name}: it can not run here");
            continue;
        }
        good(&name, &output);
        is_recorded(&name, &output, &["alone", "first", "second"]);
    }
}
