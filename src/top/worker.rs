//! What the sampling thread does for `top`.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use py_spy_profile::Tables;
use py_spy_sampler::{AttachError, Control, Options};

use super::Event;
use super::ranking::Shared;
use crate::attach::{Patience, attach};
use crate::sampler_thread::{self, send};

/// What to sample.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) pid: u32,
    pub(super) patience: Patience,
    pub(super) options: Options,
    pub(super) ranking: Shared,
    pub(super) control: Arc<Control>,
    /// Set when the program that we started has ended.
    pub(super) gone: Arc<AtomicBool>,
}

/// Starts the thread. It sends [`Event::Done`] last, whatever happens.
pub(super) fn spawn(job: Job, events: Sender<Event>) -> io::Result<JoinHandle<Result<(), AttachError>>> {
    sampler_thread::spawn(events, Event::Done, |events| work(job, events))
}

fn work(job: Job, events: &Sender<Event>) -> Result<(), AttachError> {
    let Job { pid, patience, options, mut ranking, control, gone } = job;
    let in_vain = || gone.load(Ordering::Relaxed) || control.stop.load(Ordering::Relaxed);
    let mut sampler = attach(pid, &options, patience, in_vain)?;
    send(events, Event::Attached(sampler.info().clone()));
    let end = sampler.run(&mut Tables::new(), &mut ranking, &control);
    // From here on the process is left alone.
    drop(sampler);
    send(events, Event::Sampled(end));
    Ok(())
}
