//! What `--stats` says: what the samples cost the program, and us.

use std::sync::atomic::Ordering;
use std::time::Duration;

use py_spy_sampler::{Control, Cost, Effort, Mode};

/// The lines to say.
pub(super) fn lines(cost: &Cost, control: &Control, elapsed: Duration) -> Vec<String> {
    let samples = control.samples.load(Ordering::Relaxed);
    let Effort { moments, stops, retries, reads, bytes, .. } = cost.effort;
    let each = |count: u64| count as f64 / moments.max(1) as f64;
    let mut lines = vec![if stops > 0 || cost.modes.contains(&Mode::Stop) {
        stood_still(cost, elapsed)
    } else if cost.modes.contains(&Mode::Nonblocking) {
        "Not stopping: no thread stood still for us; innermost frames that moved are shown as (moving)".to_owned()
    } else {
        "By the kernel: no thread stood still for us; each was looked at in its own time slice".to_owned()
    }];
    lines.push(format!(
        "Each look: {:.2} stops, {:.2} reads, {:.1} KiB; {moments} looks at the stacks, {retries} of them repeated, \
         {samples} stacks written",
        each(stops),
        each(reads),
        each(bytes) / 1024.0,
    ));
    let active = control.active.load(Ordering::Relaxed) as f64;
    let ticks = control.ticks.load(Ordering::Relaxed).max(1) as f64;
    let gil = control.gil_held.load(Ordering::Relaxed) as f64;
    lines.push(format!("Each tick: {:.2} threads active, the GIL held at {:.1}%", active / ticks, 100.0 * gil / ticks));
    lines
}

fn stood_still(cost: &Cost, elapsed: Duration) -> String {
    let still = &cost.still;
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let share = 100.0 * still.total().as_secs_f64() / elapsed.as_secs_f64().max(f64::MIN_POSITIVE);
    format!(
        "Threads stood still {} times: median {:.1} us, 99% within {:.1} us, longest {:.1} us, {share:.2}% of the \
             time; {} more were off the CPU then",
        still.count(),
        micros(still.quantile(0.5)),
        micros(still.quantile(0.99)),
        micros(still.longest()),
        cost.late,
    )
}
