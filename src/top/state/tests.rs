use std::sync::Arc;

use super::*;

fn row(label: &str, own: u64, total: u64, own_time: u64, total_time: u64) -> Row {
    Row { label: Arc::from(label), own, total, own_time, total_time }
}

fn board() -> Board {
    Board {
        functions: vec![row("a", 1, 2, 30, 40), row("b", 3, 3, 10, 80), row("c", 0, 9, 20, 60)],
        lines: vec![row("a:1", 1, 2, 30, 40)],
    }
}

fn state() -> State {
    let mut state = State::new("python app.py".to_owned(), "3.11.7".to_owned());
    state.refresh(board(), Counters { ticks: 10, ..Counters::default() });
    state
}

fn labels(state: &State) -> String {
    state.rows().iter().map(|row| &*row.label).collect::<Vec<_>>().join(" ")
}

#[test]
fn sorting() {
    let mut state = state();
    assert_eq!((state.sorted_by(), labels(&state).as_str()), (Column::OwnTime, "a c b"));
    for (column, expected) in
        [(Column::Own, "b a c"), (Column::Total, "c b a"), (Column::TotalTime, "b c a"), (Column::OwnTime, "a c b")]
    {
        assert_eq!(state.act(Action::SortBy(column)), Todo::Draw);
        assert_eq!(labels(&state), expected, "{column:?}");
    }
    let equal =
        Board { functions: vec![row("z", 1, 1, 1, 1), row("y", 1, 1, 1, 1), row("x", 1, 1, 1, 2)], lines: vec![] };
    state.refresh(equal, Counters { ticks: 20, ..Counters::default() });
    assert_eq!(labels(&state), "x y z");
}

#[test]
fn lines_and_functions() {
    let mut state = state();
    state.act(Action::ToggleGrouping);
    assert_eq!((state.grouping(), labels(&state).as_str()), (Grouping::Line, "a:1"));
    state.act(Action::ToggleGrouping);
    assert_eq!((state.grouping(), labels(&state).as_str()), (Grouping::Function, "a c b"));
}

#[test]
fn periods_and_resets() {
    let mut state = state();
    let now = Counters { ticks: 60, missed: 2, dropped: 1, threads: 3, processes: 1, active: 70, gil_held: 40 };
    assert!(state.has_news(now));
    state.refresh(board(), now);
    assert!(!state.has_news(now));
    assert_eq!((state.period().ticks, state.overall().ticks), (50, 60));
    assert_eq!(state.act(Action::Reset), Todo::Reset);
    state.reset(now);
    assert_eq!((state.overall().ticks, state.overall().missed, state.rows().len()), (0, 0, 0));
    state.refresh(board(), Counters { ticks: 70, ..now });
    assert_eq!((state.period().ticks, state.overall().ticks), (10, 10));
}

#[test]
fn any_key_leaves_the_help_and_does_nothing_else() {
    for action in [Action::Nothing, Action::Help, Action::Reset, Action::SortBy(Column::Own)] {
        let mut state = state();
        state.act(Action::Help);
        assert!(state.shows_help());
        assert_eq!(state.act(action), Todo::Draw);
        assert!(!state.shows_help());
        assert_eq!(state.sorted_by(), Column::OwnTime);
    }
    let mut state = state();
    state.act(Action::Help);
    assert_eq!(state.act(Action::Quit), Todo::Quit);
}

#[test]
fn scrolling_stays_within_the_rows() {
    let mut state = state();
    state.set_page(2);
    for (scroll, expected) in [
        (Scroll::Rows(-1), "a c b"),
        (Scroll::Rows(1), "c b"),
        (Scroll::Rows(1), "c b"),
        (Scroll::Top, "a c b"),
        (Scroll::Pages(1), "c b"),
        (Scroll::Pages(-1), "a c b"),
        (Scroll::Bottom, "c b"),
    ] {
        state.act(Action::Scroll(scroll));
        assert_eq!(labels(&state), expected, "{scroll:?}");
    }
    state.set_page(9);
    assert_eq!(labels(&state), "a c b");
}
