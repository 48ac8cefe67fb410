//! The program that we started: passing signals on to it, ending it, and its exit status.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use anyhow::Context;
use py_spy_sampler::AttachError;
use py_spy_target::launch::{Child, Streams};
use signal_hook::consts::{SIGKILL, SIGTERM};

use crate::errors::Hinted;
use crate::{signals, threads};

/// How long the program may clean up after it was asked to end, before it is killed.
pub(crate) const END_GRACE: Duration = Duration::from_secs(5);

/// A signal that we got is passed on only after this time: who signals a whole process group has signalled the program
/// too, and a second Ctrl-C in the middle of its cleaning up would do harm.
const RELAY_PAUSE: Duration = Duration::from_millis(200);

/// A started program.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    captured: Option<File>,
    ended: bool,
    relay: Option<(Instant, i32)>,
    kill_at: Option<Instant>,
    asked: bool,
}

impl Program {
    /// Starts a program; `event` is sent when it has ended.
    pub(crate) fn start<E: Send + 'static>(
        words: &[OsString],
        capture: bool,
        events: Sender<E>,
        event: E,
    ) -> anyhow::Result<Program> {
        let captured = if capture { Some(tempfile::tempfile().context("cannot capture output")?) } else { None };
        let streams = match &captured {
            Some(file) => Streams::Capture(file.try_clone()?),
            None => Streams::Inherit,
        };
        let child = Child::launch(words, streams)?;
        let watcher = child.watcher();
        threads::spawn("child", move || {
            watcher.wait();
            // Nobody listens any more once the program is left running.
            let _ = events.send(event);
        })?;
        Ok(Program { child, captured, ended: false, relay: None, kill_at: None, asked: false })
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Takes note of the end.
    pub(crate) fn note_end(&mut self) {
        self.ended = true;
        self.relay = None;
        self.kill_at = None;
    }

    /// True when it has ended, known or not: the sampler may see it before we are told.
    pub(crate) fn is_over(&self) -> bool {
        self.ended || self.child.has_ended()
    }

    /// True when its end is known.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// True when it was our wish that it ends.
    pub(crate) fn was_asked_to_end(&self) -> bool {
        self.asked
    }

    /// Passes a signal on that we got, unless the program ends of itself meanwhile.
    pub(crate) fn relay(&mut self, signal: i32) {
        if !self.ended {
            self.relay = Some((Instant::now() + RELAY_PAUSE, signal));
        }
    }

    /// Asks the program to end. After a grace it is killed.
    pub(crate) fn ask_to_end(&mut self) {
        if !self.ended && !self.asked {
            self.asked = true;
            self.send(SIGTERM);
            self.kill_after_grace();
        }
    }

    /// Kills the program: whoever asked for its end does not want to wait any longer.
    pub(crate) fn kill(&mut self) {
        if !self.ended {
            self.kill_at = Some(Instant::now());
        }
    }

    /// Kills the program if it is still there after a grace.
    pub(crate) fn kill_after_grace(&mut self) {
        if !self.ended && self.kill_at.is_none() {
            self.kill_at = Some(Instant::now() + END_GRACE);
        }
    }

    /// When [`Program::on_time`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        [self.relay.map(|(at, _)| at), self.kill_at].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn on_time(&mut self, now: Instant) {
        if let Some((_, signal)) = self.relay.take_if(|(at, _)| *at <= now) {
            self.send(signal);
        }
        if self.kill_at.take_if(|at| *at <= now).is_some() {
            log::warn!("process {} does not end, killing it", self.pid());
            self.send(SIGKILL);
        }
    }

    /// The exit status, after its end.
    pub(crate) fn reap(&mut self) -> anyhow::Result<ExitStatus> {
        self.child.reap().context("cannot learn how the command ended")
    }

    /// Shows what was captured.
    pub(crate) fn show_captured(&mut self) {
        if let Some(file) = &mut self.captured {
            // It is shown to help with another error; there is nothing to be said if that fails.
            let _ = file.rewind().and_then(|()| io::copy(file, &mut io::stderr().lock()));
        }
    }

    /// Why nothing came of sampling it. `ended_before`: it had ended before that was known. `verb` is what was typed.
    pub(crate) fn explain(&mut self, error: anyhow::Error, ended_before: bool, verb: &str) -> anyhow::Error {
        self.show_captured();
        if !error.is::<AttachError>() {
            return error;
        }
        if !ended_before {
            return error.context("the command did not become a Python program that can be sampled");
        }
        log::debug!("the last try to attach: {error:#}");
        let status = self.reap().map_or_else(|_| "an unknown status".to_owned(), describe);
        Hinted::new(
            format!("the command ended with {status} before it was seen to run Python"),
            format!("name the interpreter itself, as in: py-spy {verb} -- python app.py"),
        )
        .into()
    }

    fn send(&self, signal: i32) {
        if let Err(error) = self.child.signal(signal) {
            log::warn!("cannot send {} to process {}: {error}", signals::name(signal), self.pid());
        }
    }
}

/// A program's exit status as ours: 128 and the number of a signal, as shells do it.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    let number = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(number as u8)
}

/// How a program ended, as in `exit status 3`.
pub(crate) fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit status {code}"),
        (None, Some(signal)) => signals::name(signal),
        (None, None) => "an unknown status".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let exited = ExitStatus::from_raw(3 << 8);
        assert_eq!((describe(exited).as_str(), exit_code(exited)), ("exit status 3", ExitCode::from(3)));
        let killed = ExitStatus::from_raw(SIGTERM);
        assert_eq!((describe(killed).as_str(), exit_code(killed)), ("SIGTERM", ExitCode::from(143)));
    }
}
