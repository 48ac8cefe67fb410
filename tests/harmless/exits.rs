//! A program's end is known to its parent as soon as without us.

use py_spy_test_programs::Interpreter;

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::{rounds, subjects};

/// Seconds from the child's last word to the end of its parent's wait: the median of some. It would be half of the
/// sampler's interval or more if the kernel waited for the sampler's next look, and the interval is 2 s in the first case.
fn median(interpreter: &Interpreter, order: &str, options: Option<&[&str]>) -> f64 {
    let name = format!("{interpreter} parent.py");
    let mut parent = Running::start(&name, python(interpreter).arg(program("parent")));
    let status = if order == "kill" { "9" } else { "1792" };
    let mut times: Vec<f64> = (0..rounds(3, 20))
        .map(|_| {
            let line = parent.line();
            let child = line.strip_prefix("child ").and_then(|pid| pid.parse().ok()).expect("a process id");
            let profiler = options.map(|options| {
                let mut profiler = Profiler::record(&name, child, options);
                profiler.wait_until_it_samples();
                profiler
            });
            parent.tell(&format!("{order}\n"));
            let line = parent.line();
            let (exit, time) = line.split_once(' ').expect("two numbers");
            assert_eq!(exit, status, "{name}: {order}");
            if let Some(profiler) = profiler {
                let ended = profiler.wait();
                assert!(ended.said.contains("Stopped sampling because process exited"), "{name}: {}", ended.said);
                ended.went_well();
            }
            time.parse().expect("a number")
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

#[test]
fn a_parent_is_not_kept_waiting() {
    for interpreter in subjects() {
        for order in ["exit", "kill"] {
            let without = median(interpreter, order, None);
            for rate in ["0.5", "100", "10000"] {
                let with = median(interpreter, order, Some(&["-r", rate, "--idle"]));
                eprintln!("{interpreter} {order} at {rate} Hz: {with:.6} s, without us {without:.6} s");
                assert!(with < without + 0.1, "{interpreter} {order} at {rate} Hz: {with} s, without us {without} s");
            }
        }
    }
}
