//! What happens while the live view is shown: keys, refreshes, signals and the program's end, whichever comes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Context;
use py_spy_profile::for_terminal;
use py_spy_sampler::{Control, End, ProcessInfo};

use super::Event;
use super::ranking::Shared;
use super::state::{Counters, State, Todo};
use super::terminal::{self, Input, Screen};
use super::{keys, view};
use crate::child::Program;
use crate::say;

/// After so many samples there is something new to see, however long the delay.
const EARLY: [u32; 3] = [10, 100, 500];

/// Who waits longer than this wants to know for what.
const NOTICE: Duration = Duration::from_millis(500);

/// Longer than a tick takes.
const SETTLE: Duration = Duration::from_millis(1);
const SETTLE_TRIES: u32 = 5;

/// Why the view ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The user or a signal wants it.
    Quit,
    /// The process has ended or has become another program.
    Exited,
}

/// A live view and what it is of.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) delay: Duration,
    pub(super) interval: Duration,
    pub(super) control: Arc<Control>,
    pub(super) gone: Arc<AtomicBool>,
    /// It is about what the program starts too, and goes on when that goes on.
    pub(super) follows: bool,
    pub(super) ranking: Shared,
    pub(super) program: Option<Program>,
    pub(super) events: Sender<Event>,
    pub(super) live: Option<Live>,
    pub(super) why: Option<Why>,
    pub(super) done: bool,
}

/// The view, from when the program is known.
#[derive(Debug)]
pub(super) struct Live {
    screen: Screen,
    state: State,
    next: Instant,
    /// Refreshes that do not wait for the delay, the last one first.
    early: Vec<Instant>,
}

impl Session {
    /// Shows the view until it ends; what it showed last.
    pub(super) fn until_sampled(&mut self, events: &Receiver<Event>) -> anyhow::Result<Option<String>> {
        while !self.done {
            let shown = self.step(events);
            if shown.is_err() {
                self.stop(Why::Quit);
                self.live = None;
                return shown.map(|()| None);
            }
        }
        let Some(Live { screen, state, .. }) = self.live.take() else { return Ok(None) };
        let size = screen.size().unwrap_or_default();
        drop(screen);
        Ok(Some(view::text(&state, size)))
    }

