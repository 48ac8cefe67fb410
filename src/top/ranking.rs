//! Which functions and lines the samples fell on: a sink that counts instead of keeping.
//!
//! A sample is counted with ids alone. What a stack consists of is worked out when it is first seen, as a chain of the
//! distinct rows in it that shares its tail with the caller's chain; a row that recurs in a stack is in the chain once.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use py_spy_profile::{
    About, Frame, FrameId, Nanos, Sample, Sink, StackId, StringId, Tables, for_terminal, frame_label,
};
use rustc_hash::FxHashMap;

/// What a row of the table stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grouping {
    /// A function, by name and file.
    Function,
    /// A line of a function.
    Line,
}

/// One row: a function or a line, and what the samples said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// What is shown of it, safe for a terminal.
    pub label: Arc<str>,
    /// Stacks of the period in which it was innermost.
    pub own: u64,
    /// Stacks of the period in which it was at all.
    pub total: u64,
    /// Time since the last reset in which it was innermost.
    pub own_time: Nanos,
    /// Time since the last reset in which it was at all.
    pub total_time: Nanos,
}

/// Everything that was counted when a period ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Board {
    /// Rows by function, in order of first sight.
    pub functions: Vec<Row>,
    /// Rows by line, in order of first sight.
    pub lines: Vec<Row>,
}

/// A ranking that the sampler fills and the view reads.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared(Arc<Mutex<Ranking>>);

impl Shared {
    /// Ends the period: what was counted, and a new period begins.
    pub(super) fn take(&self) -> Board {
        self.lock().take()
    }

    /// Forgets all counts.
    pub(super) fn reset(&self) {
        self.lock().reset();
    }

    fn lock(&self) -> MutexGuard<'_, Ranking> {
        // Counts stay counts when another thread panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Shared {
    fn sample(&mut self, sample: &Sample, tables: &Tables) -> io::Result<()> {
        self.lock().count(sample, tables);
        Ok(())
    }

    fn finish(self: Box<Self>, _: &Tables, _: &About, _: &mut dyn io::Write) -> io::Result<()> {
        Ok(())
    }
}

/// Counts by function and by line.
#[derive(Debug)]
struct Ranking {
    functions: Counts<(Option<StringId>, Option<StringId>)>,
    lines: Counts<FrameId>,
}

impl Default for Ranking {
    fn default() -> Self {
        Ranking { functions: Counts::new(function_of, function_label), lines: Counts::new(|_, id| id, line_label) }
    }
}

impl Ranking {
    fn count(&mut self, sample: &Sample, tables: &Tables) {
        self.functions.count(sample, tables);
        self.lines.count(sample, tables);
    }

    fn take(&mut self) -> Board {
        Board { functions: self.functions.take(), lines: self.lines.take() }
    }

    fn reset(&mut self) {
        self.functions.reset();
        self.lines.reset();
    }
}

/// Position in `Counts::rows`.
type RowId = u32;
/// Position in `Counts::links`.
type LinkId = u32;

/// A row of a stack, and the rest of its chain towards the root.
#[derive(Debug, Clone, Copy)]
struct Link {
    row: RowId,
    next: Option<LinkId>,
}

/// A stack: its innermost frame's row, and the chain of its distinct rows.
#[derive(Debug, Clone, Copy)]
struct Known {
    own: RowId,
    chain: LinkId,
}

#[derive(Debug)]
struct Counts<K> {
    key: fn(&Tables, FrameId) -> K,
    label: fn(&Tables, FrameId) -> String,
    ids: FxHashMap<K, RowId>,
    rows: Vec<Row>,
    links: Vec<Link>,
    /// By the index of the stack.
    stacks: Vec<Option<Known>>,
}

impl<K: Eq + std::hash::Hash> Counts<K> {
    fn new(key: fn(&Tables, FrameId) -> K, label: fn(&Tables, FrameId) -> String) -> Self {
        Counts { key, label, ids: FxHashMap::default(), rows: Vec::new(), links: Vec::new(), stacks: Vec::new() }
    }

