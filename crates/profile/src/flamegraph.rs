//! The flame graph: an SVG one can click, search and zoom in.

use std::io::{self, BufWriter, Write};

use inferno::flamegraph::{Direction, Options, from_lines};

use crate::counts::Counts;
use crate::tree::Tree;
use crate::{About, FrameId, Sample, Sink, Tables, for_line, for_terminal, frame_label};

/// Frames of one stack that are drawn; those beyond are one box, `(up to N deeper frames)`. A level is 16 pixels high
/// and browsers stop drawing at some ten thousand; memory for the picture also grows with this.
const DEEPEST: usize = 1000;

/// Boxes narrower than this many thousandths of the picture are not drawn.
const NARROWEST: u64 = 1;

/// A flame graph with the root on top.
#[derive(Debug, Default)]
pub(crate) struct Flamegraph(Counts);

impl Sink for Flamegraph {
    fn sample(&mut self, sample: &Sample, _: &Tables) -> io::Result<()> {
        self.0.add(sample.stack);
        Ok(())
    }

    fn finish(self: Box<Self>, tables: &Tables, about: &About, out: &mut dyn Write) -> io::Result<()> {
        let title = for_terminal(&about.title);
        let mut out = BufWriter::new(out);
        let mut tree = Tree::new(&self.0, tables, DEEPEST, |frame| label(tables, frame));
        if tree.total() == 0 {
            out.write_all(empty(&title).as_bytes())?;
            return out.flush();
        }
        // inferno would leave these out of the picture only after it has worked through every line.
        tree.prune(NARROWEST, 1000);
        let mut lines = Vec::new();
        tree.lines(|stack, count| {
            lines.push(format!("{stack} {count}"));
            Ok(())
        })?;

        let mut options = Options::default();
        options.title = title.into_owned();
        options.direction = Direction::Inverted;
        options.min_width = NARROWEST as f64 / 10.0;
        // Takes the lines from the last to the first, without sorting them as text: that could part a box in two,
        // since other characters come before the `;`.
        options.flame_chart = true;
        from_lines(&mut options, lines.iter().rev().map(String::as_str), &mut out)?;
        out.flush()
    }
}

/// A label that inferno reads back as it is, but for spaces around it.
///
/// inferno takes lines of text. In `f 1 5` the last two fields would be two counts, and a line that starts with `# ` a
/// comment. So a label that could be taken wrongly gets a suffix that inferno takes off again before it shows a name,
/// and a leading `#` is written out.
fn label(tables: &Tables, frame: FrameId) -> String {
    let label = frame_label(tables, frame);
    let mut label = for_line(&label).trim().to_owned();
    let last = label.rsplit(' ').next().unwrap_or_default();
    // The suffix itself is in the way where the program has one of its kind.
    if last.chars().all(|c| c.is_ascii_digit() || c == '.') || last.ends_with(']') {
        label.push_str("_[k]");
    }
    if label.starts_with("# ") {
        label.replace_range(..1, "\\x23");
    }
    label
}

/// The picture of nothing.
fn empty(title: &str) -> String {
    let title = title.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    format!(
        r##"<?xml version="1.0" standalone="no"?>
<svg version="1.1" width="1200" height="100" viewBox="0 0 1200 100" xmlns="http://www.w3.org/2000/svg">
<rect width="100%" height="100%" fill="#eeeeee"/>
<text x="50%" y="24" font-family="monospace" font-size="17" text-anchor="middle">{title}</text>
<text x="50%" y="60" font-family="monospace" font-size="12" text-anchor="middle">No samples were taken.</text>
</svg>
"##
    )
}
