//! What the sampling thread does for `top`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use py_spy_sampler::{AttachError, Control, News, Options, Scope, sample};

use super::Event;
use super::ranking::Shared;
use crate::sampler_thread::{self, send};

/// What to sample.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) scope: Scope,
    pub(super) options: Options,
    pub(super) ranking: Shared,
    pub(super) control: Arc<Control>,
    /// Set when the program that we started has ended.
    pub(super) gone: Arc<AtomicBool>,
}

/// Starts the thread. It sends [`Event::Done`] last, whatever happens.
pub(super) fn spawn(job: Job, events: Sender<Event>) -> anyhow::Result<JoinHandle<Result<(), AttachError>>> {
    sampler_thread::spawn(events, Event::Done, |events| work(job, events))
}

fn work(job: Job, events: &Sender<Event>) -> Result<(), AttachError> {
    let Job { scope, options, ranking, control, gone } = job;
    let in_vain = || gone.load(Ordering::Relaxed) || control.stop.load(Ordering::Relaxed);
    let news = |news: News<'_>| match news {
        News::Attached(info) => send(events, Event::Attached(info.clone())),
        // There is no room for it on the screen.
        News::LeftOut(_) | News::TooMany(_) => log::warn!("{news}"),
    };
    let sampled = sample(&scope, &options, Box::new(ranking), &control, &in_vain, &news)?;
    send(events, Event::Sampled(sampled.end));
    Ok(())
}
