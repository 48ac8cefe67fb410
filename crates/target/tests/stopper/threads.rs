//! Threads that end while they are held, or are told to stop and have not yet.

use std::time::{Duration, Instant};

use py_spy_target::{Refusal, Stopper, Tasks};

use crate::rounds;
use crate::subject::{Subject, compiled};

#[test]
fn threads_that_end_all_the_time_are_held_and_their_process_ends() {
    let Some(program) = compiled() else { return };
    let count = rounds(4000, 40_000);
    let mut subject = Subject::start(program, &["threads", &count.to_string()]);
    subject.number("ready");
    subject.must_not_hang();
    let pid = subject.id();
    let mut tasks = Tasks::of(pid).expect("it lives");
    let mut stopper = Stopper::new(pid);
    let (mut held, mut gone) = (0, 0);
    while tasks.relist().is_ok() {
        let ids: Vec<_> = tasks.ids().collect();
        let mut any = false;
        for tid in ids {
            match stopper.hold(tid) {
                Ok(()) => {
                    held += 1;
                    any = true;
                }
                Err(Refusal::Gone) => gone += 1,
                Err(Refusal::Denied) => panic!("thread {tid} may not be held"),
            }
            // Sometimes one at a time, sometimes all of them at once.
            if held % 3 != 0 {
                stopper.release();
            }
        }
        stopper.release();
        stopper.collect();
        if !any {
            break;
        }
    }
    drop(stopper);
    eprintln!("{held} threads held, {gone} gone before");
    assert!(held > count / 100, "{held} held");
    assert_eq!(subject.number("ended"), count);
    assert!(subject.wait().success());
}

/// A process whose leader is held and told to end ends for its parent as soon as it is let go.
#[test]
fn who_ends_while_it_is_held_is_not_held_up() {
    let Some(program) = compiled() else { return };
    for round in 0..rounds(50, 1000) {
        let mut subject = Subject::start(program, &["another"]);
        subject.number("another");
        subject.must_not_hang();
        let mut stopper = Stopper::new(subject.id());
        // Told before, between and after.
        for step in 0..3 {
            if round % 3 == step {
                subject.go_on();
            }
            if step == 0 {
                assert_ne!(stopper.hold(subject.id()), Err(Refusal::Denied));
            }
            if step == 1 {
                stopper.release();
            }
        }
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
        assert!(subject.wait().success());
    }
}
