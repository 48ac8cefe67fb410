//! Many threads, and very deep stacks.

use py_spy_test_programs::one_of_each_series_that_runs;
use serde::Deserialize;

use crate::common::{self, Running, good, python, run};
use crate::judge::{Dumped, json_is_true, short};
use crate::{READ, start};

const THREADS: usize = 1000;
const DEPTH: usize = 100_000;
const MODES: [&[&str]; 2] = [&[], &["--nonblocking"]];

#[test]
fn a_thousand_threads_are_each_there_with_their_stack() {
    for interpreter in one_of_each_series_that_runs("crowd") {
        let (program, truth) = start(interpreter, "crowd", &[&THREADS.to_string()]);
        assert_eq!(truth.threads.len(), THREADS + 1, "{interpreter}");
        let pid = program.id_text();
        for mode in MODES {
            let words = [&["dump", "--json", "--pid", &pid], mode].concat();
            let name = format!("{interpreter} py-spy {}", words.join(" "));
            let output = run(&words);
            let dumped = Dumped::parse(&name, good(&name, &output));
            json_is_true(&name, program.id(), &dumped, &truth, !interpreter.free_threaded, false);
        }
        program.is_unharmed();
    }
}

/// Equal frames that follow each other: name, file, line, how many.
type FrameRun = (String, String, u32, usize);

/// A very deep stack.
#[derive(Debug, Deserialize)]
struct Abyss {
    tid: u32,
    /// Innermost first.
    runs: Vec<FrameRun>,
}

#[test]
fn a_stack_of_a_hundred_thousand_frames_is_whole() {
    // Its length is what counts, and it takes its time.
    for interpreter in one_of_each_series_that_runs("abyss").into_iter().filter(|known| known.environment.is_empty()) {
        let mut command = python(interpreter);
        let name = format!("{interpreter} abyss.py");
        let mut program = Running::start(&name, command.arg(common::program("abyss")).arg(DEPTH.to_string()));
        let line = program.line();
        let truth: Abyss = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
        program.wait_for_call(program.id(), READ);
        assert!(truth.runs.iter().map(|run| run.3).sum::<usize>() > DEPTH, "{name}");
        let pid = program.id_text();
        for mode in MODES {
            let words = [&["dump", "--pid", &pid], mode].concat();
            let name = format!("{interpreter} py-spy {}", words.join(" "));
            let output = run(&words);
            let mut lines = good(&name, &output).lines();
            let head = format!("Thread {} ", truth.tid);
            lines.find(|line| line.starts_with(&head)).unwrap_or_else(|| panic!("{name}: no such thread"));
            for (function, file, line, count) in &truth.runs {
                let expected = format!("    {function} ({}:{line})", short(file));
                let seen = lines.by_ref().take(*count).take_while(|line| *line == expected).count();
                assert_eq!(seen, *count, "{name}: {expected}");
            }
            assert!(lines.next().is_none_or(|line| line.starts_with("Thread ")), "{name}: more than there is");
        }
        program.is_unharmed();
    }
}
