//! What happens during a recording, seen from the main thread: it waits for the sampler, the program, signals and the
//! clock, whichever comes first.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use py_spy_sampler::{Control, End};
use signal_hook::consts::{SIGINT, SIGTSTP};

use super::Event;
use super::report::Reporter;
use crate::child::Program;
use crate::progress::Progress;
use crate::signals;
use crate::values::Rate;

/// How long the program may clean up after Ctrl-C while we go on sampling it.
const INTERRUPT_GRACE: Duration = Duration::from_secs(5);

/// How long the sampler may take to let the program go before we are stopped.
const SUSPEND_WITHIN: Duration = Duration::from_secs(10);

/// Why sampling ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Duration,
    Exited,
    Signal(i32),
}

/// A recording that is going on.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) rate: Rate,
    pub(super) duration: Option<Duration>,
    pub(super) keep_running: bool,
    /// It goes on with what the program has started when the program has ended.
    pub(super) outlives_program: bool,
    pub(super) show_progress: bool,
    pub(super) reporter: &'a Reporter,
    pub(super) control: Arc<Control>,
    pub(super) gone: Arc<AtomicBool>,
    pub(super) program: Option<Program>,
    pub(super) state: State,
}

/// How far it is.
#[derive(Debug, Default)]
pub(super) struct State {
    why: Option<Why>,
    progress: Option<Progress>,
    interrupt_ends: Option<Instant>,
    attached: bool,
    sampled: bool,
    done: bool,
}

impl Session<'_> {
    /// Waits until the sampler is done.
    pub(super) fn until_recorded(&mut self, events: &Receiver<Event>) {
        while !self.state.done {
            self.step(events);
        }
    }

    /// Waits until the program has ended too, unless it is left running. `failed`: there will be no profile.
    pub(super) fn until_program_ended(&mut self, events: &Receiver<Event>, failed: bool) {
        if failed && !self.keep_running {
            self.program.iter_mut().for_each(Program::ask_to_end);
        }
        while self.program.as_ref().is_some_and(|program| !program.has_ended()) && !self.is_left_running(failed) {
            self.step(events);
        }
    }

    /// The exit code of a recording that went well.
    pub(super) fn exit_code(&mut self) -> anyhow::Result<ExitCode> {
        match &mut self.program {
            Some(program) if program.has_ended() && !program.was_asked_to_end() => {
                Ok(crate::child::exit_code(program.reap()?))
            }
            _ => Ok(ExitCode::SUCCESS),
        }
    }

    fn is_left_running(&self, failed: bool) -> bool {
        // A program that became another one of itself is not ours to leave: its status is ours.
        self.keep_running && (failed || !matches!(self.state.why, Some(Why::Exited)))
    }

    fn step(&mut self, events: &Receiver<Event>) {
        let event = match self.deadline() {
            Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
            None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match event {
            Ok(Event::Signal(SIGTSTP)) => self.on_suspend(),
            Ok(Event::Signal(signal)) => self.on_signal(signal),
            Ok(Event::ProgramEnded) => self.on_program_ended(),
            Ok(Event::Attached) => self.on_attached(),
            Ok(Event::Note(text)) => self.reporter.line(&text),
            Ok(Event::Sampled(end)) => self.on_sampled(end),
            Ok(Event::Done) => self.on_done(),
            Err(RecvTimeoutError::Timeout) => {}
            // Only when the thread that listens to signals and the sampler are both gone.
            Err(RecvTimeoutError::Disconnected) => self.state.done = true,
        }
        self.on_time();
    }

    fn deadline(&self) -> Option<Instant> {
        let program = self.program.as_ref().and_then(Program::deadline);
        let refresh = self.state.progress.as_ref().map(Progress::deadline);
        [program, refresh, self.state.interrupt_ends].into_iter().flatten().min()
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if let Some(program) = &mut self.program {
            program.on_time(now);
        }
        if let Some(progress) = &mut self.state.progress {
            progress.refresh(now, &self.control);
        }
        if self.state.interrupt_ends.take_if(|at| *at <= now).is_some() {
            self.stop_and_end_program();
        }
    }

    fn on_attached(&mut self) {
        if std::mem::replace(&mut self.state.attached, true) {
            return;
        }
        self.reporter.sampling(self.rate, self.duration);
        if self.show_progress {
            self.state.progress = Some(Progress::start(self.duration));
        }
    }

    /// Ctrl-Z: we stop, and nobody else because of that.
    fn on_suspend(&mut self) {
        self.control.pause.store(true, Ordering::Relaxed);
        let began = Instant::now();
        let samples = self.state.attached && !self.state.sampled;
        while samples && !self.control.all_paused() && began.elapsed() < SUSPEND_WITHIN {
            std::thread::sleep(Duration::from_millis(1));
        }
        signals::stop_ourselves();
        self.control.pause.store(false, Ordering::Relaxed);
    }

    fn on_signal(&mut self, signal: i32) {
        log::info!("{} received", signals::name(signal));
        let again = matches!(self.state.why, Some(Why::Signal(_)));
        if !self.state.sampled {
            self.state.why.get_or_insert(Why::Signal(signal));
        }
        let keep_running = self.keep_running;
        let Some(program) = self.program.as_mut().filter(|program| !program.has_ended() && !keep_running) else {
            return self.stop();
        };
        if signal != SIGINT {
            program.relay(signal);
            program.kill_after_grace();
            return self.stop();
        }
        if program.was_asked_to_end() {
            return program.kill();
        }
        if again {
            return self.stop_and_end_program();
        }
        if !signals::is_from_terminal(signal) {
            program.relay(signal);
        }
        self.state.interrupt_ends.get_or_insert(Instant::now() + INTERRUPT_GRACE);
    }

    fn on_program_ended(&mut self) {
        if let Some(program) = &mut self.program {
            program.note_end();
        }
        self.state.interrupt_ends = None;
        self.gone.store(true, Ordering::Relaxed);
        // Who presses Control-C means all of it.
        if !self.outlives_program || self.state.why.is_some() {
            self.state.why.get_or_insert(Why::Exited);
            self.stop();
        }
    }

    fn on_sampled(&mut self, end: End) {
        self.state.sampled = true;
        self.state.progress = None;
        match end {
            End::Duration => {
                let why = self.state.why.get_or_insert(Why::Duration);
                if *why == Why::Duration && !self.keep_running {
                    self.program.iter_mut().for_each(Program::ask_to_end);
                }
            }
            End::Exited => {
                self.state.why.get_or_insert(Why::Exited);
            }
            End::Sink => self.program.iter_mut().for_each(Program::ask_to_end),
            End::Stopped => {}
        }
        match self.state.why {
            Some(Why::Signal(SIGINT)) => self.reporter.stopped("Control-C pressed"),
            Some(Why::Signal(signal)) => self.reporter.stopped(&format!("{} received", signals::name(signal))),
            Some(Why::Exited) => self.reporter.stopped("process exited"),
            Some(Why::Duration) | None => {}
        }
    }

    fn on_done(&mut self) {
        self.state.done = true;
        self.state.progress = None;
    }

    fn stop(&self) {
        self.control.stop.store(true, Ordering::Relaxed);
    }

    fn stop_and_end_program(&mut self) {
        self.stop();
        self.program.iter_mut().for_each(Program::ask_to_end);
    }
}

#[cfg(test)]
mod tests;
