//! A program with many threads that becomes another one, again and again.

use py_spy_test_programs::one_of_each_series;

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::rounds;
use crate::watchdog::Watchdog;

/// Twenty threads become one, which starts twenty again, while they are sampled. The kernel lets an exec wait for each
/// thread that is traced.
fn becomes_another(who: &str, options: &[&str]) {
    let all = one_of_each_series();
    // The one that runs all twenty threads at once is the hardest.
    let free = all.iter().copied().find(|interpreter| interpreter.free_threaded);
    for interpreter in [all[all.len() - 1], free.unwrap_or(all[0])] {
        let name = format!("{interpreter} becoming.py {who}");
        let mut running = Running::start(&name, python(interpreter).arg(program("becoming")).args([who, "0"]));
        let count = rounds(4, 50);
        assert_eq!(running.line(), "ready", "{name}");
        for round in 0..count {
            let watchdog = Watchdog::over(&name, running.id());
            let mut profiler = Profiler::record(&name, running.id(), options);
            profiler.wait_until_it_samples();
            running.tell("x");
            // Before that the first thread may be a zombie: in the middle of an exec that another one makes it is, for as long as
            // the others take to end (`de_thread` in the kernel's `fs/exec.c`), whoever looks.
            assert_eq!(running.line(), "ready", "{name}: after exec {round}");
            // It goes on with the new program.
            profiler.wait_until_it_samples_again();
            let ended = profiler.finish();
            assert!(ended.said.contains("Stopped sampling because Control-C pressed"), "{name}: {}", ended.said);
            ended.went_well();
            running.is_unharmed();
            drop(watchdog);
        }
        assert_eq!(running.wait().code(), Some(count as i32 % 256), "{name}");
    }
}

#[test]
fn the_first_thread_becomes_another_at_1_khz() {
    becomes_another("main", &["-r", "1000"]);
}

#[test]
fn the_first_thread_becomes_another_at_10_khz() {
    becomes_another("main", &["-r", "10000"]);
}

#[test]
fn another_thread_becomes_another_at_1_khz() {
    becomes_another("thread", &["-r", "1000"]);
}

#[test]
fn another_thread_becomes_another_at_10_khz() {
    becomes_another("thread", &["-r", "10000", "--idle"]);
}
