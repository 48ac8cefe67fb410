//! What the kernel takes for the steps that no profiler can do without: no figure of the other sections can be better.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use py_spy_address_space::{Addr, Memory, PAGE, Span};
use py_spy_target::{Live, Stopper, Target};

use super::figures::{Figures, number};
use super::lab::Lab;
use super::subject::{Shape, Subject};
use super::table::Table;

/// How often each step is timed in a round.
const TIMES: u32 = 2000;

/// The pages that 100 frames and what leads to them are in.
const PAGES: usize = 8;

/// The section's table.
pub(crate) fn section(lab: &Lab) -> Result<String> {
    let mut table = Table::new(1, &["step", "us", "so many a second at most"]);
    let Some(group) = lab.main_groups().into_iter().next() else { return Ok(String::new()) };
    let subject = Subject::start(lab, group.interpreter, Shape { depth: 100, sleepers: 0, busy: true })?;
    let steps =
        ["one page read", "8 pages read, each by itself", "a stop, one after the other", "a stop, 1,000 a second"];
    let mut found = vec![Figures::default(); steps.len()];
    let mut sleep = Figures::default();
    for _ in 0..lab.rounds(3) {
        let round = lab.cpus.on_profiler(|| round(subject.id()))??;
        for (figures, median) in found.iter_mut().zip(round) {
            figures.add(median.as_secs_f64() * 1e6);
        }
        sleep.add(lab.cpus.on_profiler(sleep_cost)??.as_secs_f64() * 1e6);
    }
    for (step, figures) in steps.iter().zip(&found) {
        let rate = figures.median().map_or_else(|| "-".to_owned(), |us| number(1e6 / us));
        table.row([(*step).to_owned(), figures.text(""), rate]);
    }
    table.row(["CPU time of a sleep of 1 ms".to_owned(), sleep.text(""), String::new()]);
    Ok(table.to_string())
}

/// The median of each step.
fn round(pid: u32) -> Result<[Duration; 4]> {
    let target = Target::find(pid)?;
    let mappings = target.mappings()?;
    let long = |mapping: &&py_spy_address_space::Mapping| {
        mapping.read && (mapping.range.end - mapping.range.start) as usize > 2 * PAGES * PAGE && mapping.file.1 != 0
    };
    let start = mappings.iter().find(long).context("the program has no long mapping")?.range.start;
    let memory = Live::open(pid, start)?;
    // Not beside each other: neighbours cost less.
    let spans: Vec<Span> = (0..PAGES).map(|page| (start + (2 * page * PAGE) as Addr, PAGE)).collect();
    // At a page boundary, where the kernel copies fast on every processor.
    let mut room = vec![0; (PAGES + 1) * PAGE];
    let aligned = room.as_ptr().align_offset(PAGE).min(PAGE);
    let room = &mut room[aligned..];
    let mut read = |spans: &[Span]| {
        median(|| Ok(memory.read_many(spans, &mut room[..spans.len() * PAGE]).map(drop)?), Duration::ZERO)
    };
    let (one, all) = (read(&spans[..1])?, read(&spans)?);
    let mut stopper = Stopper::new(pid);
    let mut stop = |pause| {
        let stop = || {
            let held = stopper.hold(pid).ok().context("the program could not be stopped");
            stopper.release();
            held
        };
        median(stop, pause)
    };
    Ok([one, all, stop(Duration::ZERO)?, stop(Duration::from_millis(1))?])
}

/// How long something takes, of many times the median.
fn median(mut step: impl FnMut() -> Result<()>, pause: Duration) -> Result<Duration> {
    let times = if pause.is_zero() { TIMES } else { TIMES / 4 };
    let mut took = Vec::new();
    for _ in 0..times {
        let from = Instant::now();
        step()?;
        took.push(from.elapsed());
        let until = Instant::now() + pause;
        while Instant::now() < until {
            spin_loop();
        }
    }
    took.sort_unstable();
    Ok(took[took.len() / 2])
}

/// CPU time of a sleep, of many the mean.
fn sleep_cost() -> Result<Duration> {
    let used = || -> Result<Duration> {
        let usage = getrusage(UsageWho::RUSAGE_THREAD)?;
        let time =
            |time: TimeVal| Duration::from_secs(time.tv_sec() as u64) + Duration::from_micros(time.tv_usec() as u64);
        Ok(time(usage.user_time()) + time(usage.system_time()))
    };
    let before = used()?;
    let times = TIMES / 4;
    for _ in 0..times {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(used()?.saturating_sub(before) / times)
}
