//! How to sample.

use std::time::{Duration, Instant};

use py_spy_python::value::{Limits, Redaction};

/// The share of time that stopped threads may stand still, if nothing else is said.
pub const MAX_OVERHEAD: f64 = 0.25;

/// How to sample.
#[derive(Debug, Clone)]
pub struct Options {
    /// Time between two samples.
    pub interval: Duration,
    /// What the times of samples count from, and the duration; `None` is the begin of the run. Samplers that write one
    /// profile together have the same.
    pub began: Option<Instant>,
    /// Wall-clock length of the run; `None` is until something else ends it.
    pub duration: Option<Duration>,
    /// How a true copy of the stacks is got.
    pub mode: Mode,
    /// With [`Mode::Stop`]: have the kernel take them where it may and that costs the program less.
    pub cheaper: bool,
    /// Say aloud when it is another than was asked for.
    pub insist: bool,
    /// The share of time that stopped threads may stand still, all together, over 0. The rate is lowered to fit.
    pub max_overhead: f64,
    /// Begin system calls again that a stop cut short, through the stopped thread's registers.
    pub restart_calls: bool,
    /// Only the thread that holds the GIL.
    pub gil_only: bool,
    /// Also threads that do not run.
    pub include_idle: bool,
    /// Also the frames of native code, merged with those of Python.
    pub native: bool,
    /// With [`Options::native`] also threads that run no Python.
    pub native_all: bool,
    /// Also the frames of the kernel, of samples that it takes itself ([`Mode::Kernel`]).
    pub kernel_frames: bool,
    /// Also the values of variables ([`Sampler::snapshot`](crate::Sampler::snapshot) only).
    pub values: Option<ValueOptions>,
    /// Also where in its line each frame is ([`Sampler::snapshot`](crate::Sampler::snapshot) only).
    pub spans: bool,
    /// Put a frame that names the thread under each stack.
    pub thread_frames: bool,
    /// Which line a frame shows.
    pub lines: LineMode,
    /// File names as the code objects have them, not shortened.
    pub full_filenames: bool,
    /// Show the frames that are hidden by default: the import machinery's and the interpreter's own.
    pub full_stack: bool,
}

/// Which values of variables are shown, and how much of them.
#[derive(Debug, Clone)]
pub struct ValueOptions {
    /// How much of each.
    pub limits: Limits,
    /// The variables of frames.
    pub variables: bool,
    /// Also those of modules, in the frames that run them.
    pub globals: bool,
    /// What each thread is doing: what it waits for, the exception that it handles.
    pub states: bool,
    /// Names whose values are not shown.
    pub redaction: Redaction,
}

/// How a true copy of the stacks is got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The kernel follows a thread's frames at each tick of its CPU clock, in the thread itself.
    Kernel,
    /// The thread that could move is stopped for one copy.
    Stop,
    /// Nothing is stopped; what moved meanwhile is not written.
    Nonblocking,
}

/// Which line a frame shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineMode {
    /// The line that is running.
    Current,
    /// The function's first line.
    First,
    /// None.
    None,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            interval: Duration::from_millis(10),
            began: None,
            duration: None,
            mode: Mode::Stop,
            cheaper: false,
            insist: false,
            max_overhead: MAX_OVERHEAD,
            restart_calls: true,
            gil_only: false,
            include_idle: false,
            native: false,
            native_all: false,
            kernel_frames: false,
            values: None,
            spans: false,
            thread_frames: false,
            lines: LineMode::Current,
            full_filenames: false,
            full_stack: false,
        }
    }
}