    /// Waits until the program has ended. A signal makes it end sooner.
    pub(super) fn until_program_ended(&mut self, events: &Receiver<Event>) {
        let mut notice = Some(Instant::now() + NOTICE);
        while let Some(program) = self.program.as_mut().filter(|program| !program.has_ended()) {
            match receive(events, [program.deadline(), notice].into_iter().flatten().min()) {
                Ok(Event::Signal) if program.was_asked_to_end() => program.kill(),
                Ok(Event::Signal) => program.ask_to_end(),
                Ok(Event::ProgramEnded) | Err(RecvTimeoutError::Disconnected) => program.note_end(),
                Ok(_) | Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            program.on_time(now);
            if !program.has_ended() && notice.take_if(|at| *at <= now).is_some() {
                say::line(&format!("waiting for process {} to end; press Control-C to end it now", program.pid()));
            }
        }
    }

    fn step(&mut self, events: &Receiver<Event>) -> anyhow::Result<()> {
        let event = receive(events, self.live.as_ref().map(|live| live.next));
        match event {
            Ok(Event::Attached(info)) => self.on_attached(&info)?,
            Ok(Event::Input(Input::Key(key))) => self.on_key(key)?,
            Ok(Event::Input(Input::Resized)) => self.draw()?,
            Ok(Event::Input(Input::Lost) | Event::Signal) => self.stop(Why::Quit),
            Ok(Event::ProgramEnded) => {
                self.program.iter_mut().for_each(Program::note_end);
                self.gone.store(true, Ordering::Relaxed);
                if !self.follows {
                    self.stop(Why::Exited);
                }
            }
            Ok(Event::Sampled(end)) => self.on_sampled(end),
            // The senders are gone only when nothing can happen any more.
            Ok(Event::Done) | Err(RecvTimeoutError::Disconnected) => self.done = true,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = Instant::now();
        if self.why.is_none() && self.live.as_ref().is_some_and(|live| live.next <= now) {
            self.refresh(now)?;
        }
        Ok(())
    }

    fn on_attached(&mut self, info: &ProcessInfo) -> anyhow::Result<()> {
        if self.why.is_some() || self.live.is_some() {
            return Ok(());
        }
        let command = info.command.join(" ");
        let mut state = State::new(for_terminal(&command).into_owned(), for_terminal(&info.version).into_owned());
        state.follows = self.follows;
        let screen = Screen::enter().context("cannot use the terminal")?;
        let began = Instant::now();
        let early = EARLY.iter().rev().filter_map(|&samples| began.checked_add(self.interval.saturating_mul(samples)));
        let mut live = Live { screen, state, next: began, early: early.collect() };
        live.plan(began, self.delay);
        self.live = Some(live);
        terminal::listen(self.events.clone(), Event::Input)?;
        self.draw()
    }

    fn on_key(&mut self, key: crossterm::event::KeyEvent) -> anyhow::Result<()> {
        let Some((live, action)) = self.live.as_mut().zip(keys::action(key)) else { return Ok(()) };
        match live.state.act(action) {
            Todo::Draw => self.draw(),
            Todo::Reset => {
                self.ranking.reset();
                live.state.reset(Counters::of(&self.control));
                self.draw()
            }
            Todo::Quit => {
                self.stop(Why::Quit);
                Ok(())
            }
        }
    }

    fn on_sampled(&mut self, end: End) {
        if end == End::Exited {
            self.stop(Why::Exited);
        }
        // What the program did last is worth seeing; who quits has seen what there was to see.
        if self.why == Some(Why::Exited) {
            self.take();
        }
    }

    fn refresh(&mut self, now: Instant) -> anyhow::Result<()> {
        self.take();
        if let Some(live) = &mut self.live {
            live.plan(now, self.delay);
        }
        self.draw()
    }

    fn take(&mut self) {
        let Some(live) = &mut self.live else { return };
        let counters = settled(&self.control);
        if live.state.has_news(counters) {
            live.state.refresh(self.ranking.take(), counters);
        }
    }

    fn draw(&mut self) -> anyhow::Result<()> {
        let Some(Live { screen, state, .. }) = &mut self.live else { return Ok(()) };
        let size = screen.size();
        let drawn = size.and_then(|size| {
            state.set_page(view::rows_that_fit(size));
            screen.draw(&*state)
        });
        drawn.context("cannot write to the terminal")
    }

    fn stop(&mut self, why: Why) {
        self.why.get_or_insert(why);
        self.control.stop.store(true, Ordering::Relaxed);
    }
}

impl Live {
    /// The next refresh is after the delay, or before that if there is an early one.
    fn plan(&mut self, now: Instant, delay: Duration) {
        while self.early.pop_if(|at| *at <= now).is_some() {}
        let regular = now + delay;
        self.next = self.early.last().map_or(regular, |&early| early.min(regular));
    }
}

/// The counters at a moment between two ticks, when all that they count has come; if there is such a moment. A tick that
/// is counted in one period with its stacks in the next would show 99 % and 101 %. Where ticks follow one another too
/// closely for that, a single one does not show.
fn settled(control: &Control) -> Counters {
    let mut counters = Counters::of(control);
    for _ in 0..SETTLE_TRIES {
        std::thread::sleep(SETTLE);
        let again = Counters::of(control);
        if again == counters {
            break;
        }
        counters = again;
    }
    counters
}

fn receive(events: &Receiver<Event>, deadline: Option<Instant>) -> Result<Event, RecvTimeoutError> {
    match deadline {
        Some(at) => events.recv_timeout(at.saturating_duration_since(Instant::now())),
        None => events.recv().map_err(|_| RecvTimeoutError::Disconnected),
    }
}
