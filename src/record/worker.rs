//! What the sampling thread does for `record`: everything that is sampled stays there until it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::bail;
use py_spy_profile::{About, Format, Nanos, Tables, new_sink};
use py_spy_sampler::{Control, End, LineMode, Mode, Options};

use super::Event;
use super::statistics::Statistics;
use crate::attach::{Patience, attach};
use crate::output::Output;
use crate::sampler_thread::{self, send};

/// What to record.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) pid: u32,
    pub(super) patience: Patience,
    pub(super) options: Options,
    pub(super) format: Format,
    pub(super) title: String,
    pub(super) output: Output,
    pub(super) control: Arc<Control>,
    /// Set when the program that we started has ended.
    pub(super) gone: Arc<AtomicBool>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Recorded {
    pub(super) elapsed: Duration,
    pub(super) threads: usize,
    /// How samples were taken.
    pub(super) mode: Mode,
    pub(super) statistics: Statistics,
}

/// Starts the thread. It sends [`Event::Done`] last, whatever happens.
pub(super) fn spawn(job: Job, events: Sender<Event>) -> std::io::Result<JoinHandle<anyhow::Result<Recorded>>> {
    sampler_thread::spawn(events, Event::Done, |events| work(job, events))
}

fn work(job: Job, events: &Sender<Event>) -> anyhow::Result<Recorded> {
    let Job { pid, patience, options, format, title, output, control, gone } = job;
    let in_vain = || gone.load(Ordering::Relaxed) || control.stop.load(Ordering::Relaxed);
    let mut sampler = attach(pid, &options, patience, in_vain)?;
    let process = (pid, sampler.info().command.join(" "));
    send(events, Event::Attached);

    let mut tables = Tables::new();
    let mut sink = new_sink(format);
    let began = Instant::now();
    let end = sampler.run(&mut tables, &mut *sink, &control);
    let elapsed = began.elapsed();
    let (mode, statistics) = (sampler.mode(), Statistics::of(&sampler));
    // From here on the process is left alone.
    drop(sampler);
    send(events, Event::Sampled(end));

    let about = About {
        title,
        exporter: concat!("py-spy@", env!("CARGO_PKG_VERSION")).to_owned(),
        interval: nanos(options.interval),
        duration: nanos(elapsed),
        processes: vec![process],
        many_processes: false,
        lines: options.lines != LineMode::None,
    };
    output.complete(|out| sink.finish(&tables, &about, out))?;
    if end == End::Sink {
        bail!("the recording ended early: a sample could not be kept");
    }
    // Threads that never ran are in no sample, and those of a process that has ended are no longer counted.
    let threads = tables.threads().count().max(control.threads.load(Ordering::Relaxed) as usize);
    Ok(Recorded { elapsed, threads, mode, statistics })
}

fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
