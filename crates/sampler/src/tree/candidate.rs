//! A process that may be Python, now or later.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use py_spy_target::{Relative, Target};

use crate::{AttachError, Later, Options, Sampler};

/// Between two looks at a process that is not Python yet; grows from the first to the last, so that a quick start is
/// caught and a program that never is Python costs little.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(250);

/// A Python that is just starting is looked at at least this often.
const SOON: Duration = Duration::from_millis(20);

/// A program that is no Python may load one later, as servers with plugins do. What it has mapped is looked at again
/// after a time that doubles up to this.
const LOADS_LATER: Duration = Duration::from_secs(5);

/// What a look at a candidate gives.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It can be sampled.
    Ready(Box<Sampler>),
    /// Not now: look again later.
    NotYet,
    /// It is no more.
    Gone,
}

/// A process that may be Python, now or later.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) relative: Relative,
    /// Why the last attempt failed.
    pub(super) error: Option<AttachError>,
    pause: Duration,
    /// The executable that was found to be no Python, and when it is looked at again all the same.
    refuted: Option<(Option<PathBuf>, Instant, Duration)>,
}

impl Candidate {
    pub(super) fn new(relative: Relative) -> Candidate {
        Candidate { relative, error: None, pause: FIRST_PAUSE, refuted: None }
    }

    pub(super) fn target(&self) -> &Target {
        &self.relative.target
    }

    /// For how long nothing need be tried.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// It has become another program: everything may be otherwise now.
    pub(super) fn begin_anew(&mut self) {
        self.pause = FIRST_PAUSE;
        self.refuted = None;
    }

    /// Tries to attach, if that may have another result than last time.
    pub(super) fn attempt(&mut self, options: &Options) -> Attempt {
        let target = &self.relative.target;
        if !target.is_alive() {
            return Attempt::Gone;
        }
        self.pause = (self.pause * 2).min(LAST_PAUSE);
        if self.relative.borrows_its_memory() {
            self.pause = self.pause.min(SOON);
            return Attempt::NotYet;
        }
        // Before it is looked at: what it becomes meanwhile must not be taken for what was refuted.
        let executable = target.executable().ok();
        if self.refuted.as_ref().is_some_and(|(known, again, _)| *again > Instant::now() && *known == executable) {
            return Attempt::NotYet;
        }
        let found = match Target::find(target.pid) {
            // The number may be another's by now.
            Ok(found) if found != *target => return Attempt::Gone,
            Ok(found) => found,
            Err(_) => {
                // Its first thread has ended, for good or because another one runs another program in its place. That is
                // no reason why somebody might miss it.
                self.pause = self.pause.min(SOON);
                return Attempt::NotYet;
            }
        };
        // The one that was found: to find it again might say that it has ended, while it does.
        match Sampler::attach_to(found, options.clone()) {
            Ok(sampler) => Attempt::Ready(Box::new(sampler)),
            Err(_) if !target.is_alive() => Attempt::Gone,
            Err(error) => {
                log::debug!("not yet: {error}");
                let before = self.refuted.take();
                if error.later == Later::Soon {
                    self.pause = self.pause.min(SOON);
                } else {
                    let same = before.filter(|(known, ..)| *known == executable);
                    let wait = same.map_or(SOON, |(.., wait)| (wait * 2).min(LOADS_LATER));
                    if error.later == Later::No && self.error.as_ref().is_some_and(|last| last.later == Later::No) {
                        // Only an exec can change that.
                        self.refuted = Some((executable, Instant::now() + Duration::from_hours(1), wait));
                    } else {
                        self.refuted = Some((executable, Instant::now() + wait, wait));
                    }
                }
                self.error = Some(error);
                Attempt::NotYet
            }
        }
    }
}