    fn count(&mut self, sample: &Sample, tables: &Tables) {
        let known = self.known(sample.stack).unwrap_or_else(|| self.learn(sample.stack, tables));
        let own = &mut self.rows[known.own as usize];
        own.own += 1;
        own.own_time += sample.weight;
        let mut next = Some(known.chain);
        while let Some(link) = next.map(|id| self.links[id as usize]) {
            let row = &mut self.rows[link.row as usize];
            row.total += 1;
            row.total_time += sample.weight;
            next = link.next;
        }
    }

    fn known(&self, stack: StackId) -> Option<Known> {
        self.stacks.get(stack.index()).copied().flatten()
    }

    /// Works out a new stack and those of its callers that are new too; a loop, for stacks can be very deep.
    #[cold]
    fn learn(&mut self, stack: StackId, tables: &Tables) -> Known {
        let (innermost, mut caller) = tables.leaf_of(stack);
        let mut unknown = Vec::new();
        let mut below = loop {
            let Some(id) = caller else { break None };
            if let Some(known) = self.known(id) {
                break Some(known);
            }
            let (frame, next) = tables.leaf_of(id);
            unknown.push((id, frame));
            caller = next;
        };
        for (id, frame) in unknown.into_iter().rev() {
            below = Some(self.add(id, frame, below, tables));
        }
        self.add(stack, innermost, below, tables)
    }

    fn add(&mut self, stack: StackId, frame: FrameId, below: Option<Known>, tables: &Tables) -> Known {
        let own = self.row(frame, tables);
        let below = below.map(|known| known.chain);
        let recurs = below.filter(|&chain| self.has(chain, own));
        let chain = recurs.unwrap_or_else(|| {
            self.links.push(Link { row: own, next: below });
            self.links.len() as LinkId - 1
        });
        if self.stacks.len() <= stack.index() {
            self.stacks.resize(stack.index() + 1, None);
        }
        let known = Known { own, chain };
        self.stacks[stack.index()] = Some(known);
        known
    }

    fn has(&self, chain: LinkId, row: RowId) -> bool {
        let links = std::iter::successors(Some(self.links[chain as usize]), |link| {
            link.next.map(|next| self.links[next as usize])
        });
        links.into_iter().any(|link| link.row == row)
    }

    fn row(&mut self, frame: FrameId, tables: &Tables) -> RowId {
        *self.ids.entry((self.key)(tables, frame)).or_insert_with(|| {
            let label = Arc::from(for_terminal(&(self.label)(tables, frame)).as_ref());
            self.rows.push(Row { label, own: 0, total: 0, own_time: 0, total_time: 0 });
            self.rows.len() as RowId - 1
        })
    }

    fn take(&mut self) -> Vec<Row> {
        let seen = self.rows.iter().filter(|row| row.total_time > 0).cloned().collect();
        for row in &mut self.rows {
            (row.own, row.total) = (0, 0);
        }
        seen
    }

    fn reset(&mut self) {
        for row in &mut self.rows {
            (row.own, row.total, row.own_time, row.total_time) = (0, 0, 0, 0);
        }
    }
}

/// What a row of functions stands for: a function and its file, a label, or all labels of threads together.
fn function_of(tables: &Tables, frame: FrameId) -> (Option<StringId>, Option<StringId>) {
    match tables.frame_of(frame) {
        Frame::Python { name, file, .. } => (Some(name), Some(file)),
        Frame::Note(text) => (Some(text), None),
        Frame::Thread(_) => (None, None),
    }
}

/// As [`frame_label`] without the line.
fn function_label(tables: &Tables, frame: FrameId) -> String {
    match tables.frame_of(frame) {
        Frame::Python { name, short_file, .. } if !tables.str(short_file).is_empty() => {
            format!("{} ({})", tables.str(name), tables.str(short_file))
        }
        _ => line_label(tables, frame),
    }
}

fn line_label(tables: &Tables, frame: FrameId) -> String {
    frame_label(tables, frame).into_owned()
}

#[cfg(test)]
mod tests;
