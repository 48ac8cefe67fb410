//! Collapsed stacks: one line a stack, for `flamegraph.pl` and its many relatives.

use std::io::{self, BufWriter, Write};

use crate::counts::Counts;
use crate::tree::Tree;
use crate::{About, Sample, Sink, Tables, for_line, frame_label};

/// One line a distinct stack: labels from the root on joined by `;`, a space, the count; sorted.
#[derive(Debug, Default)]
pub(crate) struct Raw(Counts);

impl Sink for Raw {
    fn sample(&mut self, sample: &Sample, _: &Tables) -> io::Result<()> {
        self.0.add(sample.stack);
        Ok(())
    }

    fn finish(self: Box<Self>, tables: &Tables, _: &About, out: &mut dyn Write) -> io::Result<()> {
        let label = |frame| for_line(&frame_label(tables, frame)).into_owned();
        let mut out = BufWriter::new(out);
        Tree::new(&self.0, tables, usize::MAX, label).lines(|stack, count| writeln!(out, "{stack} {count}"))?;
        out.flush()
    }
}
