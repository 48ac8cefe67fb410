//! `record`: samples for a while and writes a profile.

mod report;
mod session;
mod statistics;
mod worker;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::time::Instant;

use anyhow::anyhow;
use py_spy_sampler::{AtOnce, Control, End, Patience, Scope};

use crate::child::Program;
use crate::output::Output;
use crate::plan::{RecordPlan, Target};
use crate::{progress, signals};

use report::Reporter;
use session::{Session, State};
use worker::{Job, Recorded};

/// What the main thread waits for.
#[derive(Debug)]
enum Event {
    /// A signal came.
    Signal(i32),
    /// The program that we started has ended.
    ProgramEnded,
    /// A process is sampled from now on.
    Attached,
    /// There is something to be said.
    Note(String),
    /// The last sample was taken.
    Sampled(End),
    /// The profile is written, or there was an error.
    Done,
}

/// Records a profile.
pub(crate) fn run(plan: RecordPlan) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    // Before anything is started or sampled: what can not be kept need not be made.
    let output = Output::open(&plan.destination)?;
    let name = output.name();
    let (sender, events) = mpsc::channel();
    signals::listen(sender.clone(), Event::Signal, true)?;
    let (founders, patience, program) = match &plan.target {
        Target::Processes(pids) => (pids.clone(), Patience::Running, None),
        Target::Command(words) => {
            let program = Program::start(words, plan.capture, sender.clone(), Event::ProgramEnded)?;
            (vec![program.pid()], Patience::Started, Some(program))
        }
    };
    let watched = progress::is_watched();
    let reporter = Reporter { prefix: if program.is_some() { "py-spy> " } else { "" }, watched };
    let control = Arc::new(Control::default());
    let gone = Arc::new(AtomicBool::new(false));
    let mut session = Session {
        rate: plan.rate,
        duration: plan.options.duration,
        keep_running: plan.keep_running,
        outlives_program: plan.at_once == AtOnce::Family,
        // The lines of a program that shares our terminal would run into the bar.
        show_progress: watched && plan.progress && (program.is_none() || plan.capture),
        reporter: &reporter,
        control: Arc::clone(&control),
        gone: Arc::clone(&gone),
        program,
        state: State::default(),
    };
    let max_overhead = plan.options.max_overhead;
    let worker = worker::spawn(
        Job {
            scope: Scope { founders, at_once: plan.at_once, patience },
            options: plan.options,
            format: plan.format,
            title: plan.title,
            output,
            control: Arc::clone(&control),
            gone,
        },
        sender,
    )?;

    session.until_recorded(&events);
    let result = worker.join().unwrap_or_else(|_| Err(anyhow!("the sampler failed; please report this")));
    if let Ok(recorded) = &result {
        reporter.wrote(plan.format, &name, &control);
        reporter.summary(recorded, &control, began);
        reporter.lowered(recorded, &control, max_overhead);
        if plan.stats {
            for line in statistics::lines(&recorded.cost, &control, recorded.elapsed) {
                reporter.line(&line);
            }
        }
    }
    let ended_before = session.program.as_ref().is_some_and(Program::is_over);
    session.until_program_ended(&events, result.is_err());
    conclude(session, result, ended_before)
}

fn conclude(mut session: Session, result: anyhow::Result<Recorded>, ended_before: bool) -> anyhow::Result<ExitCode> {
    let Err(error) = result else {
        let code = session.exit_code()?;
        if code != ExitCode::SUCCESS {
            session.program.iter_mut().for_each(Program::show_captured);
        }
        return Ok(code);
    };
    let Some(program) = &mut session.program else {
        return Err(error);
    };
    Err(program.explain(error, ended_before, "record"))
}
