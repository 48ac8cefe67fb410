//! What the sampling thread does for `record`: everything that is sampled stays there until it is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::bail;
use py_spy_profile::{About, Format, Nanos, new_sink};
use py_spy_sampler::{AtOnce, Control, Cost, End, LineMode, News, Options, Sampled, Scope, sample};
use rustc_hash::FxHashSet;

use super::Event;
use crate::output::Output;
use crate::sampler_thread::{self, send};

/// What to record.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) scope: Scope,
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
    /// Processes that were sampled.
    pub(super) processes: usize,
    /// What it took.
    pub(super) cost: Cost,
}

/// Starts the thread. It sends [`Event::Done`] last, whatever happens.
pub(super) fn spawn(job: Job, events: Sender<Event>) -> anyhow::Result<JoinHandle<anyhow::Result<Recorded>>> {
    sampler_thread::spawn(events, Event::Done, |events| work(job, events))
}

fn work(job: Job, events: &Sender<Event>) -> anyhow::Result<Recorded> {
    let Job { scope, options, format, title, output, control, gone } = job;
    let in_vain = || gone.load(Ordering::Relaxed) || control.stop.load(Ordering::Relaxed);
    // Each process's thread tells of it.
    let news = |news: News<'_>| {
        send(
            events,
            match news {
                News::Attached(_) => Event::Attached,
                News::LeftOut(_) | News::TooMany(_) => Event::Note(news.to_string()),
            },
        );
    };
    let sampled = sample(&scope, &options, new_sink(format), &control, &in_vain, &news)?;
    let Sampled { tables, sink, end, elapsed, cost, mut processes } = sampled;
    // From here on all processes are left alone.
    send(events, Event::Sampled(end));

    // Of one that became another program the last command line is shown.
    processes.reverse();
    let mut seen = FxHashSet::default();
    processes.retain(|(pid, _)| seen.insert(*pid));
    processes.reverse();
    let count = processes.len();
    let about = About {
        title,
        exporter: concat!("py-spy@", env!("CARGO_PKG_VERSION")).to_owned(),
        interval: nanos(options.interval),
        duration: nanos(elapsed),
        processes,
        many_processes: scope.at_once != AtOnce::One,
        lines: options.lines != LineMode::None,
    };
    output.complete(|out| sink.finish(&tables, &about, out))?;
    if end == End::Sink {
        bail!("the recording ended early: a sample could not be kept");
    }
    // Threads that never ran are in no sample, and those of a process that has ended are no longer counted.
    let threads = tables.threads().count().max(control.threads.load(Ordering::Relaxed) as usize);
    Ok(Recorded { elapsed, threads, processes: count, cost })
}

fn nanos(duration: Duration) -> Nanos {
    Nanos::try_from(duration.as_nanos()).unwrap_or(Nanos::MAX)
}
