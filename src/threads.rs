//! Threads of ours, by name, and what it means that one can not be had.

use std::thread::{self, JoinHandle};

use crate::errors::{Hinted, describe};

/// Starts a thread.
///
/// # Errors
/// When the kernel gives us none: a limit, or a filter of system calls.
pub(crate) fn spawn<R: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> R + Send + 'static,
) -> anyhow::Result<JoinHandle<R>> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(|error| {
        let message = format!("cannot start a thread: {}", describe(&error));
        let hint = "look at the limits of threads (ulimit -u, pids.max of the container), and whether a seccomp \
                    filter forbids clone";
        Hinted::new(message, hint).into()
    })
}
