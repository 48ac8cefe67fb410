//! `top`: a live table of the functions that take the time.
//!
//! The sampler's thread fills a [`ranking`]; at each refresh the [`state`] takes what was counted, and the [`view`] turns
//! the state into lines. Only [`terminal`] touches the terminal.

mod keys;
mod ranking;
mod session;
mod state;
mod terminal;
mod view;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Receiver};

use anyhow::anyhow;
use py_spy_sampler::{AtOnce, Control, End, Patience, ProcessInfo, Scope};
use py_spy_target::Target as Process;

use crate::child::{self, Program};
use crate::errors::Hinted;
use crate::plan::{Target, TopPlan};
use crate::{say, signals};

use session::{Session, Why};
use worker::Job;

/// What the main thread waits for.
#[derive(Debug)]
enum Event {
    /// A signal that is to end us came.
    Signal,
    /// The program that we started has ended.
    ProgramEnded,
    /// A process is sampled from now on.
    Attached(ProcessInfo),
    /// The terminal has something to say.
    Input(terminal::Input),
    /// The last sample was taken.
    Sampled(End),
    /// The sampler's thread has nothing more to say.
    Done,
}

/// Shows the live table until it is ended.
pub(crate) fn run(plan: &TopPlan) -> anyhow::Result<ExitCode> {
    if let Some(stream) = terminal::missing() {
        let hint = "py-spy record and py-spy dump work without a terminal";
        return Err(Hinted::new(format!("top needs a terminal, and {stream} is none"), hint).into());
    }
    // Warnings would be written into the picture.
    if std::env::var_os("RUST_LOG").is_none() {
        log::set_max_level(log::LevelFilter::Error);
    }
    let (sender, events) = mpsc::channel();
    signals::listen(sender.clone(), |_| Event::Signal, false)?;
    let (founders, patience, program) = match &plan.target {
        Target::Processes(pids) => (pids.clone(), Patience::Running, None),
        Target::Command(words) => {
            let program = Program::start(words, true, sender.clone(), Event::ProgramEnded)?;
            (vec![program.pid()], Patience::Started, Some(program))
        }
    };
    let mut session = Session {
        delay: plan.delay,
        interval: plan.rate.interval(),
        control: Arc::new(Control::default()),
        gone: Arc::new(AtomicBool::new(false)),
        follows: plan.at_once == AtOnce::Family,
        ranking: ranking::Shared::default(),
        program,
        events: sender.clone(),
        live: None,
        why: None,
        done: false,
    };
    let worker = worker::spawn(
        Job {
            scope: Scope { founders: founders.clone(), at_once: plan.at_once, patience },
            options: plan.options.clone(),
            ranking: session.ranking.clone(),
            control: Arc::clone(&session.control),
            gone: Arc::clone(&session.gone),
        },
        sender,
    )?;

    let shown = session.until_sampled(&events);
    let sampled = worker.join().map_err(|_| anyhow!("the sampler failed; please report this"));
    // The terminal is an ordinary one again.
    let result = sampled.and_then(|sampled| {
        let last = shown?;
        sampled?;
        say::print(last.unwrap_or_default().as_bytes())
    });
    conclude(session, &events, plan.keep_running, &founders, result)
}

/// Sees to the program that we started, and finds the exit code.
fn conclude(
    mut session: Session,
    events: &Receiver<Event>,
    keep_running: bool,
    founders: &[u32],
    result: anyhow::Result<()>,
) -> anyhow::Result<ExitCode> {
    let ended_before = session.program.as_ref().is_some_and(Program::is_over);
    // A program that became another one of itself is not ours to end: its status is ours.
    let exited = result.is_ok() && session.why == Some(Why::Exited);
    if !exited && !keep_running {
        session.program.iter_mut().for_each(Program::ask_to_end);
    }
    if exited || !keep_running {
        session.until_program_ended(events);
    }
    if exited {
        say::print(b"\n")?;
        for &pid in founders {
            let end = if Process::find(pid).is_ok() { "became another program" } else { "ended" };
            say::print(format!("process {pid} {end}\n").as_bytes())?;
        }
    }
    let Some(mut program) = session.program else {
        return result.map(|()| ExitCode::SUCCESS);
    };
    let Err(error) = result else {
        if !program.has_ended() || program.was_asked_to_end() {
            return Ok(ExitCode::SUCCESS);
        }
        let code = child::exit_code(program.reap()?);
        if code != ExitCode::SUCCESS {
            program.show_captured();
        }
        return Ok(code);
    };
    Err(program.explain(error, ended_before, "top"))
}
