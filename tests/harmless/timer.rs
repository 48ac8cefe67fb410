//! A program with a timer of a kilohertz handles as many signals and does its work.

use py_spy_test_programs::{Interpreter, turn};

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::{long, subjects};

/// What was done in some windows of time.
#[derive(Debug, Clone, Copy, Default)]
struct Done {
    signals: f64,
    /// Milliseconds without a signal in which the program could have run.
    missed: f64,
    loops: f64,
    seconds: f64,
}

impl Done {
    /// Adds a window of time.
    fn measure(&mut self, running: &mut Running) {
        running.tell("\n");
        let line = running.line();
        let numbers: Vec<f64> = line.split(' ').map(|text| text.parse().expect("a number")).collect();
        let [signals, missed, loops, seconds] = numbers[..] else { panic!("{line:?}") };
        self.signals += signals;
        self.missed += missed;
        self.loops += loops;
        self.seconds += seconds;
    }

    /// Share of the signals that came.
    fn came(&self) -> f64 {
        self.signals / (self.signals + self.missed)
    }

    fn speed(&self) -> f64 {
        self.loops / self.seconds
    }
}

/// Several windows each without and with us by turns: other work on the machine meets both.
fn compare(interpreter: &Interpreter, rate: &str, program_cpu: usize) -> (Done, Done) {
    let (windows, window) = if long() { (5, "2") } else { (2, "0.4") };
    let name = format!("{interpreter} ticking.py");
    let mut command = python(interpreter);
    command.arg(program("ticking")).arg(window).env("PROGRAM_CPU", program_cpu.to_string());
    let mut running = Running::start(&name, &mut command);
    assert_eq!(running.line(), "ready");
    let (mut without, mut with) = (Done::default(), Done::default());
    for _ in 0..windows {
        without.measure(&mut running);
        let mut profiler = Profiler::record(&name, running.id(), &["-r", rate]);
        profiler.wait_until_it_samples();
        with.measure(&mut running);
        profiler.finish().went_well();
    }
    running.is_unharmed();
    (without, with)
}

#[test]
fn a_kilohertz_of_signals_is_handled() {
    let turn = turn();
    for interpreter in subjects() {
        for rate in ["100", "1000", "3000", "10000"] {
            let (without, with) = compare(interpreter, rate, turn.program_cpu);
            let (signals, speed) = (with.came() / without.came(), with.speed() / without.speed());
            let [signals_with, signals_without] = [with.signals / with.seconds, without.signals / without.seconds];
            eprintln!(
                "{interpreter} at {rate} Hz: {signals_with:.0} signals a second, without us {signals_without:.0}; \
                 {:.1} % of them came, without us {:.1} %; {:.1} % of the loops",
                100.0 * with.came(),
                100.0 * without.came(),
                100.0 * speed
            );
            // The timer really ran.
            assert!(signals_without > 500.0, "{interpreter}: {without:?}");
            assert!(signals > 0.95, "{interpreter} at {rate} Hz: {with:?}, without us {without:?}");
            // A profiler that holds signals back until its next tick leaves a thousandth of the work.
            assert!(speed > 0.1, "{interpreter} at {rate} Hz: {with:?}, without us {without:?}");
        }
    }
}
