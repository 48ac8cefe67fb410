//! Our own threads.

use std::sync::mpsc;

use super::*;

#[test]
fn a_waiting_thread_sleeps_and_we_run() {
    let (say, hear) = mpsc::channel();
    let (end, wait) = mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        say.send(nix::unistd::gettid().as_raw() as u32).expect("heard");
        wait.recv().ok();
    });
    let other = hear.recv().expect("said");
    let own = nix::unistd::gettid().as_raw() as u32;
    let mut tasks = Tasks::of(std::process::id()).expect("own threads");
    assert!(tasks.contains(other) && tasks.contains(own));
    while tasks.state(other) != Some(TaskState::Sleeping) {
        std::thread::yield_now();
    }
    let before = tasks.slices(other);
    let mut running = Vec::new();
    tasks.running(&mut running, false);
    assert!(running.contains(&own) && !running.contains(&other), "{running:?}");
    assert!(before.is_some() && before == tasks.slices(other));
    drop(end);
    thread.join().expect("ended");
    while tasks.state(other).is_some() {
        std::thread::yield_now();
    }
    assert!(tasks.refresh().expect("own threads"));
    assert!(!tasks.contains(other));
}
