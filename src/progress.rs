//! How far a recording is, on a terminal.

use std::io::{IsTerminal, stderr};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use py_spy_sampler::Control;

/// Between two refreshes: often enough for the eye.
const REFRESH: Duration = Duration::from_millis(100);

/// True when somebody watches our messages.
pub(crate) fn is_watched() -> bool {
    stderr().is_terminal()
}

/// A bar that fills up to a duration, or a spinner.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
    began: Instant,
    next: Instant,
    duration: Option<Duration>,
}

impl Progress {
    /// Starts to show progress now.
    pub(crate) fn start(duration: Option<Duration>) -> Progress {
        let (length, template) = match duration {
            Some(duration) => (Some(milliseconds(duration)), "{wide_bar:.green} {msg}"),
            None => (None, "{spinner:.green} {msg}"),
        };
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let began = Instant::now();
        Progress { bar, began, next: began, duration }
    }

    /// When to refresh next.
    pub(crate) fn deadline(&self) -> Instant {
        self.next
    }

    /// Shows the counters as they are now, if it is time to.
    pub(crate) fn refresh(&mut self, now: Instant, control: &Control) {
        if now < self.next {
            return;
        }
        self.next = now + REFRESH;
        let elapsed = now.saturating_duration_since(self.began);
        if self.duration.is_some() {
            self.bar.set_position(milliseconds(elapsed));
        } else {
            self.bar.tick();
        }
        self.bar.set_message(text(elapsed, self.duration, control));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn text(elapsed: Duration, duration: Option<Duration>, control: &Control) -> String {
    let [ticks, samples, dropped, missed] = [&control.ticks, &control.samples, &control.dropped, &control.missed]
        .map(|count| count.load(Ordering::Relaxed));
    let seconds = elapsed.as_secs_f64();
    let of = duration.map_or_else(String::new, |duration| format!(" of {:.1}s", duration.as_secs_f64()));
    let rate = ticks as f64 / seconds.max(f64::MIN_POSITIVE);
    format!("{seconds:.1}s{of}, {samples} samples, {rate:.0} looks a second, {dropped} dropped, {missed} missed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_all_counters() {
        let control = Control::default();
        for (count, value) in
            [(&control.ticks, 200), (&control.samples, 300), (&control.dropped, 1), (&control.missed, 2)]
        {
            count.store(value, Ordering::Relaxed);
        }
        let second = Duration::from_secs(1);
        assert_eq!(text(second * 2, None, &control), "2.0s, 300 samples, 100 looks a second, 1 dropped, 2 missed");
        assert!(text(second * 2, Some(second * 5), &control).starts_with("2.0s of 5.0s, "));
    }
}
