use std::sync::Arc;

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::ranking::Board;
use super::super::state::{Action, Counters, Scroll};
use super::*;

const SECOND: Nanos = 1_000_000_000;

fn row(label: &str, own: u64, total: u64, own_time: Nanos, total_time: Nanos) -> Row {
    Row { label: Arc::from(label), own, total, own_time, total_time }
}

fn state() -> State {
    let mut state = State::new("python app.py --its-option".to_owned(), "3.11.7".to_owned());
    let functions = vec![
        row("main (app.py)", 0, 100, 0, 1_234_567_890_123),
        row("fib (app.py)", 59, 59, 123_456_789_000, 123_456_789_000),
        row("日本.計算 (数.py)", 41, 41, 4_170_000_000, SECOND - 500_000),
        row("old (lib/old.py)", 0, 0, 10_000_000, 10_000_000),
    ];
    let lines = vec![row("fib (app.py:2)", 59, 59, SECOND, SECOND)];
    let now = Counters { ticks: 100, missed: 0, dropped: 0, threads: 3, processes: 1, active: 174, gil_held: 59 };
    state.refresh(Board { functions, lines }, now);
    state
}

fn screen(state: &mut State, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    state.set_page(rows_that_fit(Size { width, height }));
    terminal.draw(|frame| frame.render_widget(&*state, frame.area())).unwrap();
    terminal.backend().to_string()
}

