//! The trait that every output format is.

use std::io;

use crate::{About, Sample, Tables};

/// A consumer of samples that can write them as one file.
pub trait Sink {
    /// Takes one sample; its ids point into `tables`.
    fn sample(&mut self, sample: &Sample, tables: &Tables) -> io::Result<()>;

    /// Writes everything that was taken. Called once, after the last sample.
    fn finish(self: Box<Self>, tables: &Tables, about: &About, out: &mut dyn io::Write) -> io::Result<()>;
}

/// The output formats of `record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An interactive SVG, root on top.
    Flamegraph,
    /// One line a stack: frames joined by `;`, a space, the count.
    Raw,
    /// JSON for speedscope.
    Speedscope,
    /// JSON for `chrome://tracing` and Perfetto.
    Chrometrace,
}

/// An empty sink of a format.
pub fn new_sink(format: Format) -> Box<dyn Sink> {
    todo!("{format:?}")
}
