//! The clock and the tick: processes in, samples out.
//!
//! A [`Sampler`] is attached to one process. [`Sampler::run`] takes samples at a rate until something ends it and
//! gives them to a [`py_spy_profile::Sink`]; [`Sampler::snapshot`] looks once at every thread.

mod attach;
mod binaries;
mod c_stacks;
mod clock;
mod codes;
mod control;
mod core_dump;
mod file_names;
mod images;
mod kernel_names;
mod moment;
mod native;
mod options;
mod patience;
mod roster;
mod run;
mod snapshot;
mod stacks;
mod started;
mod survey;
mod thread_state;
mod thread_table;
mod tree;

pub use control::{Control, End};
pub use core_dump::{CoreSnapshot, core_snapshots};
pub use moment::{Effort, Variable};
pub use options::{LineMode, MAX_OVERHEAD, Mode, Options, ValueOptions};
pub use patience::{Patience, attach_patiently};
pub use py_spy_python::Span;
pub use py_spy_python::value::{Kind, Limits, Redaction, SECRETS, Shown};
pub use py_spy_target::Durations;
pub use snapshot::{FrameSnapshot, ProcessInfo, Snapshot, Source, ThreadSnapshot};
pub use thread_state::{LockWait, ThreadState};

use std::time::Instant;

pub use survey::{Build, Surveyed, survey};
pub use tree::{AtOnce, Cost, News, Sampled, Scope, sample};

use attach::Attached;
use file_names::FileNames;
use moment::Watch;
use py_spy_profile::{Sink, Tables};
use py_spy_target::Target;

/// Why a process can not be profiled.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct AttachError {
    /// One line: what happened and why.
    pub message: String,
    /// The next step, where there is one.
    pub hint: Option<String>,
    /// Whether trying again a little later may help.
    pub later: Later,
}

/// Whether something that failed may work a little later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// It is CPython and is still starting, or is just ending.
    Soon,
    /// It is no CPython, but a shell or launcher becomes one when it runs a program in its place.
    Perhaps,
    /// Nothing will change by itself.
    No,
}

/// One watched process.
#[derive(Debug)]
pub struct Sampler {
    info: ProcessInfo,
    options: Options,
    watch: Watch,
    /// The further Pythons of the process.
    further: Vec<Watch>,
    files: FileNames,
    /// Threads of it in [`Control::threads`].
    counted: u64,
}

impl Sampler {
    /// Finds CPython in a process.
    ///
    /// # Errors
    /// When there is no such process, it may not be read, or it is no CPython that we know.
    pub fn attach(pid: u32, options: Options) -> Result<Sampler, AttachError> {
        Sampler::attach_to(attach::process(pid)?, options)
    }

    /// The same for a process that has been found.
    pub(crate) fn attach_to(target: Target, options: Options) -> Result<Sampler, AttachError> {
        py_spy_target::raise_file_limit();
        let pid = target.pid;
        let Attached { target, pythons } = attach::attach(target)?;
        let mode = match (options.mode, target.tracer()) {
            (Mode::Stop, Some(tracer)) => {
                log::warn!("process {pid} is traced by process {tracer}: sampling without stopping it");
                Mode::Nonblocking
            }
            // Until the kernel takes them.
            (Mode::Kernel, None) => Mode::Stop,
            (Mode::Kernel, Some(_)) => Mode::Nonblocking,
            (mode, _) => mode,
        };
        let files = FileNames::of(&target);
        let watches = pythons
            .into_iter()
            .map(|(memory, python)| Watch::new(target.clone(), memory, python, mode, &options))
            .collect::<std::io::Result<Vec<_>>>();
        let mut watches = watches.map_err(|why| AttachError {
            message: format!("process {pid} is ending: {why}"),
            hint: None,
            later: Later::No,
        })?;
        let mut further = watches.split_off(1);
        let mut watch = watches.swap_remove(0);
        for other in &mut further {
            watch.leave_strangers(other);
        }
        let info = ProcessInfo::of(&watch, !further.is_empty());
        Ok(Sampler { info, options, watch, further, files, counted: 0 })
    }

    /// What is known of the process.
    pub fn info(&self) -> &ProcessInfo {
        &self.info
    }

    /// The process.
    pub(crate) fn target(&self) -> &Target {
        &self.watch.target
    }

    /// Has its samples' times count from an instant.
    pub(crate) fn begin_at(&mut self, began: Instant) {
        self.options.began = Some(began);
    }

    /// How many threads of it are in [`Control::threads`]: they are taken out when it has ended and others go on.
    pub(crate) fn counted(&self) -> u64 {
        self.counted
    }

    /// What looking has cost so far.
    pub fn effort(&self) -> Effort {
        self.further.iter().fold(self.watch.effort(), |all, watch| all + watch.effort())
    }

    /// For how long threads stood still for us, each stop by itself.
    pub fn stood_still(&self) -> &Durations {
        self.watch.stopper.still()
    }

    /// Stops of threads that were not on a CPU: they are not in [`Sampler::stood_still`].
    pub fn late_stops(&self) -> u64 {
        self.watch.stopper.late()
    }

    /// How samples are taken: not always as was asked for, when the process can not be stopped.
    pub fn mode(&self) -> Mode {
        self.watch.mode
    }

    /// All ways in which they were taken so far.
    pub(crate) fn ways(&self) -> impl Iterator<Item = Mode> + '_ {
        let none = self.watch.ways.is_empty().then_some(self.watch.mode);
        self.watch.ways.iter().copied().chain(none)
    }

    /// Samples until `control` says stop, the duration is over or the process ends. Call it on the thread that
    /// attached: a process that is stopped for a sample can be released only by the thread that stopped it.
    pub fn run(&mut self, tables: &mut Tables, sink: &mut dyn Sink, control: &Control) -> End {
        let end = self.run_until_end(tables, sink, control);
        // A thread that was late to report its stop would stand still as long as nobody asks.
        self.watch.stopper.let_all_go();
        end
    }

    /// Every thread's stack, once; of a process with several Pythons those in the first.
    ///
    /// # Errors
    /// When the process ends meanwhile, or its memory makes no sense.
    pub fn snapshot(&mut self) -> Result<Snapshot, AttachError> {
        let seen = self.look_once();
        self.watch.stopper.let_all_go();
        seen
    }

    /// The same of each CPython that the process has, mostly one.
    ///
    /// # Errors
    /// When the process ends meanwhile, or its memory makes no sense.
    pub fn snapshots(&mut self) -> Result<Vec<(ProcessInfo, Snapshot)>, AttachError> {
        let mut all = vec![(self.info.clone(), self.snapshot()?)];
        for index in 0..self.further.len() {
            std::mem::swap(&mut self.watch, &mut self.further[index]);
            let seen = self.snapshot();
            std::mem::swap(&mut self.watch, &mut self.further[index]);
            all.push((ProcessInfo::of(&self.further[index], true), seen?));
        }
        Ok(all)
    }
}
