use std::ffi::OsString;
use std::sync::mpsc::{self, Sender};

use signal_hook::consts::{SIGKILL, SIGTERM};

use super::*;

const REPORTER: Reporter = Reporter { prefix: "", watched: false };
/// Runs until it gets a signal.
const FOREVER: &str = "exec tail -f /dev/null";

/// A session with a shell command, or without any program. The test plays the sampler.
fn session(script: Option<&str>) -> (Session<'static>, Sender<Event>, Receiver<Event>) {
    let (sender, events) = mpsc::channel();
    let program = script.map(|script| {
        let words: Vec<OsString> = ["sh", "-c", script].map(OsString::from).to_vec();
        Program::start(&words, true, sender.clone(), Event::ProgramEnded).expect("sh starts")
    });
    let session = Session {
        rate: "100".parse().expect("a rate"),
        duration: None,
        keep_running: false,
        outlives_program: false,
        show_progress: false,
        reporter: &REPORTER,
        control: Arc::default(),
        gone: Arc::default(),
        program,
        state: State::default(),
    };
    (session, sender, events)
}

fn send(sender: &Sender<Event>, events: impl IntoIterator<Item = Event>) {
    events.into_iter().for_each(|event| sender.send(event).expect("the session listens"));
}

fn finish(session: &mut Session<'_>, events: &Receiver<Event>) -> ExitCode {
    session.until_recorded(events);
    session.until_program_ended(events, false);
    session.exit_code().expect("a status")
}

fn is_stopped(session: &Session<'_>) -> bool {
    session.control.stop.load(Ordering::Relaxed)
}

#[test]
fn every_signal_ends_the_recording_of_a_process() {
    for signal in [SIGINT, SIGTERM] {
        let (mut session, sender, events) = session(None);
        send(&sender, [Event::Attached, Event::Signal(signal)]);
        session.step(&events);
        assert!(!is_stopped(&session));
        session.step(&events);
        assert!(is_stopped(&session));
        // Once more while the file is written: nothing is lost.
        send(&sender, [Event::Sampled(End::Stopped), Event::Signal(signal), Event::Done]);
        assert_eq!(finish(&mut session, &events), ExitCode::SUCCESS);
        assert_eq!(session.state.why, Some(Why::Signal(signal)));
    }
}

#[test]
fn the_exit_status_of_a_program_that_ended_is_ours() {
    let (mut session, sender, events) = session(Some("exit 3"));
    session.step(&events);
    assert!(is_stopped(&session) && session.gone.load(Ordering::Relaxed));
    send(&sender, [Event::Sampled(End::Exited), Event::Done]);
    assert_eq!(finish(&mut session, &events), ExitCode::from(3));
    assert_eq!(session.state.why, Some(Why::Exited));
}

#[test]
fn what_a_program_leaves_behind_is_sampled_on() {
    let (mut session, sender, events) = session(Some("exit 3"));
    session.outlives_program = true;
    session.step(&events);
    assert!(!is_stopped(&session) && session.gone.load(Ordering::Relaxed));
    send(&sender, [Event::Signal(SIGINT)]);
    session.step(&events);
    assert!(is_stopped(&session));
    send(&sender, [Event::Sampled(End::Stopped), Event::Done]);
    assert_eq!(finish(&mut session, &events), ExitCode::from(3));
}

#[test]
fn a_program_is_ended_when_the_duration_is_over() {
    let (mut session, sender, events) = session(Some(FOREVER));
    send(&sender, [Event::Attached, Event::Sampled(End::Duration), Event::Done]);
    assert_eq!(finish(&mut session, &events), ExitCode::SUCCESS);
    assert!(session.program.is_some_and(|program| program.has_ended()));
}

#[test]
fn a_program_is_left_running_on_request() {
    for event in [Event::Sampled(End::Duration), Event::Signal(SIGTERM)] {
        let (mut session, sender, events) = session(Some(FOREVER));
        session.keep_running = true;
        send(&sender, [event, Event::Sampled(End::Stopped), Event::Done]);
        assert_eq!(finish(&mut session, &events), ExitCode::SUCCESS);
        let mut program = session.program.take().expect("the program");
        assert!(!program.has_ended());
        program.kill();
        program.on_time(Instant::now());
        assert!(matches!(events.recv(), Ok(Event::ProgramEnded)));
        program.note_end();
        assert_eq!(crate::child::exit_code(program.reap().expect("a status")), ExitCode::from(128 + SIGKILL as u8));
    }
}

#[test]
fn a_signal_to_us_alone_is_passed_on() {
    let (mut session, sender, events) = session(Some(FOREVER));
    send(&sender, [Event::Signal(SIGTERM), Event::Sampled(End::Stopped), Event::Done]);
    assert_eq!(finish(&mut session, &events), ExitCode::from(128 + SIGTERM as u8));
}

#[test]
fn a_second_interrupt_ends_sampling_and_asks_the_program_to_end() {
    let (mut session, sender, events) = session(Some(FOREVER));
    send(&sender, [Event::Signal(SIGINT), Event::Signal(SIGINT)]);
    session.step(&events);
    assert!(!is_stopped(&session));
    session.step(&events);
    assert!(is_stopped(&session));
    assert!(session.program.as_ref().is_some_and(Program::was_asked_to_end));
    send(&sender, [Event::Sampled(End::Stopped), Event::Done]);
    assert_eq!(finish(&mut session, &events), ExitCode::SUCCESS);
}

#[test]
fn a_program_does_not_outlive_a_failure() {
    let (mut session, sender, events) = session(Some(FOREVER));
    send(&sender, [Event::Done]);
    session.until_recorded(&events);
    session.until_program_ended(&events, true);
    assert!(session.program.is_some_and(|program| program.has_ended()));
}
