//! Signals that end us, as events of whoever runs the show.

use std::fs::{self, File};
use std::sync::mpsc::Sender;

use anyhow::Context;
use nix::sys::signal::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use crate::threads;

/// Sends an event for each Ctrl-C, SIGTERM and SIGHUP from now on, and with `job_control` for each Ctrl-Z; none of them
/// ends or stops us by itself any more.
pub(crate) fn listen<E: Send + 'static>(
    events: Sender<E>,
    event: fn(i32) -> E,
    job_control: bool,
) -> anyhow::Result<()> {
    let mut wanted = vec![SIGINT, SIGTERM];
    if job_control && !is_ignored(SIGTSTP) {
        wanted.push(SIGTSTP);
    }
    // Under nohup a hangup stays without effect.
    if !is_ignored(SIGHUP) {
        wanted.push(SIGHUP);
    }
    let mut signals = Signals::new(wanted).context("cannot listen to signals")?;
    threads::spawn("signals", move || {
        for signal in signals.forever() {
            if events.send(event(signal)).is_err() {
                return;
            }
        }
    })?;
    Ok(())
}

/// True when a terminal sent this signal to all of its foreground processes, so that our child has it too.
pub(crate) fn is_from_terminal(signal: i32) -> bool {
    // Whoever reads from the terminal gets what is typed there, signals too.
    signal == SIGINT
        && File::open("/dev/tty").is_ok_and(|terminal| nix::unistd::tcgetpgrp(terminal) == Ok(nix::unistd::getpgrp()))
}

/// Stops ourselves as Ctrl-Z would, and returns when we are continued. Does nothing if nobody is there to continue us.
pub(crate) fn stop_ourselves() {
    let parent = nix::unistd::getppid();
    // A shell that does job control has a process group of its own in our session (setpgid(2): orphaned process groups).
    let same_session = nix::unistd::getsid(Some(parent)).ok() == nix::unistd::getsid(None).ok();
    let other_group = nix::unistd::getpgid(Some(parent)).is_ok_and(|group| group != nix::unistd::getpgrp());
    if same_session
        && other_group
        && let Err(errno) = nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGSTOP)
    {
        log::debug!("could not stop: {errno}");
    }
}

/// The name of a signal, as in `SIGTERM`.
pub(crate) fn name(signal: i32) -> String {
    Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |signal| signal.as_str().to_owned())
}

fn is_ignored(signal: i32) -> bool {
    let ignored = fs::read_to_string("/proc/self/status").ok().and_then(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    });
    ignored.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
}
