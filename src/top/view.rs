//! How the state looks: pure functions from it to lines.

use std::borrow::Cow;

use py_spy_profile::Nanos;
use ratatui::buffer::Buffer;
use ratatui::layout::{Rect, Size};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Widget;

use super::ranking::{Grouping, Row};
use super::state::{Column, State};

/// Up to this width there is room for one pair of columns only.
const NARROW: u16 = 50;

const FOOTER: &str = "Press q or Control-C to quit, or ? for help.";

const HELP: [&str; 12] = [
    "1      Sort by %Own (share of the last period spent in the function itself)",
    "2      Sort by %Total (share of the last period spent in it and what it calls)",
    "3      Sort by OwnTime (time spent in the function itself since the reset)",
    "4      Sort by TotalTime (time spent in it and what it calls since the reset)",
    "L      Lines instead of functions, and back",
    "R      Reset: count from nothing",
    "Arrows, PageUp, PageDown, Home, End",
    "       Scroll",
    "?      Show this help",
    "q      Quit, as does Control-C",
    "",
    "Press any key to leave this help.",
];

/// Lines that are no rows: the header, an empty one, the titles and the footer.
const OTHER_LINES: usize = 6;

/// Number of rows of the table that fit on a screen.
pub(super) fn rows_that_fit(screen: Size) -> usize {
    usize::from(screen.height).saturating_sub(OTHER_LINES)
}

/// The whole screen.
impl Widget for &State {
    fn render(self, area: Rect, screen: &mut Buffer) {
        if area.height == 0 {
            return;
        }
        let lines = if self.shows_help() { help() } else { lines(self, area.as_size()) };
        // A line that is too long is cut: no row may push the next one down.
        let (height, last) = (usize::from(area.height - 1), area.bottom() - 1);
        for (y, line) in (area.top()..).zip(lines.iter().take(height)) {
            screen.set_line(area.x, y, line, area.width);
        }
        if !self.shows_help() {
            screen.set_line(area.x, last, &footer(self, area.as_size()), area.width);
        }
    }
}

/// The table as text, for a terminal that is not ours any more: nothing is cut off at the right.
pub(super) fn text(state: &State, screen: Size) -> String {
    let mut text = String::new();
    for line in lines(state, screen) {
        let line: String = line.spans.iter().map(|span| span.content.as_ref()).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn lines(state: &State, screen: Size) -> Vec<Line<'_>> {
    let mut lines = header(state, screen.width);
    let layout = Layout::of(state, screen.width);
    lines.push(layout.head(state, screen.width));
    let ticks = state.period().ticks;
    if state.rows().is_empty() && state.overall().ticks > 0 {
        lines.push(Line::from("No thread has run Python yet. Idle threads are shown with --idle."));
    }
    lines.extend(state.rows().iter().take(rows_that_fit(screen)).map(|row| layout.row(row, ticks)));
    lines
}

fn header(state: &State, width: u16) -> Vec<Line<'_>> {
    let (overall, period) = (state.overall(), state.period());
    let mut samples = vec![Span::raw("Total Samples "), bold(overall.ticks.to_string())];
    for (count, what) in [(overall.missed, "missed"), (overall.dropped, "dropped")] {
        if count > 0 {
            samples.extend([Span::raw(", "), bold(count.to_string()), Span::raw(format!(" {what}"))]);
        }
    }
    let percent = |count| bold(format!("{:.2}%", share(count, period.ticks)));
    let mut load = vec![
        Span::raw("GIL: "),
        percent(period.gil_held),
        Span::raw(", Active: "),
        percent(period.active),
        Span::raw(", Threads: "),
        bold(period.threads.to_string()),
    ];
    if state.follows || period.processes > 1 {
        load.extend([Span::raw(", Processes "), bold(period.processes.to_string())]);
    }
    vec![origin(state, width), Line::from(samples), Line::from(load), Line::default()]
}

