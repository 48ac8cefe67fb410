//! The verifier takes the program of each layout.

#![allow(clippy::print_stderr, reason = "a test says what it could not do")]

use py_spy_kernel::{Stacks, Subject, Ticks, Unavailable};
use py_spy_python::Gil;
use py_spy_python::layout;

#[test]
fn the_program_of_each_layout_is_taken() {
    let free = layout::KNOWN_FREE_THREADED.iter().copied();
    let mut taken = 0;
    for (version, layout) in layout::known().chain(free) {
        let held = Some(Gil { last_holder: 0x1000, locked: 0x1008 });
        for (gil, period, stacks) in [
            (None, 20_000, None),
            (held, 10_000_000, None),
            (None, 20_000, Some(Stacks { user: true, kernel: true, of_all: true })),
            (held, 10_000_000, Some(Stacks { user: true, kernel: false, of_all: false })),
            (held, 10_000_000, Some(Stacks { user: false, kernel: true, of_all: false })),
        ] {
            let frames = Ticks::frames_at(period);
            let subject = Subject {
                layout,
                interpreter: 0x2000,
                gil,
                namespace: (4, 4_026_531_836),
                tid_at: 720,
                period,
                frames,
                stacks,
            };
            match Ticks::new(&subject) {
                Ok(_) => taken += 1,
                Err(Unavailable::Program(refused)) if !refused.log.is_empty() => panic!("{version}: {}", refused.log),
                Err(why @ Unavailable::Layout) => panic!("{version}: {why}"),
                Err(why) => {
                    eprintln!("SKIPPED: {why}");
                    return;
                }
            }
        }
    }
    assert!(taken > 20);
}
