//! What a sample costs, counted: reads of the other process's memory, and stops of its threads.
//!
//! The program stands at one place with one stack, so its frames' addresses repeat. A first run meets all that is new;
//! two more begin alike and differ in their length only, so what the longer one took more is what so many samples
//! took, exactly. What is read to name threads and code objects is counted apart: it must not go by samples.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

mod common;

use std::time::Duration;

use common::{Attached, attach, options};
use py_spy_sampler::{Effort, Mode, Options};
use py_spy_test_programs::{Interpreter, Program, one_of_each_series_that_runs, that_run, turn};

/// What a number of samples took beyond what a run takes by itself.
fn of_samples(name: &str, attached: &mut Attached, samples: u64) -> Effort {
    attached.run(100);
    let [short, long] = [100, 100 + samples].map(|samples| {
        let seen = attached.run(samples);
        assert_eq!((seen.dropped, seen.samples), (0, samples), "{name}");
        seen.effort
    });
    // Each run names what it meets, once.
    let others = |effort: Effort| effort.reads - effort.moment_reads;
    assert!(others(long) <= others(short) + FEW, "{name}: reads for names go by samples: {short:?} {long:?}");
    Effort {
        moments: long.moments - short.moments,
        stops: long.stops.saturating_sub(short.stops),
        retries: long.retries + short.retries,
        reads: long.reads.saturating_sub(short.reads),
        moment_reads: long.moment_reads.saturating_sub(short.moment_reads),
        bytes: long.bytes.saturating_sub(short.bytes),
    }
}

/// Lines and functions that the one run met and the other did not may take so many reads.
const FEW: u64 = 20;

/// At most three reads and one stop a sample: one that warms the way, unless we have stayed attached, the copy, and one of
/// the code objects where no counter says that none was freed. Each look that was given up may take as much again. Of many
/// threads the GIL is looked at before.
fn assert_cost(name: &str, mode: Mode, many: bool, effort: Effort) {
    let looks = effort.moments + effort.retries;
    eprintln!("{name}: {effort:?}");
    let most = match mode {
        Mode::Stop => 3,
        // The second one when something had to be read late.
        Mode::Kernel | Mode::Nonblocking => 2,
    };
    let most = most + u64::from(many);
    assert!(effort.moment_reads <= most * looks, "{name}: more than {most} reads a look: {effort:?}");
    // Those of both runs, which have twice as many looks. (Up to 3.6 the lock is free for an instant each time that it is offered.)
    assert!(effort.retries * 10 <= effort.moments, "{name}: retries without need: {effort:?}");
    match mode {
        Mode::Stop => assert!(effort.stops <= looks, "{name}: more than one stop a look: {effort:?}"),
        Mode::Kernel | Mode::Nonblocking => assert_eq!(effort.stops, 0, "{name}: {effort:?}"),
    }
}

fn deep(interpreter: &Interpreter, depth: &str) {
    let turn = turn();
    let program = Program::start(&turn, interpreter, "deep", &[depth]);
    for mode in [Mode::Stop, Mode::Nonblocking] {
        let mut sampler = attach(&program, options(mode));
        let name = format!("{interpreter} deep {depth} {mode:?}");
        assert_cost(&name, mode, false, of_samples(&name, &mut sampler, 200));
        let seen = sampler.run(10);
        let depths = seen.stacks.keys().map(|(_, stack)| stack.len());
        let least = depth.parse::<usize>().expect("a number");
        assert!(depths.clone().all(|depth| depth > least), "{interpreter}: {:?}", depths.collect::<Vec<_>>());
    }
}

#[test]
fn few_reads_and_one_stop_at_any_depth() {
    for interpreter in that_run("deep") {
        for depth in ["10", "100", "1000"] {
            deep(interpreter, depth);
        }
    }
}

#[test]
fn sleeping_threads_cost_nothing() {
    for interpreter in one_of_each_series_that_runs("asleep") {
        let turn = turn();
        let program = Program::start(&turn, interpreter, "asleep", &["500", "busy"]);
        let name = format!("{interpreter} 500 asleep, 1 busy");
        assert_cost(&name, Mode::Stop, true, of_samples(&name, &mut attach(&program, options(Mode::Stop)), 200));
    }
}

/// Bytes that are copied for the thread that runs and the lists, at most. The stacks of 200 threads would be some MB.
const MOST_FOR_ONE: u64 = 256 << 10;

/// Up to 3.6 each thread is looked at by itself, and again each time.
const KEEPS_FROM: (u8, u8) = (3, 7);

#[test]
fn sleeping_threads_that_are_wanted_are_read_once() {
    for interpreter in one_of_each_series_that_runs("asleep") {
        if interpreter.series() < KEEPS_FROM {
            continue;
        }
        let turn = turn();
        let program = Program::start(&turn, interpreter, "asleep", &["200", "busy"]);
        for native in [false, true] {
            let options = Options { include_idle: true, native, ..options(Mode::Stop) };
            let mut sampler = attach(&program, options);
            // A run begins with all threads, whose pages are forgotten after some looks that did not need them.
            let [short, long] = [100, 200].map(|ticks| sampler.run_ticks(ticks));
            let name = format!("{interpreter} 200 asleep, native {native}");
            for seen in [&short, &long] {
                assert_eq!((seen.dropped, seen.samples), (0, 202 * seen.ticks), "{name}");
            }
            let looks = long.effort.moments + long.effort.retries - short.effort.moments;
            let bytes = long.effort.bytes.saturating_sub(short.effort.bytes);
            eprintln!("{name}: {bytes} bytes in {looks} looks, {:?}", long.effort);
            assert!(bytes <= MOST_FOR_ONE * looks, "{name}: {bytes} bytes in {looks} looks");
            assert!(long.effort.stops <= long.effort.moments + long.effort.retries, "{name}: {:?}", long.effort);
        }
    }
}

#[test]
fn a_sleeping_program_is_not_stopped() {
    for interpreter in one_of_each_series_that_runs("asleep") {
        let turn = turn();
        let program = Program::start(&turn, interpreter, "asleep", &["20"]);
        // What a run begins with does not go by its length.
        let mut runs = [100, 200].map(|ticks| {
            let options = Options { interval: Duration::from_millis(1), ..options(Mode::Stop) };
            attach(&program, options).run_ticks(ticks)
        });
        for run in &runs {
            assert_eq!((run.samples, run.effort.moments, run.effort.stops), (0, 0, 0), "{interpreter}");
        }
        // On a busy machine the first one may have been told late that it is over.
        runs.sort_by_key(|run| run.ticks);
        let [short, long] = runs;
        // What is looked at are the words of its one GIL, if it has one.
        let at_most = short.effort.reads + (long.ticks - short.ticks);
        assert!(long.effort.reads <= at_most, "{interpreter}: {short:?} {long:?}");
    }
}
