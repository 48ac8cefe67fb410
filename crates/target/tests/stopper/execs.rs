//! An exec ends all other threads and waits for them; one that we hold must not keep it waiting for ever.

use std::time::{Duration, Instant};

use py_spy_target::Stopper;

use crate::rounds;
use crate::subject::{Subject, compiled, state};

/// Two threads, one of them busy, the other becomes another program when told to: their ids.
fn start(who: &str) -> Option<(Subject, u32, u32)> {
    let mut subject = Subject::start(compiled()?, &["exec", who]);
    let mut ids = [0, 0];
    for _ in 0..2 {
        let line = subject.line();
        let (word, id) = line.split_once(' ').expect("a word and a number");
        ids[usize::from(word == "exec")] = id.parse().expect("a number");
    }
    subject.must_not_hang();
    Some((subject, ids[0], ids[1]))
}

fn until_state(tid: u32, wanted: char) {
    while state(tid) != Some(wanted) {
        std::thread::yield_now();
    }
}

/// The new program is there and nobody traces it.
fn is_another(subject: &mut Subject) {
    assert_eq!(subject.number("another"), subject.id());
    let status = std::fs::read_to_string(format!("/proc/{}/status", subject.id())).expect("it lives");
    assert!(status.contains("TracerPid:\t0\n"), "{status}");
    subject.go_on();
    assert!(subject.wait().success());
}

#[test]
fn an_exec_goes_on_when_the_held_thread_is_let_go() {
    for who in ["leader", "thread"] {
        for _ in 0..rounds(5, 100) {
            let Some((mut subject, busy, _)) = start(who) else { return };
            let mut stopper = Stopper::new(subject.id());
            stopper.hold(busy).expect("held");
            subject.go_on();
            // It was killed by the exec, which waits until we have noticed.
            until_state(busy, 'Z');
            stopper.release();
            stopper.collect_until(Instant::now() + Duration::from_mins(1));
            is_another(&mut subject);
        }
    }
}

/// The kernel lets nobody be seized while it changes its program: who waits for that with a thread of it in hand, for which the
/// exec waits, waits for ever.
#[test]
fn holding_one_more_thread_in_the_middle_of_an_exec_does_not_hang() {
    for who in ["leader", "thread"] {
        let Some((mut subject, busy, exec)) = start(who) else { return };
        let mut stopper = Stopper::new(subject.id());
        stopper.hold(busy).expect("held");
        subject.go_on();
        until_state(busy, 'Z');
        // Whether it can be held or not.
        stopper.hold(exec).ok();
        stopper.release();
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
        is_another(&mut subject);
    }
}

#[test]
fn a_held_leader_that_another_thread_replaces_is_forgotten() {
    for _ in 0..rounds(5, 100) {
        let Some((mut subject, ..)) = start("thread") else { return };
        let mut stopper = Stopper::new(subject.id());
        stopper.hold(subject.id()).expect("held");
        subject.go_on();
        // The process has its leader's id, which is that of the other thread now.
        assert_eq!(subject.number("another"), subject.id());
        stopper.release();
        // Nothing is attached, so there is nothing to wait for.
        stopper.collect_until(Instant::now() + Duration::from_secs(30));
        assert!(stopper.collect(), "it waits for a thread that is no more");
        stopper.hold(subject.id()).expect("the new program can be held");
        stopper.release();
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
        subject.go_on();
        assert!(subject.wait().success());
    }
}

/// The kernel gives a thread that becomes another program the id of the process's first thread. Whoever is attached to it
/// stays so, and must not take the new program for one that somebody else traces.
#[test]
fn a_thread_that_stays_attached_and_replaces_the_leader_can_be_held() {
    for _ in 0..rounds(5, 100) {
        let Some((mut subject, _, exec)) = start("thread") else { return };
        let mut stopper = Stopper::new(subject.id());
        stopper.stay_attached(true);
        while !stopper.is_attached() {
            stopper.hold(exec).expect("held");
            stopper.release();
            stopper.collect_until(Instant::now() + Duration::from_mins(1));
        }
        subject.go_on();
        assert_eq!(subject.number("another"), subject.id());
        assert_eq!(stopper.hold(subject.id()), Ok(()), "the new program can be held");
        stopper.let_all_go();
        assert!(!stopper.is_attached(), "it waits for a thread that is no more");
        let status = std::fs::read_to_string(format!("/proc/{}/status", subject.id())).expect("it lives");
        assert!(status.contains("TracerPid:\t0\n"), "{status}");
        subject.go_on();
        assert!(subject.wait().success());
    }
}
