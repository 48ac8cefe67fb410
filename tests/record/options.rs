//! What each option changes.

use std::collections::BTreeMap;
use std::time::Instant;

use py_spy_test_programs::one_of_each_series;

use crate::common::{Running, good, program, run, stderr};
use crate::{counting, samples, stacks};

type Stacks<'a> = BTreeMap<Vec<&'a str>, u64>;

/// Lines of `counting.py`: of `def`, and of the bodies.
struct Lines {
    leaf: u32,
    work: u32,
    main: u32,
}

fn lines() -> Lines {
    let source = std::fs::read_to_string(program("counting")).expect("the program");
    let line = |start: &str| {
        let number = source.lines().position(|line| line.starts_with(start));
        number.map(|index| index as u32 + 1).expect("the program has it")
    };
    Lines { leaf: line("def leaf"), work: line("def work"), main: line("def main") }
}

/// Records a raw profile of a short while.
fn record(name: &str, program: &Running, options: &[&str]) -> String {
    let pid = program.id_text();
    let words = ["record", "-f", "raw", "-o", "-", "-d", "0.2", "-r", "500", "--pid", &pid];
    let name = format!("{name} {}", options.join(" "));
    let output = run(&[&words, options].concat());
    let raw = good(&name, &output).to_owned();
    assert_eq!(stacks(&name, &raw).values().sum::<u64>(), samples(&name, stderr(&output)), "{name}");
    program.is_unharmed();
    raw
}

fn all(stacks: &Stacks<'_>, what: impl Fn(&str) -> bool) -> bool {
    stacks.keys().all(|stack| stack.iter().any(|frame| what(frame)))
}

fn any(stacks: &Stacks<'_>, what: impl Fn(&str) -> bool) -> bool {
    stacks.keys().flatten().any(|frame| what(frame))
}

#[test]
fn without_a_lock_its_option_explains_itself() {
    for interpreter in one_of_each_series() {
        let target = counting(interpreter);
        let words = ["record", "--gil", "-d", "0.5", "-f", "raw", "-o", "-", "--pid", &target.id_text()];
        let output = run(&words);
        let said = stderr(&output).contains("runs without a GIL: no thread holds one");
        assert_eq!(said, interpreter.free_threaded, "{interpreter}: {}", stderr(&output));
        assert_eq!(good(&interpreter.to_string(), &output).is_empty(), interpreter.free_threaded, "{interpreter}");
    }
}

#[test]
fn options_do_what_they_say() {
    let Lines { leaf, work, main } = lines();
    for interpreter in one_of_each_series() {
        let name = &interpreter.to_string();
        let mut target = counting(interpreter);
        let pid = target.id();

        let raw = record(name, &target, &[]);
        let plain = stacks(name, &raw);
        // Nobody but the busy thread, which is always in `work`, one of whose lines it is in.
        let in_work = |frame: &str| (1..=3).any(|at| frame == format!("work (counting.py:{})", work + at));
        assert!(all(&plain, in_work), "{name}: {raw}");
        assert!(!any(&plain, |frame| frame.starts_with("sleeper ")), "{name}: {raw}");

        let raw = record(name, &target, &["-F"]);
        for frame in stacks(name, &raw).keys().flatten() {
            let expected = match frame.split(' ').next() {
                Some("leaf") => leaf,
                Some("work") => work,
                Some("main") => main,
                _ => continue,
            };
            assert!(frame.ends_with(&format!(" (counting.py:{expected})")), "{name} -F: {raw}");
        }

        let raw = record(name, &target, &["--nolineno"]);
        assert!(all(&stacks(name, &raw), |frame| frame == "work (counting.py)"), "{name} --nolineno: {raw}");
        assert!(!any(&stacks(name, &raw), |frame| frame.contains(".py:")), "{name} --nolineno: {raw}");

        let raw = record(name, &target, &["-t"]);
        let root = format!("thread ({pid}): MainThread");
        assert!(stacks(name, &raw).keys().all(|stack| stack[0] == root), "{name} -t: {raw}");

        // Without a GIL nobody holds it.
        if !interpreter.free_threaded {
            let raw = record(name, &target, &["--gil"]);
            assert!(all(&stacks(name, &raw), in_work), "{name} --gil: {raw}");
        }

        let raw = record(name, &target, &["--idle", "--threads"]);
        let idle = stacks(name, &raw);
        assert!(any(&idle, |frame| frame.starts_with("sleeper (")), "{name} -i: {raw}");
        assert!(any(&idle, |frame| frame.ends_with("): sleeper")), "{name} -i: {raw}");
        assert!(any(&idle, |frame| frame.ends_with("): told")), "{name} -i: {raw}");

        let raw = record(name, &target, &["--full-filenames"]);
        let whole = format!("work ({}:", program("counting").display());
        let whole = stacks(name, &raw).keys().all(|stack| stack.iter().any(|frame| frame.starts_with(&whole)));
        // The program's path as 3.8 has it is the one that was typed: that is a whole one here.
        assert!(whole, "{name} --full-filenames: {raw}");

        let raw = record(name, &target, &["--nonblocking"]);
        let free = stacks(name, &raw);
        let known =
            |frame: &&str| ["leaf ", "work ", "main ", "<module> ", "(moving)"].iter().any(|f| frame.starts_with(f));
        assert!(free.keys().flatten().all(known), "{name} --nonblocking: {raw}");
        assert!(any(&free, in_work), "{name} --nonblocking: {raw}");

        // From 3.12 on the interpreter has a frame of its own below the first.
        let raw = record(name, &target, &["--full-stack"]);
        let roots = stacks(name, &raw).keys().all(|stack| stack[0].starts_with("<module> ("));
        assert_eq!(roots, interpreter.minor() < 12, "{name} --full-stack: {raw}");
        target.goes_on();
    }
}

#[test]
fn durations_and_rates() {
    let interpreter = one_of_each_series()[0];
    let mut program = counting(interpreter);
    let pid = program.id_text();
    for (duration, rate) in [("0.25", "100"), ("250ms", "1000"), (".004m", "10"), ("1s", "0.5"), ("1", "1000000")] {
        let name = format!("-d {duration} -r {rate}");
        let began = Instant::now();
        let output = run(&["record", "-f", "raw", "-o", "-", "-d", duration, "-r", rate, "--pid", &pid]);
        let raw = good(&name, &output);
        let took = began.elapsed().as_secs_f64();
        let wanted = match duration {
            "1s" | "1" => 1.0,
            ".004m" => 0.24,
            _ => 0.25,
        };
        // It is a wall clock's; how late we are is no matter of ours.
        assert!(took >= wanted, "{name}: {took}");
        // One sample at most for each slot of the clock.
        let most = (wanted * rate.parse::<f64>().expect("a number")).ceil() as u64;
        let samples = samples(&name, stderr(&output));
        assert!(samples <= most, "{name}: {samples}");
        if rate != "0.5" {
            assert_eq!(stacks(&name, raw).values().sum::<u64>(), samples, "{name}");
        }
        program.is_unharmed();
    }
    program.goes_on();
}
