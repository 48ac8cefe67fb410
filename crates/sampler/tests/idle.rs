//! Who is active and who is not: what the scheduler says, in each tick.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Seen, attach, options};
use py_spy_sampler::{Mode, Options};
use py_spy_test_programs::{Program, one_of_each_series_that_runs, turn};

const SLEEPERS: u64 = 500;

/// Samples by the kernel's thread id.
fn by_thread(seen: &Seen) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for (&(thread, _), count) in &seen.stacks {
        *counts.entry(thread).or_default() += count;
    }
    counts
}

/// The id that the program says its busy thread has.
fn busy(program: &Program) -> u64 {
    let said = program.said().iter().find_map(|line| line.strip_prefix("busy "));
    said.and_then(|id| id.parse().ok()).expect("it says which thread is busy")
}

#[test]
fn sleepers_are_never_seen_and_the_busy_one_always() {
    for interpreter in one_of_each_series_that_runs("asleep") {
        for mode in [Mode::Stop, Mode::Nonblocking] {
            let turn = turn();
            let program = Program::start(&turn, interpreter, "asleep", &[&SLEEPERS.to_string(), "busy"]);
            let options = Options { interval: Duration::from_millis(1), ..options(mode) };
            let seen = attach(&program, options).run(200);
            eprintln!(
                "{interpreter} {mode:?}: {} samples in {} ticks, dropped {}",
                seen.samples, seen.ticks, seen.dropped
            );
            // It never waits for anything: at each tick it runs or could run.
            assert_eq!(by_thread(&seen), BTreeMap::from([(busy(&program), seen.ticks)]), "{interpreter} {mode:?}");
            assert_eq!(seen.dropped, 0, "{interpreter} {mode:?}");
        }
    }
}

#[test]
fn with_the_idle_ones_all_are_seen_in_each_tick() {
    let all = SLEEPERS + 2;
    for interpreter in one_of_each_series_that_runs("asleep") {
        for mode in [Mode::Stop, Mode::Nonblocking] {
            let turn = turn();
            let program = Program::start(&turn, interpreter, "asleep", &[&SLEEPERS.to_string(), "busy"]);
            let options = Options { interval: Duration::from_millis(1), include_idle: true, ..options(mode) };
            let ticks = 5;
            let seen = attach(&program, options).run(ticks * all);
            assert_eq!((seen.ticks, seen.samples, seen.dropped), (ticks, ticks * all, 0), "{interpreter} {mode:?}");
            assert!(seen.by_time.values().all(|&count| count == all), "{interpreter} {mode:?}: {:?}", seen.by_time);
            let counts = by_thread(&seen);
            assert!(
                counts.len() as u64 == all && counts.values().all(|&count| count == ticks),
                "{interpreter} {mode:?}"
            );
            assert_eq!(counts.get(&busy(&program)), Some(&ticks), "{interpreter} {mode:?}");
        }
    }
}
