//! A thread id that was found in memory is believed only if it is that of a thread of the process.

use py_spy_target::Tasks;

use crate::subject::{Subject, compiled};

#[test]
fn ids_of_others_are_nobody_s() {
    let Some(program) = compiled() else { return };
    let start = || {
        let mut subject = Subject::start(program, &["exec", "thread"]);
        let mut ids = [0, 0].map(|_| {
            let line = subject.line();
            line.split_once(' ').and_then(|(_, id)| id.parse().ok()).expect("a thread's id")
        });
        ids.sort_unstable();
        (subject, ids)
    };
    let (mut subject, own) = start();
    let (other, others) = start();
    let mut tasks = Tasks::of(subject.id()).expect("it lives");
    for tid in own.into_iter().chain([subject.id()]) {
        assert_eq!(tasks.by_own_id(tid), Some(tid));
    }
    // Another process's leader and thread, which the kernel would let us stop; the first process, ourselves, nobody.
    for tid in others.into_iter().chain([other.id(), 1, std::process::id(), 0, u32::MAX, i32::MAX as u32]) {
        assert_eq!(tasks.by_own_id(tid), None, "{tid}");
        assert!(!tasks.contains(tid), "{tid}");
    }
    // After an exec the threads are no more, and are believed no more once the list was looked at.
    subject.go_on();
    assert_eq!(subject.number("another"), subject.id());
    assert!(tasks.refresh().expect("it lives"));
    assert_eq!(own.map(|tid| tasks.by_own_id(tid)), [None, None]);
    assert_eq!(tasks.by_own_id(subject.id()), Some(subject.id()));
}
