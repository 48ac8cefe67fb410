//! What a sample costs, counted: reads of the other process's memory, and stops of its threads.
//!
//! The program stands at one place with one stack, so its frames' addresses repeat. Three runs of one sampler: the first
//! meets all that is new; the second and third start alike (each run looks up the threads' names once), and differ in
//! their length only. So the third's count less the second's is what so many samples more took, exactly.

#![allow(clippy::print_stderr, reason = "a test says what it measured")]

mod common;

use std::time::Duration;

use common::{Attached, attach, options};
use py_spy_sampler::{Effort, Mode, Options};
use py_spy_test_programs::{Interpreter, Program, interpreters, one_of_each_series, turn};

/// What `more` samples took beyond what a run takes by itself.
fn of_more_samples(sampler: &mut Attached, more: u64) -> Effort {
    sampler.run(100);
    let short = sampler.run(100);
    let long = sampler.run(100 + more);
    assert_eq!((short.dropped, long.dropped), (0, 0));
    assert_eq!(long.samples - short.samples, more);
    Effort {
        moments: long.effort.moments - short.effort.moments,
        stops: long.effort.stops.saturating_sub(short.effort.stops),
        retries: long.effort.retries + short.effort.retries,
        reads: long.effort.reads.saturating_sub(short.effort.reads),
        bytes: long.effort.bytes.saturating_sub(short.effort.bytes),
    }
}

/// At most two reads and one stop a sample; each look that was given up may take as much again.
fn assert_cost(name: &str, mode: Mode, effort: Effort) {
    let looks = effort.moments + effort.retries;
    eprintln!("{name}: {effort:?}");
    assert!(effort.reads <= 2 * looks, "{name}: more than two reads a look: {effort:?}");
    assert!(effort.retries * 20 <= effort.moments, "{name}: retries without need: {effort:?}");
    match mode {
        Mode::Stop => assert!(effort.stops <= looks, "{name}: more than one stop a look: {effort:?}"),
        Mode::Nonblocking => assert_eq!(effort.stops, 0, "{name}: {effort:?}"),
    }
}

fn deep(interpreter: &Interpreter, depth: &str) {
    let turn = turn();
    let program = Program::start(&turn, interpreter, "deep", &[depth]);
    for mode in [Mode::Stop, Mode::Nonblocking] {
        let mut sampler = attach(&program, options(mode));
        let effort = of_more_samples(&mut sampler, 200);
        assert_cost(&format!("{interpreter} deep {depth} {mode:?}"), mode, effort);
        let seen = sampler.run(10);
        let depths = seen.stacks.keys().map(|(_, stack)| stack.len());
        let least = depth.parse::<usize>().expect("a number");
        assert!(depths.clone().all(|depth| depth > least), "{interpreter}: {:?}", depths.collect::<Vec<_>>());
    }
}

#[test]
fn two_reads_and_one_stop_at_any_depth() {
    for interpreter in interpreters() {
        for depth in ["10", "100", "1000"] {
            deep(interpreter, depth);
        }
    }
}

#[test]
fn sleeping_threads_cost_nothing() {
    for interpreter in one_of_each_series() {
        let turn = turn();
        let program = Program::start(&turn, interpreter, "asleep", &["500", "busy"]);
        let effort = of_more_samples(&mut attach(&program, options(Mode::Stop)), 200);
        assert_cost(&format!("{interpreter} 500 asleep, 1 busy"), Mode::Stop, effort);
    }
}

#[test]
fn a_sleeping_program_is_neither_stopped_nor_read() {
    for interpreter in one_of_each_series() {
        let turn = turn();
        let program = Program::start(&turn, interpreter, "asleep", &["20"]);
        let options = Options {
            interval: Duration::from_millis(1),
            duration: Some(Duration::from_millis(100)),
            ..options(Mode::Stop)
        };
        let seen = attach(&program, options).run(1);
        assert!(seen.ticks > 0, "{interpreter}");
        assert_eq!((seen.samples, seen.effort), (0, Effort::default()), "{interpreter}");
    }
}