#[test]
fn wide() {
    insta::assert_snapshot!(screen(&mut state(), 80, 12), @r##"
    "Collecting samples from 'python app.py --its-option' (python v3.11.7)           "
    "Total Samples 100                                                               "
    "GIL: 59.00%, Active: 174.00%, Threads: 3                                        "
    "                                                                                "
    "  %Own   %Total  OwnTime  TotalTime  Function (filename)                        "
    " 59.00%  59.00%   123.5s    123.5s   fib (app.py)                               "
    " 41.00%  41.00%    4.17s    1.000s   日本.計算 (数.py)                          " Hidden by multi-width symbols: [(38, " "), (40, " "), (43, " "), (45, " "), (49, " ")]
    "  0.00%   0.00%   0.010s    0.010s   old (lib/old.py)                           "
    "  0.00% 100.00%   0.000s     1235s   main (app.py)                              "
    "                                                                                "
    "                                                                                "
    "Press q or Control-C to quit, or ? for help.                                    "
    "##);
}

#[test]
fn narrow_terminals_see_the_sorted_column_and_its_companion() {
    insta::assert_snapshot!(screen(&mut state(), 50, 11), @r##"
    "Collecting samples from 'pyth...' (python v3.11.7)"
    "Total Samples 100                                 "
    "GIL: 59.00%, Active: 174.00%, Threads: 3          "
    "                                                  "
    "  %Own   OwnTime  Function (filename)             "
    " 59.00%   123.5s  fib (app.py)                    "
    " 41.00%    4.17s  日本.計算 (数.py)               " Hidden by multi-width symbols: [(19, " "), (21, " "), (24, " "), (26, " "), (30, " ")]
    "  0.00%   0.010s  old (lib/old.py)                "
    "  0.00%   0.000s  main (app.py)                   "
    "                                                  "
    "Press q or Control-C to quit, or ? for help.      "
    "##);
    let mut state = state();
    state.act(Action::SortBy(Column::Total));
    insta::assert_snapshot!(screen(&mut state, 40, 11), @r##"
    "Collecting samples from '...' (python v3"
    "Total Samples 100                       "
    "GIL: 59.00%, Active: 174.00%, Threads: 3"
    "                                        "
    " %Total TotalTime  Function (filename)  "
    "100.00%     1235s  main (app.py)        "
    " 59.00%    123.5s  fib (app.py)         "
    " 41.00%    1.000s  日本.計算 (数.py)    " Hidden by multi-width symbols: [(20, " "), (22, " "), (25, " "), (27, " "), (31, " ")]
    "  0.00%    0.010s  old (lib/old.py)     "
    "                                        "
    "Press q or Control-C to quit, or ? for h"
    "##);
}

#[test]
fn lines_instead_of_functions() {
    let mut state = state();
    state.act(Action::ToggleGrouping);
    insta::assert_snapshot!(screen(&mut state, 70, 8), @r##"
    "Collecting samples from 'python app.py --its-option' (python v3.11.7) "
    "Total Samples 100                                                     "
    "GIL: 59.00%, Active: 174.00%, Threads: 3                              "
    "                                                                      "
    "  %Own   %Total  OwnTime  TotalTime  Function (filename:line)         "
    " 59.00%  59.00%    1.00s     1.00s   fib (app.py:2)                   "
    "                                                                      "
    "Press q or Control-C to quit, or ? for help.                          "
    "##);
}

#[test]
fn missed_and_dropped_samples_are_told() {
    let mut state = state();
    state.refresh(Board::default(), Counters { ticks: 200, missed: 12, dropped: 3, ..Counters::default() });
    insta::assert_snapshot!(screen(&mut state, 70, 8), @r##"
    "Collecting samples from 'python app.py --its-option' (python v3.11.7) "
    "Total Samples 200, 12 missed, 3 dropped                               "
    "GIL: 0.00%, Active: 0.00%, Threads: 0                                 "
    "                                                                      "
    "  %Own   %Total  OwnTime  TotalTime  Function (filename)              "
    "No thread has run Python yet. Idle threads are shown with --idle.     "
    "                                                                      "
    "Press q or Control-C to quit, or ? for help.                          "
    "##);
}

#[test]
fn before_the_first_refresh() {
    let mut state = State::new("python".to_owned(), "3.14.0".to_owned());
    insta::assert_snapshot!(screen(&mut state, 70, 8), @r##"
    "Collecting samples from 'python' (python v3.14.0)                     "
    "Total Samples 0                                                       "
    "GIL: 0.00%, Active: 0.00%, Threads: 0                                 "
    "                                                                      "
    "  %Own   %Total  OwnTime  TotalTime  Function (filename)              "
    "                                                                      "
    "                                                                      "
    "Press q or Control-C to quit, or ? for help.                          "
    "##);
}

#[test]
fn keys_are_explained() {
    let mut state = state();
    state.act(Action::Help);
    insta::assert_snapshot!(screen(&mut state, 80, 14), @r##"
    "1      Sort by %Own (share of the last period spent in the function itself)     "
    "2      Sort by %Total (share of the last period spent in it and what it calls)  "
    "3      Sort by OwnTime (time spent in the function itself since the reset)      "
    "4      Sort by TotalTime (time spent in it and what it calls since the reset)   "
    "L      Lines instead of functions, and back                                     "
    "R      Reset: count from nothing                                                "
    "Arrows, PageUp, PageDown, Home, End                                             "
    "       Scroll                                                                   "
    "?      Show this help                                                           "
    "q      Quit, as does Control-C                                                  "
    "                                                                                "
    "Press any key to leave this help.                                               "
    "                                                                                "
    "                                                                                "
    "##);
}

#[test]
fn more_rows_than_fit() {
    let mut state = state();
    screen(&mut state, 70, 8);
    state.act(Action::Scroll(Scroll::Rows(1)));
    insta::assert_snapshot!(screen(&mut state, 70, 8), @r##"
    "Collecting samples from 'python app.py --its-option' (python v3.11.7) "
    "Total Samples 100                                                     "
    "GIL: 59.00%, Active: 174.00%, Threads: 3                              "
    "                                                                      "
    "  %Own   %Total  OwnTime  TotalTime  Function (filename)              "
    " 41.00%  41.00%    4.17s    1.000s   日本.計算 (数.py)                " Hidden by multi-width symbols: [(38, " "), (40, " "), (43, " "), (45, " "), (49, " ")]
    "  0.00%   0.00%   0.010s    0.010s   old (lib/old.py)                 "
    "Press q or Control-C to quit, or ? for help. Rows 2-3 of 4            "
    "##);
}

#[test]
fn names_that_steer_a_terminal_or_are_too_long() {
    let mut state = State::new("python -c 'print(1)\n'".repeat(9), "3.8.18".to_owned());
    let functions = vec![row("a\x1b[2Jb\r\n\u{202e}c (x.py)", 1, 1, 1, 1), row(&"very_".repeat(50), 1, 1, 1, 1)];
    state.refresh(Board { functions, lines: Vec::new() }, Counters { ticks: 1, ..Counters::default() });
    let screen = screen(&mut state, 60, 9);
    // The ranking escapes names; what slips through must not reach the terminal all the same.
    assert!(!screen.contains(['\x1b', '\r']), "{screen:?}");
    insta::assert_snapshot!(screen, @r##"
    "Collecting samples from 'python -c 'pri...' (python v3.8.18)"
    "Total Samples 1                                             "
    "GIL: 0.00%, Active: 0.00%, Threads: 0                       "
    "                                                            "
    "  %Own   %Total  OwnTime  TotalTime  Function (filename)    "
    "100.00% 100.00%   0.000s    0.000s   a[2Jbc (x.py)          "
    "100.00% 100.00%   0.000s    0.000s   very_very_very_very_ver"
    "                                                            "
    "Press q or Control-C to quit, or ? for help.                "
    "##);
}

#[test]
fn no_size_is_too_small() {
    for (width, height) in [(1, 1), (3, 2), (10, 5), (300, 1)] {
        let mut state = state();
        screen(&mut state, width, height);
        state.act(Action::Help);
        screen(&mut state, width, height);
    }
}

#[test]
fn the_sorted_column_is_marked() {
    let marked = |state: &State, width| {
        let area = Rect::new(0, 0, width, 8);
        let mut screen = Buffer::empty(area);
        state.render(area, &mut screen);
        let cells = (0..width).map(|x| &screen[(x, 4)]).filter(|cell| cell.modifier.contains(Modifier::UNDERLINED));
        cells.map(ratatui::buffer::Cell::symbol).collect::<String>()
    };
    let mut state = state();
    for (column, expected) in [
        (Column::Own, "%Own"),
        (Column::Total, "%Total"),
        (Column::OwnTime, "OwnTime"),
        (Column::TotalTime, "TotalTime"),
    ] {
        state.act(Action::SortBy(column));
        assert_eq!(marked(&state, 80), expected);
        assert_eq!(marked(&state, 40), expected);
    }
}

#[test]
fn the_last_view_stays_as_text() {
    let mut state = state();
    state.set_page(2);
    insta::assert_snapshot!(text(&state, Size { width: 60, height: 8 }), @r##"
    Collecting samples from 'python app.py ...' (python v3.11.7)
    Total Samples 100
    GIL: 59.00%, Active: 174.00%, Threads: 3

      %Own   %Total  OwnTime  TotalTime  Function (filename)
     59.00%  59.00%   123.5s    123.5s   fib (app.py)
     41.00%  41.00%    4.17s    1.000s   日本.計算 (数.py)
    "##);
}

#[test]
fn times_have_up_to_seven_characters() {
    for (time, expected) in [
        (0, "0.000"),
        (10_000_000, "0.010"),
        (SECOND, "1.00"),
        (100 * SECOND, "100.0"),
        (9_999_999 * SECOND, "9999999"),
    ] {
        assert_eq!(seconds(time), expected);
    }
}
