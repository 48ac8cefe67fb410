use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::*;

/// A shell that has run `first`, has said so, and is busy from then on.
fn shell(first: &str) -> Child {
    let script = format!("{first} echo ready; while :; do :; done");
    let mut child = Command::new("sh").args(["-c", &script]).stdout(Stdio::piped()).spawn().expect("a shell");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("its word");
    child
}

fn state(pid: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).expect("a state")
}

fn tracer(pid: u32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    status.lines().find_map(|line| line.strip_prefix("TracerPid:")).expect("a field").trim().to_owned()
}

#[test]
fn a_thread_is_held_and_let_go_many_times() {
    let mut child = shell("");
    let mut stopper = Stopper::new(child.id());
    for _ in 0..2000 {
        stopper.hold(child.id()).expect("held");
        stopper.release();
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
        assert_eq!(tracer(child.id()), "0");
        assert_eq!(state(child.id()), 'R');
    }
    child.kill().expect("killed");
    while stopper.hold(child.id()).is_ok() {
        stopper.release();
    }
    // Its status is still there for us.
    assert_eq!(child.wait().expect("reaped").code(), None);
}

#[test]
fn a_held_thread_stands_still() {
    let mut child = shell("");
    let mut stopper = Stopper::new(child.id());
    stopper.hold(child.id()).expect("held");
    while state(child.id()) != 't' {
        std::thread::yield_now();
    }
    assert_eq!(tracer(child.id()), nix::unistd::gettid().to_string());
    let schedstat = || std::fs::read_to_string(format!("/proc/{}/schedstat", child.id())).expect("it lives");
    let before = schedstat();
    for _ in 0..1000 {
        std::thread::yield_now();
    }
    assert_eq!(schedstat(), before);
    drop(stopper);
    assert_ne!(state(child.id()), 't');
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[test]
fn a_real_time_signal_on_its_way_arrives() {
    let mut child = shell("");
    let mut stopper = Stopper::new(child.id());
    // SIGRTMIN+1 ends a program that does not expect it. It is sent while the thread is held, again and again, so that
    // it is met on its way as well as waiting.
    let pid = child.id().to_string();
    stopper.hold(child.id()).expect("held");
    assert!(Command::new("sh").args(["-c", &format!("kill -35 {pid}")]).status().expect("a shell").success());
    stopper.release();
    while stopper.hold(child.id()).is_ok() {
        stopper.release();
    }
    let status = child.wait().expect("reaped");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(35));
}

#[test]
fn several_threads_are_held_and_let_go_together() {
    let mut children = [shell(""), shell(""), shell("")];
    let mut stopper = Stopper::new(children[0].id());
    for child in &children {
        stopper.hold(child.id()).expect("held");
        stopper.hold(child.id()).expect("held already");
    }
    let own = nix::unistd::gettid().to_string();
    assert!(children.iter().all(|child| tracer(child.id()) == own));
    stopper.release();
    stopper.collect_until(Instant::now() + Duration::from_mins(1));
    assert!(children.iter().all(|child| tracer(child.id()) == "0"));
    for child in &mut children {
        child.kill().expect("killed");
        child.wait().expect("reaped");
    }
}

#[test]
fn a_signal_on_its_way_arrives() {
    let mut child = shell("trap 'exit 7' USR1;");
    let mut stopper = Stopper::new(child.id());
    for _ in 0..100 {
        stopper.hold(child.id()).expect("held");
        stopper.release();
    }
    stopper.hold(child.id()).expect("held");
    let pid = Pid::from_raw(child.id() as i32);
    kill(pid, Signal::SIGUSR1).expect("sent");
    stopper.release();
    stopper.collect_until(Instant::now() + Duration::from_mins(1));
    // Hold it again while it handles the signal, until it is gone.
    while stopper.hold(child.id()).is_ok() {
        stopper.release();
    }
    assert_eq!(child.wait().expect("reaped").code(), Some(7));
}

#[test]
fn who_is_gone_or_traced_is_refused() {
    let mut child = shell("");
    let mut stopper = Stopper::new(child.id());
    let pid = child.id();
    stopper.hold(pid).expect("held");
    let other = std::thread::spawn(move || Stopper::new(pid).hold(pid));
    assert_eq!(other.join().expect("no panic"), Err(Refusal::Denied));
    stopper.release();
    child.kill().expect("killed");
    child.wait().expect("reaped");
    assert_eq!(stopper.hold(pid), Err(Refusal::Gone));
}

/// How often the child of the next test waits, each time for a millisecond.
const WAITS: u32 = 100;

/// Not a test: what the next one runs as a child. Says how many of its waits ended with EINTR.
#[test]
#[ignore = "it is run by another test"]
#[expect(clippy::print_stdout, reason = "the other test reads it")]
fn a_child_that_waits() {
    let epoll = Epoll::new(EpollCreateFlags::empty()).expect("an epoll");
    println!("ready");
    let interrupted = (0..WAITS).filter(|_| epoll.wait(&mut [EpollEvent::empty()], 1_u16) == Err(Errno::EINTR));
    println!("interrupted {}", interrupted.count());
}

