//! Every interpreter that is here times every way to look at it.
//!
//! What passed is said in lines of the form `tested: INTERPRETER | WAY | live`: docs/support.md has a table of them, which
//! `cargo xtask support` makes.

#![allow(missing_docs, clippy::print_stdout, clippy::print_stderr)]

#[path = "../common/mod.rs"]
mod common;

mod dumped;
mod native;
mod recorded;
mod topped;

use std::fs;
use std::sync::{Mutex, PoisonError};

use common::{Running, program, python};
use py_spy_test_programs::{Interpreter, that_run};

/// System calls of x86-64.
const READ: &[&str] = &["0"];

/// The frames of the busy thread, innermost first, and what stands in their lines.
const BUSY: [(&str, &str); 3] =
    [("spin", "    while True: pass"), ("outer", "    spin()"), ("<module>", "    outer()")];

/// The program `pair.py`, when all its threads are where they stay.
struct Pair {
    name: String,
    running: Running,
    child: u32,
    resting: u32,
}

impl Pair {
    fn start(interpreter: &Interpreter) -> Pair {
        let name = format!("{interpreter} pair.py");
        let mut running = Running::start(&name, python(interpreter).arg(program("pair")));
        let [child, resting] = ["child", "resting"].map(|word| {
            let line = running.line();
            let (said, id) = line.split_once(' ').unwrap_or_else(|| panic!("{name}: {line}"));
            assert_eq!(said, word, "{name}");
            id.parse().expect("an id")
        });
        running.wait_for_call(resting, READ);
        Pair { name, running, child, resting }
    }

    fn pid(&self) -> String {
        self.running.id_text()
    }
}

/// The number of the line that reads so.
fn line_of(text: &str) -> usize {
    let source = fs::read_to_string(program("pair")).expect("it is there");
    1 + source.lines().position(|line| line == text).expect("it is in there")
}

/// Looks at the program in each interpreter, one after the other.
fn each(way: &str, look: impl Fn(&Pair)) {
    each_that(way, |pair| {
        look(pair);
        true
    });
}

/// The same; false is that this way is not for that interpreter.
fn each_that(way: &str, look: impl Fn(&Pair) -> bool) {
    /// A terminal and what is drawn on it want the machine.
    static TURN: Mutex<()> = Mutex::new(());
    for interpreter in that_run("pair") {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let pair = Pair::start(interpreter);
        let tested = look(&pair);
        pair.running.is_unharmed();
        drop(turn);
        if tested {
            println!("tested: {} | {way} | live", interpreter.label());
        }
    }
}

#[test]
fn dump() {
    each("dump", |pair| dumped::one(pair, &[]));
}

#[test]
fn record() {
    each("record", |pair| recorded::one(pair, &[]));
}

#[test]
fn top() {
    each("top", |pair| topped::one(pair, &[], &["spin (pair.py)"]));
}

#[test]
fn nonblocking() {
    each("`--nonblocking`", |pair| {
        dumped::one(pair, &["--nonblocking"]);
        recorded::one(pair, &["--nonblocking"]);
    });
}

/// Where it may not, it is said, and the table has nothing of it.
#[test]
fn kernel() {
    each_that("`--sampler kernel`", |pair| {
        let may = recorded::by_kernel(pair);
        if may {
            topped::one(pair, &["--sampler", "kernel"], &["spin (pair.py)"]);
        }
        may
    });
}

#[test]
fn native_frames() {
    for interpreter in that_run("sorting") {
        native::one(interpreter);
        println!("tested: {} | `--native` | live", interpreter.label());
    }
}

#[test]
fn subprocesses() {
    each("`--subprocesses`", |pair| {
        dumped::with_child(pair);
        recorded::with_child(pair);
        topped::one(pair, &["--subprocesses"], &["spin (pair.py)", "in_child (pair.py)"]);
    });
}
