//! Attaching to a process that may still be on its way to become Python.

use std::thread;
use std::time::{Duration, Instant};

use crate::{AttachError, Later, Options, Sampler, started};

/// Between two tries; grows from the first to the last, so that a quick start is caught and a slow one costs little.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(20);

/// For how long to try, and in spite of what.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// A running process: only a Python that is still starting is waited for.
    Running,
    /// A program that we started: a shell or a launcher at first, it may run Python at last.
    Started,
}

impl Patience {
    /// How long a running Python may need until its interpreter can be read.
    pub(crate) const RUNNING: Duration = Duration::from_secs(2);
    /// How long a program may be unreadable because it is just being replaced by another.
    pub(crate) const EXEC: Duration = Duration::from_millis(200);
    /// How long a script may prepare before it runs Python.
    pub(crate) const STARTED: Duration = Duration::from_secs(10);

    pub(crate) fn allows(self, waited: Duration, error: &AttachError) -> bool {
        match self {
            Patience::Running => error.later == Later::Soon && waited < Self::RUNNING,
            Patience::Started if error.later == Later::No => waited < Self::EXEC,
            Patience::Started => waited < Self::STARTED,
        }
    }
}

/// Attaches, trying again as patience allows and until `in_vain` says that it makes no sense.
///
/// # Errors
/// When patience is over: why the last try failed.
pub fn attach_patiently(
    pid: u32,
    options: &Options,
    patience: Patience,
    in_vain: impl Fn() -> bool,
) -> Result<Sampler, AttachError> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        match Sampler::attach(pid, options.clone()) {
            Err(error) if !in_vain() && patience.allows(began.elapsed(), &error) => {
                log::debug!("not yet: {error}");
                thread::sleep(pause);
                pause = (pause * 2).min(LAST_PAUSE);
            }
            result => return result.map_err(|error| started::point_to(pid, error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_depends_on_who_started_the_process() {
        let error = |later| AttachError { message: String::new(), hint: None, later };
        assert!(Patience::Running.allows(Duration::ZERO, &error(Later::Soon)));
        assert!(!Patience::Running.allows(Duration::ZERO, &error(Later::Perhaps)));
        assert!(!Patience::Running.allows(Patience::RUNNING, &error(Later::Soon)));
        assert!(Patience::Started.allows(Patience::RUNNING, &error(Later::Perhaps)));
        assert!(!Patience::Started.allows(Patience::EXEC, &error(Later::No)));
        assert!(!Patience::Started.allows(Patience::STARTED, &error(Later::Soon)));
    }
}
