//! Programs of which most stacks are impossible: whatever is seen must have stood.
//!
//! A program says itself who calls whom in which line ([`py_spy_test_programs::Rules`]), and is pinned to a CPU that
//! the sampler does not use. More samples: `ORACLE_SAMPLES=20000 cargo test --release -p py-spy-sampler --test oracles`, at
//! `ORACLE_RATE=1000` a second (10,000 if not said), of `ORACLE_PYTHON=3.12` only.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use common::{Seen, attach, kernel_may};
use py_spy_sampler::{Mode, Options};
use py_spy_test_programs::{
    Interpreter, Program, Turn, one_of_each_series, one_of_each_series_that_runs, that_run, turn,
};

/// Samples of each program on each interpreter in each mode.
const SAMPLES: u64 = 200;

/// Of all stacks that were taken without stopping, at most this share may be impossible: what README promises.
const PROMISE: f64 = 0.0002;

/// A system has 32,768 ids at least, and gives them in turn: a program of which so many threads were seen may have used one twice.
const MANY_THREADS: usize = 4096;

/// What moved while it was read.
const MOVING: &str = "(moving)";

fn samples() -> u64 {
    std::env::var("ORACLE_SAMPLES").ok().map_or(SAMPLES, |text| text.parse().expect("a number of samples"))
}

/// All interpreters that run a program; for a long run one of each series.
fn subjects(script: &str) -> Vec<&'static Interpreter> {
    let mut all = if samples() > SAMPLES { one_of_each_series_that_runs(script) } else { that_run(script) };
    if let Ok(wanted) = std::env::var("ORACLE_PYTHON") {
        all.retain(|interpreter| interpreter.environment.is_empty() && wanted.split(',').any(|it| interpreter.is(it)));
    }
    all
}

/// As the tests' options are, at the rate that was asked for.
fn options(mode: Mode) -> Options {
    let options = common::options(mode);
    let rate = std::env::var("ORACLE_RATE").ok().map(|text| text.parse().expect("samples a second"));
    let interval = rate.map_or(options.interval, |rate: u64| std::time::Duration::from_nanos(1_000_000_000 / rate));
    Options { interval, ..options }
}

/// Sums over runs.
#[derive(Debug, Default, Clone, Copy)]
struct Total {
    samples: u64,
    impossible: u64,
    moving: u64,
    dropped: u64,
    retries: u64,
}

impl Total {
    fn add(&mut self, other: Total) {
        self.samples += other.samples;
        self.impossible += other.impossible;
        self.moving += other.moving;
        self.dropped += other.dropped;
        self.retries += other.retries;
    }
}

/// Judges all stacks of a run. Each thread must begin in one function only: else it was given another's stack.
fn judge(name: &str, program: &Program, seen: &Seen) -> Total {
    let mut total = Total { dropped: seen.dropped, retries: seen.effort.retries, ..Total::default() };
    let mut roots: BTreeMap<u64, BTreeSet<&str>> = BTreeMap::new();
    for ((thread, stack), &count) in &seen.stacks {
        total.samples += count;
        let mut stack = stack.as_slice();
        if let [outer @ .., (leaf, _)] = stack
            && leaf == MOVING
        {
            total.moving += count;
            stack = outer;
            if stack.is_empty() {
                continue;
            }
        }
        // The functions that are behind a thread's start in its own words tell threads apart.
        if let Some((root, _)) = stack.iter().find(|frame| program.rules().knows(&frame.0)) {
            roots.entry(*thread).or_default().insert(root);
        }
        if let Some(why) = program.rules().fault(stack) {
            total.impossible += count;
            eprintln!("{name}: impossible, {count} times: {why}: {stack:?}");
        }
    }
    let again = roots.len() > MANY_THREADS;
    if again {
        eprintln!(
            "{name}: {} threads, whose ids may have been used again: NOT judged by where they begin",
            roots.len()
        );
    }
    for (thread, roots) in roots {
        if roots.len() > 1 && !again {
            eprintln!("{name}: thread {thread} has stacks of several threads: {roots:?}");
            total.impossible += 1;
        }
    }
    total
}

/// Runs one program on an interpreter and judges it.
fn sample(turn: &Turn, interpreter: &Interpreter, script: &str, arguments: &[&str], options: Options) -> Total {
    let mode = options.mode;
    let name = format!("{interpreter} {script} {} {mode:?}", arguments.join(" "));
    let program = Program::start(turn, interpreter, script, arguments);
    let seen = attach(&program, options).run(samples());
    let total = judge(&name, &program, &seen);
    assert!(total.samples >= samples(), "{name}: ended early ({:?}) with {} samples", seen.end, total.samples);
    if samples() > SAMPLES {
        eprintln!("{name}: {total:?}, {:?}, {} ticks", seen.effort, seen.ticks);
    }
    total
}

/// Each program on each interpreter without a single impossible stack, and without dropping what is hard.
fn stopping(script: &str) {
    let turn = turn();
    let mut all = Total::default();
    for interpreter in subjects(script) {
        let total = sample(&turn, interpreter, script, &[], options(Mode::Stop));
        assert_eq!(total.moving, 0, "{interpreter} {script}: what stands still does not move");
        all.add(total);
    }
    eprintln!("{script}, stopping: {all:?}");
    assert_eq!(all.impossible, 0, "{script}");
    assert!(few(all.dropped, all), "{script}: more than 0.1 % dropped: {all:?}");
}

/// So many samples may be what a part of them may be; five times the square root is what chance may add to a small number.
fn at_most(part: f64, samples: u64) -> f64 {
    let expected = part * samples as f64;
    expected + 5.0 * expected.sqrt()
}

