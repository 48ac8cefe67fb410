//! Two Pythons in one process.

use std::path::Path;

use crate::common::{Running, good, run};
use crate::host::{can_load, command, start};
use crate::library::{Library, Parts, libraries};
use crate::{is_recorded, is_shown, record, waiting_in};

/// Two libraries and a program that can load both.
struct Pair {
    one: &'static Library,
    two: &'static Library,
    host: &'static Path,
}

/// Each library with the one of the next series, the last one with the first.
fn pairs() -> impl DoubleEndedIterator<Item = Pair> {
    let all = libraries();
    if all.len() < 2 {
        eprintln!("fewer than two libraries here: two CPythons in one process are NOT tested");
    }
    let pairs = (0..all.len()).filter(|_| all.len() > 1).filter_map(|place| {
        let (one, two) = (&all[place], &all[(place + 1) % all.len()]);
        // That of the newer one, which may have brought a newer C library.
        let host = if place + 1 < all.len() { &two.host } else { &one.host };
        can_load(host, &[&one.path, &two.path]).then_some(Pair { one, two, host })
    });
    pairs.collect::<Vec<_>>().into_iter()
}

/// A process in which one runs in the first thread and the other in another.
fn both(Pair { one, two, host }: &Pair) -> Option<(String, Running)> {
    let name = format!("CPython {} and {}", one.parts.version, two.parts.version);
    let (first, second) = (waiting_in("first"), waiting_in("second"));
    let mut command = command(host, &[&"home", &one.parts.home, &"load", &one.path, &"init"]);
    command.args(["thread", "home"]).arg(&two.parts.home).arg("load").arg(&two.path);
    command.args(["init", "run", &second, "end", "run", &first, "wait"]);
    Some((name.clone(), start(&name, &mut command, 2)?))
}

fn versions(Pair { one, two, .. }: &Pair) -> [&'static str; 2] {
    let version = |library: &'static Library| -> &'static str {
        let parts: &'static Parts = library.parts;
        &parts.version
    };
    [version(one), version(two)]
}

#[test]
fn both_are_shown() {
    for pair in pairs() {
        let Some((name, running)) = both(&pair) else { continue };
        let [one, two] = versions(&pair);
        is_shown(&name, running.id(), &[(one, "first"), (two, "second")]);
        running.is_unharmed();
    }
}

#[test]
fn both_are_listed() {
    for pair in pairs().take(1) {
        let Some((name, running)) = both(&pair) else { continue };
        let output = run(&["ps", "--json"]);
        let all: serde_json::Value = serde_json::from_str(good(&name, &output)).expect("JSON");
        let ours = all.as_array().expect("a list").iter().filter(|process| process["pid"] == running.id());
        let mut listed: Vec<&str> = ours.filter_map(|process| process["version"].as_str()).collect();
        listed.sort_unstable();
        let mut expected = versions(&pair);
        expected.sort_unstable();
        assert_eq!(listed, expected, "{name}");
    }
}

#[test]
fn one_that_is_loaded_later_is_recorded_too() {
    let (mut all, mut some) = (pairs(), Vec::new());
    some.extend(all.next());
    some.extend(all.next_back());
    for Pair { one, two, host } in some {
        let name = format!("CPython {} and later {}", one.parts.version, two.parts.version);
        let [alone, first, second] = ["alone", "first", "second"].map(waiting_in);
        let mut command = command(host, &[&"home", &one.parts.home, &"load", &one.path, &"init", &"run", &alone]);
        command.args(["thread", "home"]).arg(&two.parts.home).arg("load").arg(&two.path);
        command.args(["init", "run", &second, "end", "run", &first, "wait"]);
        let Some(mut running) = start(&name, &mut command, 1) else { continue };
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("profile");
        let mut recorder = record(&running.id_text(), &path);
        recorder.wait_until_it_samples();
        running.tell("\n");
        for _ in 0..2 {
            assert_eq!(running.line(), "ready", "{name}");
        }
        recorder.wait_for(&format!("] CPython {} in ", two.parts.version));
        recorder.wait_until_it_samples();
        is_recorded(&name, recorder, &path, &["alone", "first", "second"]);
    }
}
