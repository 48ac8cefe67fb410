use py_spy_profile::{Thread, ThreadId};

use super::*;

const MS: Nanos = 1_000_000;

/// A ranking and the tables that its samples point into.
struct Bench {
    tables: Tables,
    ranking: Ranking,
    thread: ThreadId,
}

impl Bench {
    fn new() -> Bench {
        let mut tables = Tables::new();
        let thread = tables.thread(Thread { pid: 1, tid: 1, name: None });
        Bench { tables, ranking: Ranking::default(), thread }
    }

    /// Counts a stack of 10 ms, root first: `f:3` is line 3 of function f in `f.py`.
    fn sample(&mut self, frames: &str) {
        let stack = frames.split_whitespace().fold(None, |caller, frame| {
            let (name, line) = frame.split_once(':').unwrap_or((frame, "0"));
            let file = self.tables.string(&format!("lib/{name}.py"));
            let short_file = self.tables.string(&format!("{name}.py"));
            let (name, line) = (self.tables.string(name), line.parse().unwrap_or(0));
            let frame = self.tables.frame(Frame::Python { name, file, short_file, line });
            Some(self.tables.stack(caller, frame))
        });
        self.count(stack);
    }

    fn count(&mut self, stack: Option<StackId>) {
        if let Some(stack) = stack {
            let sample = Sample { at: 0, weight: 10 * MS, thread: self.thread, stack };
            self.ranking.count(&sample, &self.tables);
        }
    }
}

/// A row a line: own and total of the period, own and total milliseconds of all.
fn shown(rows: &[Row]) -> Vec<String> {
    let row = |r: &Row| format!("{} {}/{} {}/{} ms", r.label, r.own, r.total, r.own_time / MS, r.total_time / MS);
    rows.iter().map(row).collect()
}

#[test]
fn own_is_the_innermost_and_total_is_everything_below() {
    let mut bench = Bench::new();
    bench.sample("main:1 f:2 g:3");
    bench.sample("main:1 f:2");
    bench.sample("main:1 f:4");
    let board = bench.ranking.take();
    assert_eq!(
        shown(&board.functions),
        ["main (main.py) 0/3 0/30 ms", "f (f.py) 2/3 20/30 ms", "g (g.py) 1/1 10/10 ms"]
    );
    assert_eq!(
        shown(&board.lines),
        [
            "main (main.py:1) 0/3 0/30 ms",
            "f (f.py:2) 1/2 10/20 ms",
            "g (g.py:3) 1/1 10/10 ms",
            "f (f.py:4) 1/1 10/10 ms"
        ]
    );
}

#[test]
fn recursion_counts_once_a_stack() {
    let mut bench = Bench::new();
    bench.sample("main:1 f:2 f:3 f:2 g:1 f:2");
    bench.sample("main:1 f:2 f:3");
    let board = bench.ranking.take();
    assert_eq!(
        shown(&board.functions),
        ["main (main.py) 0/2 0/20 ms", "f (f.py) 2/2 20/20 ms", "g (g.py) 0/1 0/10 ms"]
    );
    assert_eq!(
        shown(&board.lines),
        [
            "main (main.py:1) 0/2 0/20 ms",
            "f (f.py:2) 1/2 10/20 ms",
            "f (f.py:3) 1/2 10/20 ms",
            "g (g.py:1) 0/1 0/10 ms"
        ]
    );
}

#[test]
fn a_period_begins_anew_and_times_go_on() {
    let mut bench = Bench::new();
    bench.sample("main:1 f:2");
    bench.ranking.take();
    bench.sample("main:1 g:2");
    let board = bench.ranking.take();
    assert_eq!(
        shown(&board.functions),
        ["main (main.py) 0/1 0/20 ms", "f (f.py) 0/0 10/10 ms", "g (g.py) 1/1 10/10 ms"]
    );
}

#[test]
fn a_reset_forgets_rows_until_they_are_seen_again() {
    let mut bench = Bench::new();
    bench.sample("main:1 f:2");
    bench.ranking.reset();
    assert_eq!(bench.ranking.take(), Board::default());
    bench.sample("main:1 f:2");
    assert_eq!(shown(&bench.ranking.take().functions), ["main (main.py) 0/1 0/10 ms", "f (f.py) 1/1 10/10 ms"]);
}

#[test]
fn functions_of_one_name_in_two_files_are_two() {
    let mut bench = Bench::new();
    let (name, short_file) = (bench.tables.string("run"), bench.tables.string("a.py"));
    for file in ["x/a.py", "y/a.py"] {
        let file = bench.tables.string(file);
        let frame = bench.tables.frame(Frame::Python { name, file, short_file, line: 1 });
        let stack = bench.tables.stack(None, frame);
        bench.count(Some(stack));
    }
    assert_eq!(shown(&bench.ranking.take().functions), ["run (a.py) 1/1 10/10 ms"; 2]);
}

#[test]
fn notes_and_names_that_steer_a_terminal() {
    let mut bench = Bench::new();
    let note = bench.tables.string("(mov\x1b[31ming)");
    let note = bench.tables.frame(Frame::Note(note));
    let stack = bench.tables.stack(None, note);
    bench.count(Some(stack));
    let board = bench.ranking.take();
    assert_eq!(shown(&board.functions), [r"(mov\x1b[31ming) 1/1 10/10 ms"]);
    assert_eq!(board.functions, board.lines);
}

#[test]
fn a_very_deep_stack_costs_its_distinct_rows() {
    let mut bench = Bench::new();
    bench.sample(&"f:1 ".repeat(100_000));
    let board = bench.ranking.take();
    assert_eq!(shown(&board.lines), ["f (f.py:1) 1/1 10/10 ms"]);
    assert_eq!(bench.ranking.lines.links.len(), 1);
}
