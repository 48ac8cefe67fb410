//! Shares of time are the program's own, by its own clock, in both modes.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::{Attached, Seen, attach, kernel_may, options};
use py_spy_sampler::{Mode, Options};
use py_spy_target::CpuClock;
use py_spy_test_programs::{Interpreter, Program, Turn, one_of_each_series_that_runs, turn};

/// Samples of each program on each interpreter in each mode.
const SAMPLES: u64 = 1000;

/// Without stopping, what is read lies up to this far apart; what ends meanwhile is `(moving)` in its caller.
const LOOK: Duration = Duration::from_micros(15);

/// A sample of the threads that live for 3 ms.
const SHORT_LIVES_INTERVAL: Duration = Duration::from_millis(5);

fn samples() -> u64 {
    std::env::var("SHARES_SAMPLES").ok().map_or(SAMPLES, |text| text.parse().expect("a number of samples"))
}

/// One of each series; `ORACLE_PYTHON=3.12` is that one only.
fn subjects(script: &str) -> Vec<&'static Interpreter> {
    let mut all = one_of_each_series_that_runs(script);
    if let Ok(wanted) = std::env::var("ORACLE_PYTHON") {
        all.retain(|interpreter| interpreter.environment.is_empty() && wanted.split(',').any(|it| interpreter.is(it)));
    }
    all
}

/// Runs a program, and counts only the samples before which it ran for a while: while it waits for its CPU it stays where
/// it is, and that is one observation, however often it is made. The kernel's come many at a time, and each is of a thread that ran.
fn observe(program: &Program, sampler: &mut Attached, mode: Mode) -> Seen {
    observe_some(program, sampler, mode, samples())
}

/// The same for so many samples.
fn observe_some(program: &Program, sampler: &mut Attached, mode: Mode, wanted: u64) -> Seen {
    if mode == Mode::Kernel {
        return sampler.run(wanted);
    }
    let clock = CpuClock::of(program.id()).expect("its clock");
    let mut last = 0;
    sampler.run_counting(wanted, &mut || {
        let now = clock.now().unwrap_or(0);
        let ran = now >= last + 500_000;
        last = if ran { now } else { last };
        ran
    })
}

/// How many stacks each of these functions is in, and how many have none of them.
fn count<'a>(seen: &Seen, names: &[&'a str]) -> (BTreeMap<&'a str, u64>, u64) {
    let mut counts: BTreeMap<_, _> = names.iter().map(|&name| (name, 0)).collect();
    let mut others = 0;
    for ((_, stack), count) in &seen.stacks {
        match names.iter().find(|&&name| stack.iter().any(|frame| frame.0 == name)) {
            Some(&name) => *counts.entry(name).or_default() += count,
            None => others += count,
        }
    }
    (counts, others)
}

/// Runs a program, and says how many samples of a length it waited for a CPU meanwhile. To the kernel's sampler that is known when it has had its
/// CPU back for a while, and what it runs then is taken for what it waited in: so many may be anybody's.
fn waiting(program: &Program, mode: Mode, interval: Duration, run: impl FnOnce() -> Seen) -> (Seen, f64) {
    let waited = || -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", program.id())).into_iter().flatten().flatten();
        let texts = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok());
        texts.filter_map(|text| text.split(' ').nth(1)?.parse::<u64>().ok()).sum()
    };
    let before = waited();
    let seen = run();
    let samples = waited().saturating_sub(before) as f64 / interval.as_nanos() as f64;
    (seen, if mode == Mode::Kernel { samples } else { 0.0 })
}

/// Each count is within five standard deviations of the binomial distribution. `moved` samples may be anybody's.
fn compare(
    what: &str,
    counts: &BTreeMap<&str, u64>,
    (total, waited): (u64, f64),
    shares: &[(&str, f64)],
    moved: impl Fn(&str) -> f64,
) {
    eprintln!("{what}: {counts:?} of {total}, expected {shares:?}");
    for &(name, share) in shares {
        let sigma = (total as f64 * share * (1.0 - share)).sqrt();
        let off = counts[name] as f64 - total as f64 * share;
        assert!(
            off <= 5.0 * sigma + 10.0 + waited && -off <= 5.0 * sigma + moved(name) + waited,
            "{what}: {name}: {counts:?} of {total}, waited for {waited:.1}"
        );
    }
}

fn at_a_kilohertz(mode: Mode) -> Options {
    Options { interval: Duration::from_millis(1), ..options(mode) }
}

fn each(script: &str, test: impl Fn(&Turn, &Interpreter, Mode, &str)) {
    let turn = turn();
    let mut modes = vec![Mode::Stop, Mode::Nonblocking];
    modes.extend(kernel_may().then_some(Mode::Kernel));
    for interpreter in subjects(script) {
        for &mode in &modes {
            test(&turn, interpreter, mode, &format!("{interpreter} {script} {mode:?}"));
        }
    }
}

