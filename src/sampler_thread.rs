//! The thread that samples. A process that is stopped can be released only by the thread that stopped it, so attaching,
//! sampling and everything that is sampled stay on one.

use std::sync::mpsc::Sender;
use std::thread::JoinHandle;

use crate::threads;

/// Starts the thread. It sends `done` last, whatever happens.
pub(crate) fn spawn<E, R>(
    events: Sender<E>,
    done: E,
    work: impl FnOnce(&Sender<E>) -> R + Send + 'static,
) -> anyhow::Result<JoinHandle<R>>
where
    E: Send + 'static,
    R: Send + 'static,
{
    threads::spawn("sampler", move || {
        let at_last = AtLast { events, event: Some(done) };
        work(&at_last.events)
    })
}

/// Sends an event when it is dropped, in a panic too.
struct AtLast<E> {
    events: Sender<E>,
    event: Option<E>,
}

impl<E> Drop for AtLast<E> {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            send(&self.events, event);
        }
    }
}

/// Tells the main thread something.
pub(crate) fn send<E>(events: &Sender<E>, event: E) {
    // Who listens outlives us unless it panicked.
    let _ = events.send(event);
}
