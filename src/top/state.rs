//! What the live view knows. It is told of refreshes and actions and never asks for anything.

use std::cmp::Ordering;
use std::sync::atomic::Ordering::Relaxed;

use py_spy_sampler::Control;

use super::ranking::{Board, Grouping, Row};

/// Columns that the table can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    /// Share of the period in which a row was innermost.
    Own,
    /// Share of the period in which a row was in the stack.
    Total,
    /// Time since the last reset in which a row was innermost.
    OwnTime,
    /// Time since the last reset in which a row was in the stack.
    TotalTime,
}

/// How far to scroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scroll {
    /// So many rows down.
    Rows(isize),
    /// So many screens down.
    Pages(isize),
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
}

/// What the user wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// End.
    Quit,
    /// Sort by a column.
    SortBy(Column),
    /// Lines instead of functions, and back.
    ToggleGrouping,
    /// Count from nothing.
    Reset,
    /// Show the keys.
    Help,
    /// Show other rows.
    Scroll(Scroll),
    /// A key without a meaning; it leaves the help.
    Nothing,
}

/// What is left to do for whoever holds the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Todo {
    /// Draw.
    Draw,
    /// Reset the ranking and draw.
    Reset,
    /// End.
    Quit,
}

/// The sampler's counters at one time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counters {
    pub ticks: u64,
    pub missed: u64,
    pub dropped: u64,
    pub threads: u64,
    pub processes: u64,
    pub active: u64,
    pub gil_held: u64,
}

impl Counters {
    /// The counters as they are now.
    pub(super) fn of(control: &Control) -> Counters {
        Counters {
            // Of several processes that are looked at at one instant each has its share of it.
            ticks: control.instants.load(Relaxed),
            missed: control.missed.load(Relaxed),
            dropped: control.dropped.load(Relaxed),
            threads: control.threads.load(Relaxed),
            processes: control.processes.load(Relaxed),
            active: control.active.load(Relaxed),
            gil_held: control.gil_held.load(Relaxed),
        }
    }

    /// What was counted since an earlier time.
    fn since(self, earlier: Counters) -> Counters {
        Counters {
            ticks: self.ticks.saturating_sub(earlier.ticks),
            missed: self.missed.saturating_sub(earlier.missed),
            dropped: self.dropped.saturating_sub(earlier.dropped),
            threads: self.threads,
            processes: self.processes,
            active: self.active.saturating_sub(earlier.active),
            gil_held: self.gil_held.saturating_sub(earlier.gil_held),
        }
    }
}

/// Everything that is shown.
#[derive(Debug)]
pub(super) struct State {
    command: String,
    version: String,
    /// It is about what the program starts too.
    pub(super) follows: bool,
    grouping: Grouping,
    sort: Column,
    help: bool,
    first: usize,
    page: usize,
    board: Board,
    /// At the last reset.
    start: Counters,
    /// At the last refresh.
    latest: Counters,
    period: Counters,
}

impl State {
    /// A view of a program, safe for a terminal, before the first refresh.
    pub(super) fn new(command: String, version: String) -> State {
        State {
            command,
            version,
            follows: false,
            grouping: Grouping::Function,
            sort: Column::OwnTime,
            help: false,
            first: 0,
            page: 1,
            board: Board::default(),
            start: Counters::default(),
            latest: Counters::default(),
            period: Counters::default(),
        }
    }

    /// True when there is something new: without a tick there is nothing that a share could be of.
    pub(super) fn has_news(&self, now: Counters) -> bool {
        now.ticks > self.latest.ticks
    }

    /// A period is over.
    pub(super) fn refresh(&mut self, board: Board, now: Counters) {
        self.period = now.since(self.latest);
        self.latest = now;
        self.board = board;
        self.sort();
        self.scroll_to(self.first);
    }

    /// Everything is forgotten.
    pub(super) fn reset(&mut self, now: Counters) {
        self.start = now;
        self.latest = now;
        self.period = now.since(now);
        self.board = Board::default();
        self.first = 0;
    }

    /// Does what the user wants, or says who else has to.
    pub(super) fn act(&mut self, action: Action) -> Todo {
        let was_help = std::mem::take(&mut self.help);
        match action {
            Action::Quit => return Todo::Quit,
            _ if was_help => {}
            Action::Reset => return Todo::Reset,
            Action::Help => self.help = true,
            Action::SortBy(column) => {
                self.sort = column;
                self.first = 0;
                self.sort();
            }
            Action::ToggleGrouping => {
                self.grouping = match self.grouping {
                    Grouping::Function => Grouping::Line,
                    Grouping::Line => Grouping::Function,
                };
                self.first = 0;
            }
            Action::Scroll(scroll) => self.scroll(scroll),
            Action::Nothing => {}
        }
        Todo::Draw
    }

    /// Says how many rows fit on the screen.
    pub(super) fn set_page(&mut self, rows: usize) {
        self.page = rows.max(1);
        self.scroll_to(self.first);
    }

    /// The program's command line.
    pub(super) fn command(&self) -> &str {
        &self.command
    }

    /// The version of its Python.
    pub(super) fn version(&self) -> &str {
        &self.version
    }

    /// What a row stands for.
    pub(super) fn grouping(&self) -> Grouping {
        self.grouping
    }

    /// What the rows are sorted by.
    pub(super) fn sorted_by(&self) -> Column {
        self.sort
    }

    /// True when the keys are shown and not the table.
    pub(super) fn shows_help(&self) -> bool {
        self.help
    }

    /// What was counted since the last reset.
    pub(super) fn overall(&self) -> Counters {
        self.latest.since(self.start)
    }

    /// What was counted in the last period.
    pub(super) fn period(&self) -> Counters {
        self.period
    }

    /// The rows from the first that is to be shown on.
    pub(super) fn rows(&self) -> &[Row] {
        self.all_rows().get(self.first..).unwrap_or_default()
    }

    /// Number of rows above the first that is shown, and of all.
    pub(super) fn position(&self) -> (usize, usize) {
        (self.first, self.all_rows().len())
    }

    fn all_rows(&self) -> &[Row] {
        match self.grouping {
            Grouping::Function => &self.board.functions,
            Grouping::Line => &self.board.lines,
        }
    }

    fn scroll(&mut self, scroll: Scroll) {
        let page = isize::try_from(self.page).unwrap_or(isize::MAX);
        self.scroll_to(match scroll {
            Scroll::Rows(rows) => self.first.saturating_add_signed(rows),
            Scroll::Pages(pages) => self.first.saturating_add_signed(pages.saturating_mul(page)),
            Scroll::Top => 0,
            Scroll::Bottom => usize::MAX,
        });
    }

    fn scroll_to(&mut self, first: usize) {
        self.first = first.min(self.all_rows().len().saturating_sub(self.page));
    }

    fn sort(&mut self) {
        let sort = self.sort;
        // Both, so that another grouping shows at once.
        self.board.functions.sort_by(|a, b| order(sort, a, b));
        self.board.lines.sort_by(|a, b| order(sort, a, b));
    }
}

/// The larger first; among equals who took more time, and then by name, so that rows do not jump about.
fn order(sort: Column, a: &Row, b: &Row) -> Ordering {
    let key = |row: &Row| match sort {
        Column::Own => row.own,
        Column::Total => row.total,
        Column::OwnTime => row.own_time,
        Column::TotalTime => row.total_time,
    };
    let rest = |row: &Row| (row.own_time, row.total_time);
    key(b).cmp(&key(a)).then_with(|| rest(b).cmp(&rest(a))).then_with(|| a.label.cmp(&b.label))
}

#[cfg(test)]
mod tests;