/// How many samples there were, which were taken as was asked for to the end.
fn total(seen: &Seen, mode: Mode, what: &str) -> u64 {
    assert_eq!(seen.mode, mode, "{what}");
    seen.stacks.values().sum()
}

/// The program's period is the sampling interval: a sampler without chance would see it always in the same place.
#[test]
fn of_a_program_with_the_same_period() {
    each("shares", |turn, interpreter, mode, what| {
        let program = Program::start(turn, interpreter, "shares", &[]);
        let mut sampler = attach(&program, at_a_kilohertz(mode));
        let interval = at_a_kilohertz(mode).interval;
        let (seen, waited) = waiting(&program, mode, interval, || observe(&program, &mut sampler, mode));
        let (counts, others) = count(&seen, &["seventy", "twenty", "ten"]);
        let total = total(&seen, mode, what);
        assert!(mode == Mode::Nonblocking || others * 100 <= total, "{what}: {others} of {total} are of none");
        compare(what, &counts, (total, waited), &[("seventy", 0.7), ("twenty", 0.2), ("ten", 0.1)], |_| others as f64);
    });
}

/// What lives longer than a look has its share without stopping too, but for the looks during which it begins or ends.
#[test]
fn of_frames_that_live_longer_than_a_look() {
    each("brief", |turn, interpreter, mode, what| {
        let program = Program::start(turn, interpreter, "brief", &[]);
        let mut sampler = attach(&program, at_a_kilohertz(mode));
        let interval = at_a_kilohertz(mode).interval;
        let (seen, waited) = waiting(&program, mode, interval, || observe(&program, &mut sampler, mode));
        let lives = [("brief", 15.0), ("longer", 30.0), ("longest", 105.0)];
        let names = lives.map(|life| life.0);
        let (counts, others) = count(&seen, &names);
        eprintln!("{what}: {others} in none");
        let total = total(&seen, mode, what);
        compare(what, &counts, (total, waited), &lives.map(|(name, life)| (name, life / 150.0)), |_| {
            // Once in each life.
            if mode == Mode::Nonblocking { total as f64 * LOOK.as_secs_f64() * 1e6 / 150.0 } else { others as f64 }
        });
    });
}

/// Native code that lets go of the GIL, sleep, and Python: by the program's own accounts of the time in which it was active.
#[test]
fn of_native_work_and_sleep() {
    each("native", |turn, interpreter, mode, what| {
        let mut program = Program::start(turn, interpreter, "native", &[]);
        let mut sampler = attach(&program, at_a_kilohertz(mode));
        let before = accounts(&mut program);
        let interval = at_a_kilohertz(mode).interval;
        let (seen, waited) = waiting(&program, mode, interval, || sampler.run(samples()));
        let after = accounts(&mut program);
        let spent: Vec<_> = before.iter().zip(&after).map(|(before, after)| after.1 - before.1).collect();
        let names = ["digest", "deflate", "python"];
        let all: u64 = spent.iter().sum();
        let (counts, others) = count(&seen, &names);
        let total = total(&seen, mode, what);
        let shares = [0, 1, 2].map(|index| (names[index], spent[index] as f64 / all as f64));
        eprintln!("{what}: {others} in none");
        // It is also active when it begins and ends to sleep, and at the ends of the run before and after its accounts.
        let ends = 10.0;
        let moving = |stack: &common::Named| stack.last().is_some_and(|leaf| leaf.0 == "(moving)");
        let moved: u64 = seen.stacks.iter().filter(|((_, stack), _)| moving(stack)).map(|(_, count)| count).sum();
        compare(what, &counts, (total - others, waited), &shares, |_| ends + moved as f64);
    });
}

/// Threads that in all their lives use less than what a sample stands for, beside one that goes on.
#[test]
fn of_threads_that_live_shortly() {
    each("short_lives", |turn, interpreter, mode, what| {
        let program = Program::start(turn, interpreter, "short_lives", &[]);
        let mut sampler = attach(&program, Options { interval: SHORT_LIVES_INTERVAL, ..options(mode) });
        let run = || observe_some(&program, &mut sampler, mode, samples() / 2);
        let (seen, waited) = waiting(&program, mode, SHORT_LIVES_INTERVAL, run);
        let (counts, others) = count(&seen, &["short_life", "steady"]);
        let total = total(&seen, mode, what);
        eprintln!("{what}: {others} in none");
        compare(what, &counts, (total, waited), &[("short_life", 0.5), ("steady", 0.5)], |_| others as f64);
    });
}

/// What a program says of its time: name and nanoseconds, three times.
fn accounts(program: &mut Program) -> Vec<(String, u64)> {
    program.go_on();
    let line = program.line();
    let words: Vec<_> = line.split(' ').collect();
    words.chunks(2).map(|pair| (pair[0].to_owned(), pair[1].parse().expect("nanoseconds"))).collect()
}
