//! Killed at any instant, nothing stays in the kernel of what takes the samples there: programs, maps and timers go with our files.

use std::fs;

use py_spy_test_programs::{Interpreter, one_of_each_series};

use crate::common::{Running, is_by_kernel, program, python, run};
use crate::killed::instant;
use crate::profiler::Profiler;
use crate::rounds;

const OPTIONS: [&str; 4] = ["-r", "1000", "--sampler", "kernel"];

/// An interpreter that can ask the kernel.
fn asker() -> Option<&'static Interpreter> {
    let can = |interpreter: &&Interpreter| {
        python(interpreter).args(["-c", "import ctypes"]).output().is_ok_and(|output| output.status.success())
    };
    one_of_each_series().into_iter().rev().find(can)
}

/// The programs and maps that a process has open, as `loaded.py` reads them.
fn loaded(pid: u32) -> Vec<String> {
    let files = fs::read_dir(format!("/proc/{pid}/fdinfo")).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    let mut found = Vec::new();
    for text in texts {
        for (field, kind) in [("prog_id:", "program"), ("map_id:", "map")] {
            let id = text.lines().find_map(|line| line.strip_prefix(field));
            found.extend(id.map(|id| format!("{kind} {}", id.trim())));
        }
    }
    found
}

#[test]
fn a_killed_recording_leaves_nothing_in_the_kernel() {
    let Some(asker) = asker() else {
        eprintln!("SKIPPED: no Python here has ctypes");
        return;
    };
    let mut asker = Running::start("loaded.py", python(asker).arg(program("loaded")));
    assert_eq!(asker.line(), "ready");
    let all = one_of_each_series();
    let interpreter = all[all.len() - 1];
    let name = format!("{interpreter} counting.py");
    let mut running = Running::start(&name, python(interpreter).arg(program("counting")));
    assert!(running.line().starts_with("ready "), "{name}");
    let pid = running.id_text();
    let words = [&["record", "-f", "raw", "-o", "/dev/null", "-d", "300ms", "--pid", &pid][..], &OPTIONS].concat();
    if !is_by_kernel(&name, &run(&words)) {
        return;
    }
    let (mut were_loaded, rounds) = (0, rounds(20, 500));
    for round in 0..rounds {
        let mut profiler = Profiler::record(&name, running.id(), &OPTIONS);
        // Now and then while it attaches or loads, mostly while it samples.
        if round % 4 != 0 {
            profiler.wait_until_it_samples();
        }
        std::thread::sleep(instant(round, 100));
        let ids = loaded(profiler.id());
        profiler.kill();
        running.goes_on();
        were_loaded += u32::from(!ids.is_empty());
        let question = format!("{}\n", ids.join(" "));
        // The kernel frees them a little later. If it never does, the test's own clock ends this.
        loop {
            asker.tell(&question);
            let answer = asker.line();
            if answer.trim_end() == "there:" {
                break;
            }
        }
    }
    eprintln!("{name}: killed {rounds} times, {were_loaded} of them with a program loaded");
    assert!(were_loaded * 4 >= rounds * 3, "loaded in {were_loaded} of {rounds} rounds");
}
