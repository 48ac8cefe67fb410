//! What `record` says. The lines that py-spy has too are worded as there: scripts look for them.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use py_spy_profile::{Format, for_terminal};
use py_spy_sampler::{Control, Mode};

use super::worker::Recorded;
use crate::say;
use crate::values::Rate;

/// Says things on standard error, marked as ours when a program of the user's writes there too.
#[derive(Debug)]
pub(super) struct Reporter {
    pub(super) prefix: &'static str,
    /// Somebody watches: what is only of interest now is said too.
    pub(super) watched: bool,
}

impl Reporter {
    /// Says a line.
    pub(super) fn line(&self, text: &str) {
        say::line(&format!("{}{}", self.prefix, for_terminal(text)));
    }

    /// Says a line to somebody who watches.
    pub(super) fn aside(&self, text: &str) {
        if self.watched {
            self.line(text);
        }
    }

    /// Says that sampling begins.
    pub(super) fn sampling(&self, rate: Rate, duration: Option<Duration>) {
        let rate = rate.per_second();
        let during = duration.map_or_else(String::new, |duration| format!(" for {} seconds", duration.as_secs_f64()));
        self.aside(&format!("Sampling process {rate} times a second{during}. Press Control-C to exit."));
        if self.watched {
            say::line("");
        }
    }

    /// Says why sampling ended.
    pub(super) fn stopped(&self, why: &str) {
        if self.watched {
            say::line("");
        }
        self.line(&format!("Stopped sampling because {why}"));
    }

    /// Says what was written and what to do with it.
    pub(super) fn wrote(&self, format: Format, name: &str, control: &Control) {
        let (what, next) = match format {
            Format::Flamegraph => ("flamegraph data", None),
            Format::Raw => (
                "raw flamegraph data",
                Some(
                    "You can use the flamegraph.pl script from https://github.com/brendangregg/flamegraph \
                     to generate a SVG",
                ),
            ),
            Format::Speedscope => ("speedscope file", Some("Visit https://www.speedscope.app/ to view")),
            Format::Chrometrace => ("chrome trace", Some("Visit chrome://tracing or https://ui.perfetto.dev/ to view")),
        };
        let [samples, errors] = [&control.samples, &control.dropped].map(|count| count.load(Ordering::Relaxed));
        self.line(&format!("Wrote {what} to '{name}'. Samples: {samples} Errors: {errors}"));
        if let Some(next) = next {
            self.line(next);
        }
    }

    /// Says how well it went. `began` is when we began to use the processor.
    pub(super) fn summary(&self, recorded: &Recorded, control: &Control, began: Instant) {
        self.line(&summary(&Outcome::of(recorded), control, processor_time(), began.elapsed()));
    }

    /// Says that the rate was lowered for the program's sake, if it was.
    pub(super) fn lowered(&self, recorded: &Recorded, control: &Control, most: f64) {
        if let Some(line) = lowered(&Outcome::of(recorded), control, most) {
            self.line(&line);
        }
    }
}

/// What the summary is about.
#[derive(Debug)]
struct Outcome {
    elapsed: Duration,
    threads: usize,
    processes: usize,
    modes: BTreeSet<Mode>,
}

impl Outcome {
    fn of(recorded: &Recorded) -> Outcome {
        Outcome {
            elapsed: recorded.elapsed,
            threads: recorded.threads,
            processes: recorded.processes,
            modes: recorded.cost.modes.clone(),
        }
    }
}

fn lowered(outcome: &Outcome, control: &Control, most: f64) -> Option<String> {
    let [ticks, held_back] = [&control.ticks, &control.held_back].map(|count| count.load(Ordering::Relaxed));
    // A few are of no interest to anybody.
    if held_back <= ticks / WORTH_SAYING {
        return None;
    }
    let most = 100.0 * most;
    if outcome.processes > 1 {
        // The looks at all of them together are no rate that anybody asked for.
        let share = 100.0 * held_back as f64 / (ticks + held_back) as f64;
        return Some(format!(
            "{share:.1}% of the looks were left out so that no process stands still for more than {most}% of the time \
             (--max-overhead)"
        ));
    }
    let rate = ticks as f64 / outcome.elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    Some(format!(
        "The rate was lowered to {rate:.1} looks a second so that the program stands still for at most {most}% of the \
         time (--max-overhead)"
    ))
}

/// That the rate was lowered is said when more than one tick in so many was left out.
const WORTH_SAYING: u64 = 100;

