//! A forked child has the threads that it has, and none of its parent's.

use py_spy_test_programs::one_of_each_series_that_runs;
use serde::Deserialize;

use crate::common::{self, Running, good, python, run};
use crate::judge::{Dumped, json_is_true};
use crate::{READ, Truth};

#[derive(Deserialize)]
struct Child {
    pid: u32,
    #[serde(flatten)]
    truth: Truth,
}

#[test]
fn a_forked_child_has_none_of_its_parents_threads() {
    for interpreter in one_of_each_series_that_runs("forked") {
        let name = format!("{interpreter} forked.py");
        let mut program = Running::start(&name, python(interpreter).arg(common::program("forked")));
        let line = program.line();
        let child: Child = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{name}: {error}: {line}"));
        program.wait_for_call_of(child.pid, child.pid, READ);
        let pid = child.pid.to_string();
        for mode in [&[][..], &["--nonblocking"]] {
            let words = [&["dump", "--json", "--pid", &pid], mode].concat();
            let name = format!("{interpreter} py-spy {}", words.join(" "));
            let output = run(&words);
            let dumped = Dumped::parse(&name, good(&name, &output));
            json_is_true(&name, child.pid, &dumped, &child.truth, !interpreter.free_threaded, false);
        }
        assert!(common::nobody_minds(child.pid), "{name}: it was harmed");
    }
}
