//! A program with a timer of a kilohertz handles as many signals and does its work.

use py_spy_test_programs::{Interpreter, turn};

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::{long, subjects};

/// Signals and loops in a second that the program could use.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    signals: f64,
    loops: f64,
}

/// Measures for a window of time.
fn measure(running: &mut Running) -> Rates {
    running.tell("\n");
    let line = running.line();
    let numbers: Vec<f64> = line.split(' ').map(|text| text.parse().expect("a number")).collect();
    let [signals, loops, seconds] = numbers[..] else { panic!("{line:?}") };
    Rates { signals: signals / seconds, loops: loops / seconds }
}

/// Of several windows each with and without us by turns: other work on the machine meets both.
fn compare(interpreter: &Interpreter, rate: &str, program_cpu: usize) -> (Rates, Rates) {
    let (windows, window) = if long() { (5, "2") } else { (2, "0.4") };
    let name = format!("{interpreter} ticking.py");
    let mut command = python(interpreter);
    command.arg(program("ticking")).arg(window).env("PROGRAM_CPU", program_cpu.to_string());
    let mut running = Running::start(&name, &mut command);
    assert_eq!(running.line(), "ready");
    let (mut without, mut with) = (Rates::default(), Rates::default());
    let add = |to: &mut Rates, rates: Rates| {
        to.signals += rates.signals / f64::from(windows);
        to.loops += rates.loops / f64::from(windows);
    };
    for _ in 0..windows {
        add(&mut without, measure(&mut running));
        let mut profiler = Profiler::record(&name, running.id(), &["-r", rate]);
        // It has answered all and waits to be told something: whether it samples is seen by its own clock.
        profiler.wait_until_it_samples();
        add(&mut with, measure(&mut running));
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
            let (signals, loops) = (with.signals / without.signals, with.loops / without.loops);
            eprintln!(
                "{interpreter} at {rate} Hz: {:.0} of {:.0} signals a second ({:.1} %), {:.1} % of the loops",
                with.signals,
                without.signals,
                100.0 * signals,
                100.0 * loops
            );
            // The timer really ran.
            assert!(without.signals > 500.0, "{interpreter}: {without:?}");
            assert!(signals > 0.95, "{interpreter} at {rate} Hz: {with:?}, without us {without:?}");
            // A profiler that holds signals back until its next tick leaves a thousandth of the work.
            assert!(loops > 0.3, "{interpreter} at {rate} Hz: {with:?}, without us {without:?}");
        }
    }
}
