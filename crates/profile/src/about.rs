//! What a profile says of its own making.

use crate::Nanos;

/// What a profile says of its own making; known when the recording ends.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// The title of a picture: the command line that was typed.
    pub title: String,
    /// Name and version of this program, as in `py-spy@0.1.0`.
    pub exporter: String,
    /// The sampling interval that was asked for.
    pub interval: Nanos,
    /// How long the recording took.
    pub duration: Nanos,
    /// Process names for viewers that show them, by process id: the command lines.
    pub processes: Vec<(u32, String)>,
    /// True when more than one process was recorded on purpose, so that names must tell them apart.
    pub many_processes: bool,
    /// True when frames carry lines; false with `--nolineno`.
    pub lines: bool,
}
