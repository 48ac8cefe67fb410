//! One look at every thread of a process.

/// What is known of a process.
#[derive(Debug, Clone, Default)]
pub struct ProcessInfo {
    /// Process id, as this system counts it.
    pub pid: u32,
    /// The command line's words.
    pub command: Vec<String>,
    /// The executable's path as the process sees it.
    pub executable: String,
    /// CPython's version, as in `3.12.1`.
    pub version: String,
}

/// One look at every thread of a process.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The threads, the oldest (main) first.
    pub threads: Vec<ThreadSnapshot>,
}

/// One thread.
#[derive(Debug, Clone)]
pub struct ThreadSnapshot {
    /// The operating system's thread id, where it is known.
    pub os_thread_id: Option<u32>,
    /// The interpreter's own id: `pthread_self()`.
    pub thread_id: u64,
    /// What the program calls it.
    pub name: Option<String>,
    /// Running or runnable.
    pub active: bool,
    /// It holds the GIL.
    pub owns_gil: bool,
    /// Innermost first.
    pub frames: Vec<FrameSnapshot>,
}

/// One Python frame.
#[derive(Debug, Clone)]
pub struct FrameSnapshot {
    /// Function name, qualified where the interpreter knows it.
    pub name: String,
    /// File name as the code object has it.
    pub filename: String,
    /// The shortened file name, unless full names were asked for.
    pub short_filename: Option<String>,
    /// Line number from 1, 0 when unknown.
    pub line: u32,
    /// The frame was entered from C (up to 3.11).
    pub is_entry: bool,
    /// The frame was entered from C through a shim frame (3.12+).
    pub is_shim_entry: bool,
}
