//! The clock and the tick: processes in, samples out.
//!
//! A [`Sampler`] is attached to one process. [`Sampler::run`] takes samples at a rate until something ends it and
//! gives them to a [`py_spy_profile::Sink`]; [`Sampler::snapshot`] looks once at every thread.

mod control;
mod options;
mod snapshot;

pub use control::{Control, End};
pub use options::{LineMode, Mode, Options};
pub use snapshot::{FrameSnapshot, ProcessInfo, Snapshot, ThreadSnapshot};

use py_spy_profile::{Sink, Tables};

/// Why a process can not be profiled.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct AttachError {
    /// One line: what happened and why.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
    /// True when trying again a little later may help: the process is still starting.
    pub early: bool,
}

/// One watched process.
pub struct Sampler {
    info: ProcessInfo,
}

impl Sampler {
    /// Finds CPython in a process.
    pub fn attach(pid: u32, options: Options) -> Result<Sampler, AttachError> {
        todo!("{pid} {options:?}")
    }

    /// What is known of the process.
    pub fn info(&self) -> &ProcessInfo {
        &self.info
    }

    /// Samples until `control` says stop, the duration is over or the process ends. Call it on one thread only: a
    /// process that is stopped for a sample can be released only by the thread that stopped it.
    pub fn run(&mut self, tables: &mut Tables, sink: &mut dyn Sink, control: &Control) -> End {
        let _ = (tables, sink, control);
        todo!()
    }

    /// Every thread's stack, once.
    pub fn snapshot(&mut self) -> Result<Snapshot, AttachError> {
        todo!()
    }
}