fn summary(outcome: &Outcome, control: &Control, used: Duration, since: Duration) -> String {
    let [ticks, samples, missed, dropped] = [&control.ticks, &control.samples, &control.missed, &control.dropped]
        .map(|count| count.load(Ordering::Relaxed));
    let seconds = outcome.elapsed.as_secs_f64();
    let rate = ticks as f64 / seconds.max(f64::MIN_POSITIVE);
    let share = 100.0 * used.as_secs_f64() / since.as_secs_f64().max(f64::MIN_POSITIVE);
    let threads = outcome.threads;
    let of_processes = match outcome.processes {
        0 | 1 => String::new(),
        many => format!(" in {many} processes"),
    };
    let moving = if outcome.modes.iter().all(|mode| *mode == Mode::Stop) {
        String::new()
    } else {
        let moving = control.moving.load(Ordering::Relaxed) as f64;
        format!(", {:.1}% end in (moving)", 100.0 * moving / (samples as f64).max(1.0))
    };
    let ways = outcome.modes.iter().map(|mode| match mode {
        Mode::Kernel => "kernel",
        Mode::Stop => "stop",
        Mode::Nonblocking => "nonblocking",
    });
    let ways = ways.collect::<Vec<_>>().join(" and ");
    let unmerged = match control.unmerged.load(Ordering::Relaxed) {
        0 => String::new(),
        count => {
            format!(", {count} ({:.1}%) without their native frames", 100.0 * count as f64 / (samples as f64).max(1.0))
        }
    };
    let cut = match control.cut.load(Ordering::Relaxed) {
        0 => String::new(),
        count => format!(", {count} of sleeping threads with a part of them"),
    };
    format!(
        "{samples} sample{} of {threads} thread{}{of_processes} in {seconds:.2}s, {rate:.1} looks a second, {missed} missed, \
         {dropped} dropped{moving}{unmerged}{cut}; sampler: {ways}; py-spy used {share:.1}% of one CPU",
        plural(samples),
        plural(threads as u64),
    )
}

fn plural(count: u64) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// The processor time of all our threads so far.
fn processor_time() -> Duration {
    getrusage(UsageWho::RUSAGE_SELF).map_or(Duration::ZERO, |usage| {
        let microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
        Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_has_all_counters() {
        let control = Control::default();
        for (count, value) in
            [(&control.ticks, 199), (&control.samples, 300), (&control.dropped, 1), (&control.missed, 2)]
        {
            count.store(value, Ordering::Relaxed);
        }
        let outcome =
            |mode| Outcome { elapsed: Duration::from_secs(2), threads: 3, processes: 1, modes: [mode].into() };
        assert_eq!(
            summary(&outcome(Mode::Stop), &control, Duration::from_millis(5), Duration::from_secs(2)),
            "300 samples of 3 threads in 2.00s, 99.5 looks a second, 2 missed, 1 dropped; sampler: stop; \
             py-spy used 0.2% of one CPU"
        );
        let many = Outcome { processes: 2, ..outcome(Mode::Stop) };
        let many = summary(&many, &control, Duration::ZERO, Duration::from_secs(2));
        assert!(many.starts_with("300 samples of 3 threads in 2 processes in 2.00s, "), "{many}");
        control.moving.store(30, Ordering::Relaxed);
        control.unmerged.store(3, Ordering::Relaxed);
        let native = summary(&outcome(Mode::Stop), &control, Duration::ZERO, Duration::from_secs(2));
        assert!(native.contains("1 dropped, 3 (1.0%) without their native frames;"), "{native}");
        control.unmerged.store(0, Ordering::Relaxed);
        let nonblocking = summary(&outcome(Mode::Nonblocking), &control, Duration::ZERO, Duration::from_secs(2));
        assert!(nonblocking.contains("1 dropped, 10.0% end in (moving);"), "{nonblocking}");
    }

    #[test]
    fn a_lowered_rate_is_said() {
        let control = Control::default();
        control.ticks.store(1000, Ordering::Relaxed);
        control.held_back.store(10, Ordering::Relaxed);
        let outcome =
            |processes| Outcome { elapsed: Duration::from_secs(2), threads: 3, processes, modes: [Mode::Stop].into() };
        assert_eq!(lowered(&outcome(1), &control, 0.25), None);
        control.held_back.store(11, Ordering::Relaxed);
        let line = lowered(&outcome(1), &control, 0.25).expect("said");
        assert!(line.contains("500.0 looks a second") && line.contains("at most 25% "), "{line}");
        // The looks at several processes are more than the rate, lowered or not.
        let line = lowered(&outcome(4), &control, 0.25).expect("said");
        assert!(line.starts_with("1.1% of the looks were left out") && line.contains("more than 25% "), "{line}");
    }
}