/// True for a tenth of a percent.
fn few(count: u64, of: Total) -> bool {
    count as f64 <= at_most(0.001, of.samples)
}

/// Without stopping few stacks may be impossible.
fn nonblocking(script: &str) {
    let turn = turn();
    let mut all = Total::default();
    for interpreter in subjects(script) {
        all.add(sample(&turn, interpreter, script, &[], options(Mode::Nonblocking)));
    }
    eprintln!("{script}, not stopping: {all:?}");
    let most = at_most(PROMISE, all.samples);
    assert!(all.impossible as f64 <= most, "{script}: more than {most:.1}: {all:?}");
    assert!(few(all.dropped, all), "{script}: more than 0.1 % dropped: {all:?}");
}

/// The kernel's are exact too: what can not be completed at a tick is counted, and seldom.
fn kernel(script: &str) {
    if !kernel_may() {
        return;
    }
    let turn = turn();
    let (mut all, mut runs, mut by_kernel) = (Total::default(), 0, 0);
    for interpreter in subjects(script) {
        let name = format!("{interpreter} {script} by the kernel");
        let program = Program::start(&turn, interpreter, script, &[]);
        let seen = attach(&program, options(Mode::Kernel)).run(samples());
        let total = judge(&name, &program, &seen);
        assert!(total.samples >= samples(), "{name}: ended early ({:?}) with {} samples", seen.end, total.samples);
        runs += 1;
        by_kernel += u32::from(seen.mode == Mode::Kernel);
        if total.dropped > 0 {
            eprintln!("{name}: {total:?}");
        }
        if seen.mode != Mode::Kernel {
            eprintln!("{name}: fell back to {:?}", seen.mode);
        }
        all.add(total);
    }
    eprintln!("{script}, by the kernel in {by_kernel} of {runs} runs: {all:?}");
    assert_eq!(all.impossible, 0, "{script}");
    assert!(few(all.dropped, all), "{script}: more than 0.1 % dropped: {all:?}");
    assert!(few(all.moving, all), "{script}: more than 0.1 % end in (moving): {all:?}");
    // A list of threads that changes all the time may make it give up; else it has to be the kernel.
    assert!(by_kernel * 2 > runs, "{script}: by the kernel in {by_kernel} of {runs} runs");
}

macro_rules! oracles {
    ($($script:ident)*) => {
        mod stop {
            $(#[test] fn $script() { super::stopping(stringify!($script)) })*
        }
        mod kernel {
            $(#[test] fn $script() { super::kernel(stringify!($script)) })*
        }
        mod nonblocking {
            $(#[test] fn $script() { super::nonblocking(stringify!($script)) })*
        }
    };
}

oracles!(flip generators resumed mixed deep torture come_and_go);

/// Samples of a run that begins by stopping, at 1,000 a second: what it costs is looked at each half second.
const GOES_OVER_WITHIN: u64 = 4000;

/// A run that may choose goes over to the kernel, with no impossible stack before, then or after.
#[test]
fn a_run_goes_over_to_the_kernel_by_itself() {
    if !kernel_may() {
        return;
    }
    let turn = turn();
    let all = subjects("generators");
    for interpreter in [all[0], all[all.len() / 2], all[all.len() - 1]] {
        let name = format!("{interpreter} generators, whatever costs less");
        let program = Program::start(&turn, interpreter, "generators", &[]);
        let options = Options { cheaper: true, interval: Duration::from_millis(1), ..options(Mode::Stop) };
        let seen = attach(&program, options).run(GOES_OVER_WITHIN);
        let total = judge(&name, &program, &seen);
        eprintln!("{name}: {total:?}, {} looks that stopped it", seen.effort.stops);
        assert_eq!(total.impossible, 0, "{name}");
        assert_eq!(seen.mode, Mode::Kernel, "{name}: {total:?}");
        assert!(seen.effort.stops > 0, "{name}: it was by the kernel from the beginning");
        assert!(few(total.dropped, total) && few(total.moving, total), "{name}: {total:?}");
    }
}

/// A second interpreter, with the same GIL or one of its own, does not hide the main one, nor the other way round.
#[test]
fn two_interpreters_are_both_seen() {
    let turn = turn();
    for interpreter in one_of_each_series() {
        for arguments in [&["shared", "there"], &["own", "there"], &["shared", "here"], &["own", "here"]] {
            if arguments[1] == "here" && interpreter.minor() < 11 {
                // Its thread state has the id of the thread that made it, and nothing else tells who runs it.
                eprintln!("{interpreter}: an interpreter that another thread made is NOT tested");
                continue;
            }
            for mode in [Mode::Stop, Mode::Nonblocking] {
                let name = format!("{interpreter} interpreters {} {mode:?}", arguments.join(" "));
                let program = Program::start(&turn, interpreter, "interpreters", arguments);
                // One that waits for the lock of the other is idle.
                let options = Options { include_idle: true, ..options(mode) };
                let seen = attach(&program, options).run(samples());
                let total = judge(&name, &program, &seen);
                let has = |function: &str| seen.stacks.keys().any(|(_, stack)| stack.iter().any(|f| f.0 == function));
                eprintln!("{name}: {total:?}, main {}, sub {}", has("main"), has("sub_busy"));
                assert!(has("main") && has("sub_busy"), "{name}: main {}, sub {}", has("main"), has("sub_busy"));
                if mode == Mode::Stop {
                    assert_eq!((total.impossible, total.moving), (0, 0), "{name}");
                }
            }
        }
    }
}