/// What is shown. Of a long command line the end is left out, so that the version is seen.
fn origin(state: &State, width: u16) -> Line<'_> {
    let others = if state.follows { " and subprocesses" } else { "" };
    let (before, after) = ("Collecting samples from '", format!("' (python v{}){others}", state.version()));
    let room = usize::from(width).saturating_sub(before.len() + after.len());
    let mut command = Cow::Borrowed(state.command());
    if Span::raw(&*command).width() > room {
        let mut cut = command.into_owned();
        while !cut.is_empty() && Span::raw(&cut).width() + "...".len() > room {
            cut.pop();
        }
        command = Cow::Owned(cut + "...");
    }
    Line::from_iter([Span::raw(before), bold(command), Span::raw(after)])
}

/// Which columns there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Wide,
    /// Only what was innermost.
    Own,
    /// Only what was in the stack.
    Total,
}

impl Layout {
    /// Where not all columns fit, the sorted one and its companion are shown.
    fn of(state: &State, width: u16) -> Layout {
        match state.sorted_by() {
            _ if width > NARROW => Layout::Wide,
            Column::Own | Column::OwnTime => Layout::Own,
            Column::Total | Column::TotalTime => Layout::Total,
        }
    }

    fn head(self, state: &State, width: u16) -> Line<'static> {
        let columns: &[_] = match self {
            Layout::Wide => &[
                ("  %Own ", Column::Own),
                ("  %Total", Column::Total),
                ("  OwnTime", Column::OwnTime),
                ("  TotalTime", Column::TotalTime),
            ],
            Layout::Own => &[("  %Own ", Column::Own), ("  OwnTime", Column::OwnTime)],
            Layout::Total => &[(" %Total", Column::Total), (" TotalTime", Column::TotalTime)],
        };
        let bar = Style::new().add_modifier(Modifier::REVERSED);
        let mut spans = Vec::new();
        for &(title, column) in columns {
            let marked = bar.add_modifier(Modifier::BOLD | Modifier::UNDERLINED);
            let style = if column == state.sorted_by() { marked } else { bar };
            let name = title.trim_start();
            spans.push(Span::styled(&title[..title.len() - name.len()], bar));
            spans.push(Span::styled(name.trim_end(), style));
            spans.push(Span::styled(&name[name.trim_end().len()..], bar));
        }
        let name = match state.grouping() {
            Grouping::Function => "  Function (filename)",
            Grouping::Line => "  Function (filename:line)",
        };
        spans.push(Span::styled(format!("{name:width$}", width = usize::from(width)), bar));
        Line::from(spans)
    }

    fn row(self, row: &Row, ticks: u64) -> Line<'_> {
        let (own, total) = (share(row.own, ticks), share(row.total, ticks));
        let (own_time, total_time) = (seconds(row.own_time), seconds(row.total_time));
        let numbers = match self {
            Layout::Wide => format!("{own:>6.2}% {total:>6.2}% {own_time:>7}s {total_time:>8}s   "),
            Layout::Own => format!("{own:>6.2}% {own_time:>7}s  "),
            Layout::Total => format!("{total:>6.2}% {total_time:>8}s  "),
        };
        Line::from_iter([Span::raw(numbers), Span::raw(&*row.label)])
    }
}

fn footer(state: &State, screen: Size) -> Line<'static> {
    let (above, all) = state.position();
    let shown = state.rows().len().min(rows_that_fit(screen));
    if shown == all || shown == 0 {
        return Line::from(FOOTER);
    }
    Line::from(format!("{FOOTER} Rows {}-{} of {all}", above + 1, above + shown))
}

fn help() -> Vec<Line<'static>> {
    HELP.into_iter().map(Line::from).collect()
}

fn bold<'a>(text: impl Into<Cow<'a, str>>) -> Span<'a> {
    Span::styled(text, Modifier::BOLD)
}

fn share(count: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { count as f64 * 100.0 / of as f64 }
}

/// With as many digits as are worth reading; always at most seven characters up to a year.
fn seconds(time: Nanos) -> String {
    let seconds = time as f64 / 1e9;
    let digits = match seconds {
        s if s < 1.0 => 3,
        s if s < 100.0 => 2,
        s if s < 1000.0 => 1,
        _ => 0,
    };
    format!("{seconds:.digits$}")
}

#[cfg(test)]
mod tests;
