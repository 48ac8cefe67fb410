//! Programs in which something begins and ends all the time: they go on as they would, and nothing is said of it.

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::watchdog::Watchdog;
use crate::{rounds, subjects};

/// How each is recorded.
const WAYS: [&[&str]; 4] =
    [&["-r", "1000"], &["-r", "10000"], &["-r", "3000", "--idle", "--threads"], &["-r", "1000", "--nonblocking"]];

fn restless(what: &str) {
    let count = rounds(200, 2000).to_string();
    for interpreter in subjects() {
        for options in WAYS {
            let name = format!("{interpreter} restless.py {what} {options:?}");
            let mut running = Running::start(&name, python(interpreter).arg(program("restless")).args([what, &count]));
            assert_eq!(running.line(), "ready", "{name}");
            let watchdog = Watchdog::over(&name, running.id());
            let mut profiler = Profiler::record(&name, running.id(), options);
            profiler.wait_until_it_samples();
            running.tell("\n");
            assert_eq!(running.line(), "done", "{name}");
            // The program ends while it is sampled.
            let status = running.wait();
            assert!(status.success(), "{name}: {status}");
            let ended = profiler.wait();
            assert!(ended.said.contains("Stopped sampling because process exited"), "{name}: {}", ended.said);
            ended.went_well();
            drop(watchdog);
        }
    }
}

#[test]
fn threads_begin_and_end() {
    restless("threads");
}

#[test]
fn children_are_forked() {
    restless("forks");
}

#[test]
fn children_are_spawned() {
    restless("spawns");
}

#[test]
fn each_signal_arrives_once() {
    restless("signals");
}

#[test]
fn all_of_it_at_once() {
    restless("together");
}
