//! One process of many, on a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Instant;

use py_spy_profile::Tables;
use py_spy_target::Target;

use super::book::{Book, Page, lock};
use super::candidate::{Attempt, Candidate};
use super::{Cost, News};
use crate::{AttachError, Control, End, Later, Options, Sampler};

/// What all scouts have in common.
pub(super) struct Common<'a> {
    pub(super) options: &'a Options,
    pub(super) control: &'a Control,
    pub(super) book: &'a Mutex<Book>,
    pub(super) cost: &'a Mutex<Cost>,
    pub(super) news: &'a (dyn Fn(News<'_>) + Sync),
    /// When the first process was attached: all clocks count from there.
    pub(super) began: &'a OnceLock<Instant>,
    /// It is over, whatever the reason.
    pub(super) over: &'a AtomicBool,
}

/// What a scout tells.
#[derive(Debug)]
pub(super) enum Word {
    /// Its process was looked at and is not Python, or not yet.
    Tried(Target, AttachError),
    /// Its process is another program than before.
    Became(Target),
    /// Nothing is left to do for it. The reason when it sampled.
    Done(Target, Option<End>),
}

/// Waits for a process to become Python and samples it, again when it becomes another program, until it ends.
pub(super) fn scout(mut candidate: Candidate, common: &Common<'_>, words: &Sender<Word>) {
    let target = candidate.target().clone();
    // Who listens outlives all scouts.
    let say = |word| _ = words.send(word);
    lock(common.book).forget(target.pid);
    let mut tried = false;
    let mut end = None;
    while !common.over.load(Relaxed) {
        match candidate.attempt(common.options) {
            Attempt::Ready(mut sampler) => {
                say(Word::Became(target.clone()));
                end = Some(sample(&mut sampler, &candidate, common));
                if end != Some(End::Exited) {
                    break;
                }
                drop(sampler);
                candidate.begin_anew();
                tried = false;
            }
            Attempt::NotYet => {
                // The first time, and when it is known for good.
                if let Some(error) = candidate.error.as_ref().filter(|error| !tried && error.later != Later::Soon) {
                    tried = true;
                    say(Word::Tried(target.clone(), error.clone()));
                }
                thread::park_timeout(candidate.pause());
            }
            Attempt::Gone => break,
        }
    }
    say(Word::Done(target, end));
}

fn sample(sampler: &mut Sampler, candidate: &Candidate, common: &Common<'_>) -> End {
    let info = sampler.info().clone();
    let root = lock(common.book).root(&candidate.relative.ancestors, info.pid, &info.command.join(" "));
    sampler.begin_at(*common.began.get_or_init(Instant::now));
    common.control.processes.fetch_add(1, Relaxed);
    (common.news)(News::Attached(&info));
    let end = sampler.run(&mut Tables::new(), &mut Page::new(common.book, root), common.control);
    common.control.processes.fetch_sub(1, Relaxed);
    common.cost.lock().unwrap_or_else(PoisonError::into_inner).add(sampler);
    if end == End::Exited {
        common.control.threads.fetch_sub(sampler.counted(), Relaxed);
    }
    end
}
