//! Killed at any instant, we leave no trace: the kernel lets go what we held, and nothing is changed in the program.

use std::time::Duration;

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::{rounds, subjects};

/// How each recording runs.
const WAYS: [&[&str]; 6] = [
    &["-r", "1000"],
    &["-r", "1000", "--nonblocking"],
    &["-r", "10000"],
    &["-r", "10000", "--gil"],
    &["-r", "3000", "--idle"],
    &["-r", "10000", "--idle", "--threads"],
];

/// An instant at random in some milliseconds, of a sequence without a period (Weyl).
pub(crate) fn instant(round: u32, milliseconds: u32) -> Duration {
    let part = f64::from(round) * 0.618_033_988_749_895 % 1.0;
    Duration::from_secs_f64(part * f64::from(milliseconds) / 1000.0)
}

#[test]
fn a_killed_recording_leaves_the_program_as_it_was() {
    for interpreter in subjects() {
        let name = format!("{interpreter} counting.py");
        let mut running = Running::start(&name, python(interpreter).arg(program("counting")));
        assert!(running.line().starts_with("ready "), "{name}");
        for options in WAYS {
            for round in 0..rounds(4, 8) {
                let mut profiler = Profiler::record(&name, running.id(), options);
                // Now and then while it attaches, mostly while it samples.
                if round % 4 != 0 {
                    profiler.wait_until_it_samples();
                }
                std::thread::sleep(instant(round, 20));
                profiler.kill();
                running.goes_on();
            }
        }
    }
}

#[test]
fn a_killed_dump_leaves_the_program_as_it_was() {
    for interpreter in subjects() {
        let name = format!("{interpreter} counting.py");
        let mut running = Running::start(&name, python(interpreter).arg(program("counting")));
        assert!(running.line().starts_with("ready "), "{name}");
        let pid = running.id_text();
        for round in 0..rounds(10, 40) {
            let profiler = Profiler::start(&name, &["dump", "--pid", &pid]);
            std::thread::sleep(instant(round, 60));
            profiler.kill();
            running.goes_on();
        }
    }
}

/// Threads that hand the GIL to each other, so that several are held at a time, and threads that end.
#[test]
fn a_killed_recording_of_a_crowd_leaves_it_as_it_was() {
    for interpreter in subjects() {
        for what in ["together", "signals"] {
            let name = format!("{interpreter} restless.py {what}");
            let mut running = Running::start(&name, python(interpreter).arg(program("restless")).args([what, "400"]));
            assert_eq!(running.line(), "ready", "{name}");
            for round in 0..rounds(4, 8) {
                let mut profiler = Profiler::record(&name, running.id(), &["-r", "10000"]);
                profiler.wait_until_it_samples();
                running.tell("\n");
                std::thread::sleep(instant(round, 40));
                profiler.kill();
                // It checks itself what was done to it.
                assert_eq!(running.line(), "done", "{name}");
            }
            assert!(running.wait().success(), "{name}");
        }
    }
}
