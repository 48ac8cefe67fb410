//! The terminal while the live view has it, and giving it back whatever happens.

use std::io::{self, IsTerminal, Stdout, stdin, stdout};
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use crossterm::cursor::{Hide, Show};
use crossterm::event::{self, Event, KeyEvent};
use crossterm::execute;
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Size;
use ratatui::widgets::Widget;

use crate::threads;

/// True while the terminal is ours.
static IS_OURS: AtomicBool = AtomicBool::new(false);

/// What the terminal tells.
#[derive(Debug, Clone, Copy)]
pub(super) enum Input {
    /// A key.
    Key(KeyEvent),
    /// It has another size.
    Resized,
    /// It is gone.
    Lost,
}

/// Which of the two streams that a live view needs is no terminal.
pub(super) fn missing() -> Option<&'static str> {
    if !stdout().is_terminal() {
        Some("standard output")
    } else if !stdin().is_terminal() {
        Some("standard input")
    } else {
        None
    }
}

/// The alternate screen of the terminal, in raw mode. Dropped, it gives the terminal back.
#[derive(Debug)]
pub(super) struct Screen {
    /// Never dropped: when the terminal is gone it would complain on standard error, and panic if that is gone too.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
}

impl Screen {
    /// Takes the terminal.
    pub(super) fn enter() -> io::Result<Screen> {
        static HOOK: Once = Once::new();
        HOOK.call_once(restore_on_panic);
        IS_OURS.store(true, Ordering::SeqCst);
        let entered = enable_raw_mode()
            .and_then(|()| execute!(stdout(), EnterAlternateScreen, Hide))
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        entered.map(|terminal| Screen { terminal: ManuallyDrop::new(terminal) }).inspect_err(|_| restore())
    }

    /// Its size.
    pub(super) fn size(&self) -> io::Result<Size> {
        self.terminal.size()
    }

    /// Draws all of it.
    pub(super) fn draw(&mut self, view: impl Widget) -> io::Result<()> {
        // After a panic on another thread the terminal shows what it was about.
        if IS_OURS.load(Ordering::SeqCst) {
            self.terminal.draw(|frame| frame.render_widget(view, frame.area()))?;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Sends what is typed from now on; for as long as we run, for a read from a terminal can not be called off.
pub(super) fn listen<E: Send + 'static>(events: Sender<E>, event: fn(Input) -> E) -> anyhow::Result<()> {
    threads::spawn("input", move || {
        loop {
            let input = match event::read() {
                Ok(Event::Key(key)) => Input::Key(key),
                Ok(Event::Resize(..)) => Input::Resized,
                Ok(_) => continue,
                Err(_) => Input::Lost,
            };
            if events.send(event(input)).is_err() || matches!(input, Input::Lost) {
                return;
            }
        }
    })?;
    Ok(())
}

/// Gives the terminal back, once.
fn restore() {
    if IS_OURS.swap(false, Ordering::SeqCst) {
        // A terminal that is gone need not be restored, and there is no other place to say so.
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// So that a panic's message can be read, and the terminal used, after it.
fn restore_on_panic() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        restore();
        print(panic);
    }));
}
