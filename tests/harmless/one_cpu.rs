//! A machine with one CPU: the program can not run while we wait for it to stop.

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

use crate::common::{Running, program, python};
use crate::profiler::Profiler;
use crate::{rounds, subjects};

/// Pins the calling thread, and what it starts, to the last CPU that it may use.
fn one_cpu_only() {
    let own = Pid::from_raw(0);
    let allowed = sched_getaffinity(own).expect("our own CPUs");
    let last = (0..CpuSet::count()).rfind(|&cpu| allowed.is_set(cpu).unwrap_or(false)).expect("we run on some CPU");
    let mut set = CpuSet::new();
    set.set(last).expect("a CPU");
    sched_setaffinity(own, &set).expect("our own thread");
}

#[test]
fn a_recording_works_and_the_program_goes_on() {
    one_cpu_only();
    for interpreter in subjects() {
        for (script, options) in [("counting", &[][..]), ("counting", &["--nonblocking"]), ("becoming", &[])] {
            let name = format!("{interpreter} {script}.py {options:?}");
            let mut running = Running::start(&name, python(interpreter).arg(program(script)).args(["thread", "0"]));
            assert!(running.line().starts_with("ready"), "{name}");
            let seconds = f64::from(rounds(1, 10));
            let duration = seconds.to_string();
            let profiler = Profiler::record(&name, running.id(), &[&["-d", &duration], options].concat());
            let ended = profiler.wait();
            ended.went_well();
            let looks = ended.number_before("looks a second");
            let samples =
                ended.number_before(if ended.said.contains(" samples of ") { "samples of" } else { "sample of" });
            eprintln!("{name}: {looks} looks a second, {samples} samples in {seconds} s");
            // Others work on this machine too; a look that waited until the program's turn is over would take 4 ms or more
            // of each of 20 threads.
            assert!(samples > 25.0 * seconds, "{name}: {samples} samples in {seconds} s: {}", ended.said);
            running.is_unharmed();
            if script == "counting" {
                running.goes_on();
            }
        }
    }
}
