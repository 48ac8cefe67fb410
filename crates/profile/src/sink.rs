//! The trait that every output format is.

use std::io;

use crate::chrometrace::Chrometrace;
use crate::flamegraph::Flamegraph;
use crate::raw::Raw;
use crate::speedscope::Speedscope;
use crate::{About, Format, Sample, Tables};

/// A consumer of samples that can write them as one file.
///
/// Samples of one thread come in the order of their times; those of different threads may mix freely.
pub trait Sink {
    /// Takes one sample; its ids point into `tables`.
    fn sample(&mut self, sample: &Sample, tables: &Tables) -> io::Result<()>;

    /// Writes everything that was taken. Called once, after the last sample. `out` need not be buffered; it is flushed.
    fn finish(self: Box<Self>, tables: &Tables, about: &About, out: &mut dyn io::Write) -> io::Result<()>;
}

/// An empty sink of a format.
pub fn new_sink(format: Format) -> Box<dyn Sink + Send> {
    match format {
        Format::Flamegraph => Box::new(Flamegraph::default()),
        Format::Raw => Box::new(Raw::default()),
        Format::Speedscope => Box::new(Speedscope::default()),
        Format::Chrometrace => Box::new(Chrometrace::default()),
    }
}
