//! A thread id that stands in the program's memory may be anybody's: only the program's own threads are ever stopped.

use std::fs;

use py_spy_test_programs::one_of_each_series;

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::rounds;

#[test]
fn a_process_that_is_named_in_memory_is_not_touched() {
    // Before 3.11 a thread state has no such id, and without a GIL it is not where we look for it.
    let able = |minor: u8, free: bool| minor >= 11 && !free;
    for interpreter in one_of_each_series().into_iter().filter(|i| able(i.minor(), i.free_threaded)) {
        let name = format!("{interpreter} lying.py");
        let mut victim = Running::start("the victim", python(interpreter).arg(program("counting")));
        assert!(victim.line().starts_with("ready "), "{name}");
        let status = || fs::read_to_string(format!("/proc/{}/status", victim.id())).expect("it lives");
        let mut liar = Running::start(&name, python(interpreter).arg(program("lying")).arg(victim.id_text()));
        assert_eq!(liar.line(), "ready 1", "{name}: it does not lie");
        for options in [&["-r", "10000"][..], &["-r", "1000", "--idle"]] {
            let mut profiler = Profiler::record(&name, liar.id(), options);
            profiler.wait_until_it_samples();
            // Who is held for each sample is found so in one of a few looks.
            for _ in 0..rounds(500, 20_000) {
                let status = status();
                assert!(status.contains("TracerPid:\t0\n"), "{name} {options:?}: {status}");
            }
            let ended = profiler.finish();
            assert_eq!(ended.status.code(), Some(0), "{name}: {}", ended.said);
            liar.is_unharmed();
        }
        victim.goes_on();
    }
}
