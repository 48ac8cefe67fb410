//! Recorded programs of every series, read again to exactly what each said of itself. Needs no interpreter.

#![allow(clippy::print_stdout, reason = "a test says what it tested")]

mod recorded;

use std::ops::Range;

use py_spy_address_space::{Addr, PAGE};
use py_spy_python::{Binary, NotPython, find};
use recorded::look::{Met, Start, look};
use recorded::{NAMES, Recorded, load};

#[test]
fn every_series_is_read_to_what_it_said_of_itself() {
    for name in NAMES {
        let recorded = load(name);
        let series = recorded.truth.lines().next().expect("a version").trim_start_matches("version ");
        assert!(series.starts_with(name.trim_end_matches('t')), "{name} is a recording of {series}");
        let names = if name == "2.7" { ["größe.py", "no_utf8_\\xff"] } else { ["𠀀𠀁", "lone_\\udc80"] };
        assert!(names.iter().all(|part| recorded.truth.contains(part)), "{name}");
        assert!(recorded.truth.matches("  recursion ").count() == 41, "{name}");
        let seen = look(&recorded.memory, &recorded.start, &mut Met::default());
        assert_eq!(seen.as_deref(), Ok(recorded.truth.as_str()), "{name}");
        println!("tested: {} | dump | recorded", name.replace('t', ", free-threaded"));
    }
}

#[test]
fn without_symbols_what_publishes_itself_is_found_all_the_same() {
    for name in NAMES {
        let mut recorded = load(name);
        let Some(runtime) = recorded.start.runtime.take() else { continue };
        let page = runtime - runtime % PAGE as Addr;
        let data: Range<Addr> = page - 3 * PAGE as Addr..page + 2 * PAGE as Addr;
        let binary = Binary { path: "/x".to_owned(), initialize: true, data: [data].into(), ..Binary::default() };
        for page in [page - 3 * PAGE as Addr, page - 2 * PAGE as Addr, page - PAGE as Addr, page + PAGE as Addr] {
            recorded.memory.page(page);
        }
        let found = find(&recorded.memory, &[binary]);
        match name.trim_start_matches("3.").trim_end_matches('t').parse() {
            Ok(13..) => assert_eq!(found.map(|python| python.runtime), Ok(runtime), "{name}"),
            // Before there is nothing to be found by.
            _ => assert!(matches!(found, Err(NotPython::Version(_))), "{name}"),
        }
    }
}

#[test]
fn without_their_symbol_old_ones_are_found_by_what_returns_it_and_by_a_search() {
    let mut count = 0;
    for name in NAMES {
        let mut recorded = load(name);
        let Some(head) = recorded.start.interpreters else { continue };
        let page = head - head % PAGE as Addr;
        recorded.memory.page(page + PAGE as Addr);
        let data: Range<Addr> = page..page + 2 * PAGE as Addr;
        let (path, data) = ("/x".to_owned(), [data].into());
        let current_thread = recorded.start.current_thread;
        let binary = Binary { path, initialize: true, current_thread, data, ..Binary::default() };
        let found = find(&recorded.memory, std::slice::from_ref(&binary)).map(|python| python.runtime);
        assert_eq!(found, Ok(head), "{name}");
        // mov disp32(%rip),%rax; ret
        let function = head - 0x10000;
        let displacement = ((head - function - 7) as i32).to_le_bytes();
        let code = [&[0x48, 0x8b, 0x05][..], &displacement, &[0xc3]].concat();
        let at = function as usize % PAGE;
        recorded.memory.page(function)[at..at + code.len()].copy_from_slice(&code);
        let binary = Binary { data: Vec::new(), interpreters_getter: Some(function), ..binary };
        assert_eq!(find(&recorded.memory, &[binary]).map(|python| python.runtime), Ok(head), "{name}");
        count += 1;
    }
    assert_eq!(count, 2);
}

/// Puts another word into a recording.
fn put(recorded: &mut Recorded, at: Addr, word: u64) {
    let place = at as usize % PAGE;
    recorded.memory.page(at)[place..place + 8].copy_from_slice(&word.to_le_bytes());
}

#[test]
fn a_version_newer_than_all_known_is_read_by_what_it_publishes() {
    for name in ["3.13", "3.13t", "3.14", "3.15"] {
        for (number, version) in [(0x0310_00f0, "3.16.0"), (0x0311_01f0, "3.17.1"), (0x0400_00f0, "4.0.0")] {
            let mut recorded = load(name);
            let runtime = recorded.start.runtime.expect("an address");
            put(&mut recorded, runtime + 8, number);
            let seen = look(&recorded.memory, &recorded.start, &mut Met::default());
            if name == "3.15" {
                // It still says of itself in `sys.hexversion` that it is 3.15: that is no reason to refuse it.
                let (_, rest) = recorded.truth.split_once('\n').expect("lines");
                assert_eq!(seen, Ok(format!("version {version}\n{rest}")), "{name} as {version}");
            } else {
                // The words of another series' table lead nowhere, and that is noticed.
                let why = seen.expect_err("it has moved");
                assert!(!why.contains("not supported"), "{name} as {version}: {why}");
            }
        }
    }
}

#[test]
fn what_is_not_there_is_said() {
    let recorded = load("3.13");
    let nowhere = Start { runtime: Some(0x1000), ..Start::default() };
    let nothing = Start { runtime: None, ..Start::default() };
    for start in [nowhere, nothing] {
        assert!(look(&recorded.memory, &start, &mut Met::default()).is_err());
    }
    // A runtime that is all zero has not been initialised.
    let mut recorded = load("3.12");
    let runtime = recorded.start.runtime.expect("an address");
    recorded.memory.pages.retain(|&page, _| page == runtime - runtime % PAGE as Addr);
    recorded.memory.page(runtime).fill(0);
    recorded.memory.page(runtime + PAGE as Addr).fill(0);
    recorded.start.version = None;
    let path = "/python3.12".to_owned();
    let binary = Binary { path, runtime: Some(runtime), ..Binary::default() };
    assert!(matches!(find(&recorded.memory, &[binary]), Err(NotPython::Early | NotPython::Memory(_))));
}