#[test]
fn a_wait_that_is_cut_short_goes_on() {
    let program = std::env::current_exe().expect("ourselves");
    let mut child = Command::new(program)
        .args(["--ignored", "--exact", "--nocapture", "linux::stop::tests::a_child_that_waits"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("ourselves");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = |start: &str| {
        lines.by_ref().map(|line| line.expect("text")).find(|line| line.starts_with(start)).expect("its word")
    };
    next("ready");
    // The test's own thread is not the leader: hold whichever waits.
    let tids = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("it lives");
    let tids = tids.map(|entry| entry.expect("a thread").file_name().to_str().and_then(|tid| tid.parse().ok()));
    let waiting = tids.flatten().find(|&tid| tid != child.id()).unwrap_or(child.id());
    let mut stopper = Stopper::new(child.id());
    let mut holds = 0;
    while stopper.hold(waiting).is_ok() {
        stopper.release();
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
        holds += 1;
        // A wait that is begun again has its whole time before it: it must come to its end now and then.
        std::thread::sleep(Duration::from_micros(1500));
    }
    assert!(holds > 20, "{holds} holds");
    assert_eq!(next("interrupted"), "interrupted 0", "after {holds} holds");
    child.wait().expect("reaped");
}

#[test]
fn who_is_killed_while_held_ends_for_its_parent() {
    for _ in 0..20 {
        let mut child = shell("");
        // As a stranger would: the leader of our own child is reaped by nobody but ourselves.
        let mut stopper = Stopper::new(child.id());
        stopper.is_child = false;
        stopper.hold(child.id()).expect("held");
        child.kill().expect("killed");
        stopper.release();
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
        assert!(stopper.pending.is_empty());
        // It was collected here, so there is nothing left to wait for.
        assert_eq!(child.wait().err().and_then(|error| error.raw_os_error()), Some(Errno::ECHILD as i32));
    }
}

/// A stopper that has stayed attached to a child.
fn attached_to(child: &Child) -> Stopper {
    let mut stopper = Stopper::new(child.id());
    stopper.stay_attached(true);
    for hold in 0..STAY_AFTER {
        assert!(!stopper.is_attached(), "after {hold} holds");
        stopper.hold(child.id()).expect("held");
        stopper.release();
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
    }
    // Only a stop that was reported as ours is stayed with: on a busy machine it may take some more.
    while !stopper.is_attached() {
        stopper.hold(child.id()).expect("held");
        stopper.release();
    }
    stopper
}

#[test]
fn who_is_held_again_and_again_stays_attached() {
    let mut child = shell("");
    let mut stopper = attached_to(&child);
    let own = nix::unistd::gettid().to_string();
    for _ in 0..1000 {
        // One that reports late on a busy machine is detached then.
        assert_eq!(tracer(child.id()), if stopper.is_attached() { own.as_str() } else { "0" });
        stopper.hold(child.id()).expect("held");
        stopper.release();
        stopper.attend();
    }
    assert!(stopper.still().count() + stopper.late() >= 1000);
    drop(stopper);
    assert_eq!((tracer(child.id()).as_str(), state(child.id())), ("0", 'R'));
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[test]
fn a_signal_passes_who_stays_attached() {
    let mut child = shell("trap 'exit 7' USR1;");
    let mut stopper = attached_to(&child);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGUSR1).expect("sent");
    // It ends by itself, with nobody holding it.
    while stopper.is_attached() {
        stopper.attend_until(Instant::now() + Duration::from_mins(1));
    }
    assert_eq!(child.wait().expect("reaped").code(), Some(7));
}

#[test]
fn job_control_passes_who_stays_attached() {
    let mut child = shell("");
    let mut stopper = attached_to(&child);
    let pid = Pid::from_raw(child.id() as i32);
    kill(pid, Signal::SIGSTOP).expect("sent");
    while state(child.id()) != 'T' {
        stopper.attend();
    }
    assert!(!stopper.is_attached());
    // It stays so, looked at or not.
    for _ in 0..20 {
        stopper.hold(child.id()).expect("held");
        stopper.release();
        stopper.collect_until(Instant::now() + Duration::from_mins(1));
        // It wakes to stop again as one that nobody traces.
        while state(child.id()) != 'T' {
            std::thread::yield_now();
        }
    }
    kill(pid, Signal::SIGCONT).expect("sent");
    while state(child.id()) != 'R' {
        stopper.attend();
    }
    child.kill().expect("killed");
    child.wait().expect("reaped");
}

#[test]
fn who_stays_attached_and_runs_another_program_is_let_go() {
    let mut child = shell("trap 'exec sleep 1000' USR1;");
    let mut stopper = attached_to(&child);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGUSR1).expect("sent");
    while std::fs::read_to_string(format!("/proc/{}/comm", child.id())).expect("it lives") != "sleep\n" {
        stopper.attend();
    }
    drop(stopper);
    assert_eq!(tracer(child.id()), "0");
    child.kill().expect("killed");
    child.wait().expect("reaped");
}
