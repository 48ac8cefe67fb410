//! What the keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::state::{Action, Column, Scroll};

/// What a key asks for on the table; on the help screen any other key than those that quit leads back.
pub(super) fn action(key: KeyEvent) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        // In raw mode no signal comes of it. Control-Z stays without effect: were we suspended in the middle of a
        // sample, the program would be too.
        return (key.code == KeyCode::Char('c')).then_some(Action::Quit);
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    Some(match key.code {
        KeyCode::Char('q' | 'Q') => Action::Quit,
        KeyCode::Char('1') => Action::SortBy(Column::Own),
        KeyCode::Char('2') => Action::SortBy(Column::Total),
        KeyCode::Char('3') => Action::SortBy(Column::OwnTime),
        KeyCode::Char('4') => Action::SortBy(Column::TotalTime),
        KeyCode::Char('l' | 'L') => Action::ToggleGrouping,
        KeyCode::Char('r' | 'R') => Action::Reset,
        KeyCode::Char('?' | 'h' | 'H') => Action::Help,
        KeyCode::Up => Action::Scroll(Scroll::Rows(-1)),
        KeyCode::Down => Action::Scroll(Scroll::Rows(1)),
        KeyCode::PageUp => Action::Scroll(Scroll::Pages(-1)),
        KeyCode::PageDown => Action::Scroll(Scroll::Pages(1)),
        KeyCode::Home => Action::Scroll(Scroll::Top),
        KeyCode::End => Action::Scroll(Scroll::Bottom),
        _ => Action::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(code: KeyCode, modifiers: KeyModifiers) -> Option<Action> {
        action(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn letters_in_either_case() {
        for (small, big, expected) in [
            ('q', 'Q', Action::Quit),
            ('l', 'L', Action::ToggleGrouping),
            ('r', 'R', Action::Reset),
            ('x', 'X', Action::Nothing),
        ] {
            assert_eq!(typed(KeyCode::Char(small), KeyModifiers::NONE), Some(expected));
            assert_eq!(typed(KeyCode::Char(big), KeyModifiers::SHIFT), Some(expected));
        }
    }

    #[test]
    fn numbers_sort_and_arrows_scroll() {
        for (code, expected) in [
            (KeyCode::Char('1'), Action::SortBy(Column::Own)),
            (KeyCode::Char('2'), Action::SortBy(Column::Total)),
            (KeyCode::Char('3'), Action::SortBy(Column::OwnTime)),
            (KeyCode::Char('4'), Action::SortBy(Column::TotalTime)),
            (KeyCode::Char('?'), Action::Help),
            (KeyCode::PageDown, Action::Scroll(Scroll::Pages(1))),
            (KeyCode::Up, Action::Scroll(Scroll::Rows(-1))),
            (KeyCode::Home, Action::Scroll(Scroll::Top)),
        ] {
            assert_eq!(typed(code, KeyModifiers::NONE), Some(expected));
        }
    }

    #[test]
    fn control_c_quits_and_control_z_does_not_suspend() {
        assert_eq!(typed(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Action::Quit));
        for other in ['z', 'r', 'l', '\\'] {
            assert_eq!(typed(KeyCode::Char(other), KeyModifiers::CONTROL), None);
        }
        assert_eq!(typed(KeyCode::Char('q'), KeyModifiers::ALT), None);
    }

    #[test]
    fn a_key_that_is_let_go_does_nothing() {
        let key = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
        assert_eq!(action(key), None);
    }
}
