//! All processes of a family at one time.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, Scope as Threads, Thread};
use std::time::{Duration, Instant};

use py_spy_profile::Sink;
use py_spy_target::{Family, MAX_FAMILY, Target};
use rustc_hash::FxHashMap;

use super::book::Book;
use super::candidate::Candidate;
use super::scout::{Common, Word, scout};
use super::{AtOnce, Cost, LOOK_EVERY, News, Sampled, Scope};
use crate::{AttachError, Control, End, Later, Options, Patience, Sampler};

/// In processes that run already the first Python is to be found within this time.
const FIRST_WITHIN: Duration = Duration::from_millis(500);

/// For each of them so much longer: on few CPUs they are looked at one after the other.
const EACH_WITHIN: Duration = Duration::from_millis(10);

pub(super) fn sample(
    scope: &Scope,
    options: &Options,
    sink: Box<dyn Sink + Send>,
    control: &Control,
    news: &(dyn Fn(News<'_>) + Sync),
) -> Result<Sampled, AttachError> {
    let (book, cost) = (Book::new(sink), Mutex::new(Cost::default()));
    let (began, over) = (OnceLock::new(), AtomicBool::new(false));
    let common = Common { options, control, book: &book, cost: &cost, news, began: &began, over: &over };
    let (sender, words) = mpsc::channel();
    let end = thread::scope(|threads| {
        let mut crowd = Crowd {
            scope,
            common: &common,
            family: Family::of(&scope.founders),
            scouts: FxHashMap::default(),
            errors: Vec::new(),
            started: Instant::now(),
            said_too_many: false,
        };
        crowd.note_missing();
        let end = crowd.until_end(threads, &sender, &words);
        over.store(true, Relaxed);
        crowd.scouts.values().for_each(|(_, thread)| thread.unpark());
        // Who is sampling, or about to, hears of it before the next tick.
        control.stop.store(true, Relaxed);
        end
    })?;
    let elapsed = began.get().map_or(Duration::ZERO, Instant::elapsed);
    let Book { tables, sink, processes, .. } = book.into_inner().unwrap_or_else(PoisonError::into_inner);
    let cost = cost.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Sampled { tables, sink, end, elapsed, cost, processes })
}

struct Crowd<'a> {
    scope: &'a Scope,
    common: &'a Common<'a>,
    family: Family,
    /// The threads of those that are followed.
    scouts: FxHashMap<u32, (Target, Thread)>,
    /// Why founders are not sampled, until one is.
    errors: Vec<AttachError>,
    started: Instant,
    said_too_many: bool,
}

impl<'a> Crowd<'a> {
    fn until_end<'scope>(
        &mut self,
        threads: &'scope Threads<'scope, 'a>,
        sender: &Sender<Word>,
        words: &Receiver<Word>,
    ) -> Result<End, AttachError>
    where
        'a: 'scope,
    {
        let mut listen = true;
        loop {
            if self.common.control.stop.load(Relaxed) {
                return if self.common.began.get().is_some() { Ok(End::Stopped) } else { Err(self.why_none()) };
            }
            if listen {
                for relative in self.family.look() {
                    if !relative.ancestors.is_empty() && self.scope.at_once == AtOnce::Founders {
                        continue;
                    }
                    self.follow(relative, threads, sender);
                }
            }
            listen = self.scope.at_once == AtOnce::Family;
            self.say_when_too_many();
            match words.recv_timeout(LOOK_EVERY) {
                Ok(word) => {
                    if let Some(end) = self.hear(word) {
                        return Ok(end);
                    }
                    while let Ok(word) = words.try_recv() {
                        if let Some(end) = self.hear(word) {
                            return Ok(end);
                        }
                    }
                }
                // We have a sender ourselves.
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if self.common.began.get().is_some() && self.scouts.is_empty() {
                // Somebody may have been started by the last one.
                let last = if listen { self.family.look_everywhere() } else { Vec::new() };
                if last.is_empty() {
                    return Ok(End::Exited);
                }
                for relative in last {
                    self.follow(relative, threads, sender);
                }
            }
            if let Some(end) = self.is_over()? {
                return Ok(end);
            }
        }
    }

    fn follow<'scope>(
        &mut self,
        relative: py_spy_target::Relative,
        threads: &'scope Threads<'scope, 'a>,
        sender: &Sender<Word>,
    ) where
        'a: 'scope,
    {
        let target = relative.target.clone();
        let (common, sender) = (self.common, sender.clone());
        let run = move || scout(Candidate::new(relative), common, &sender);
        // The kernel keeps 15 bytes of the name.
        let spawned = thread::Builder::new().name("sampler".to_owned()).spawn_scoped(threads, run);
        match spawned {
            Ok(thread) => {
                self.scouts.insert(target.pid, (target, thread.thread().clone()));
            }
            Err(why) => {
                log::warn!("process {} is not sampled: no thread could be started: {why}", target.pid);
                self.family.forget(&target);
            }
        }
    }

    /// Says of founders that are not there why they are not.
    fn note_missing(&mut self) {
        for &pid in &self.scope.founders {
            if !self.family.members().any(|relative| relative.target.pid == pid)
                && let Err(error) = Sampler::attach(pid, self.common.options.clone())
            {
                self.note(&Target::nobody(pid), error);
            }
        }
    }

    /// Takes note of why a process is not sampled, and says so where somebody may miss it.
    fn note(&mut self, target: &Target, error: AttachError) {
        let founder = self.scope.founders.contains(&target.pid);
        let several = self.scope.founders.len() > 1;
        // That a process is no Python is of no interest where the Pythons among many are wanted.
        let missed = if self.scope.at_once == AtOnce::Founders {
            several
        } else {
            error.later == Later::No && if founder { several } else { looks_like_python(target) }
        };
        if missed {
            (self.common.news)(News::LeftOut(&error));
        }
        if founder {
            self.errors.push(error);
        }
    }

    /// Takes note; says why it is over, if it is.
    fn hear(&mut self, word: Word) -> Option<End> {
        match word {
            Word::Tried(target, error) => {
                self.note(&target, error);
                None
            }
            Word::Became(target) => {
                self.family.renew(&target);
                None
            }
            Word::Done(target, end) => {
                self.family.forget(&target);
                if self.scouts.get(&target.pid).is_some_and(|(known, _)| *known == target) {
                    self.scouts.remove(&target.pid);
                }
                end.filter(|&end| end != End::Exited)
            }
        }
    }

    fn say_when_too_many(&mut self) {
        if self.family.has_refused() && !std::mem::replace(&mut self.said_too_many, true) {
            (self.common.news)(News::TooMany(MAX_FAMILY));
        }
    }

    fn is_over(&mut self) -> Result<Option<End>, AttachError> {
        let Some(began) = self.common.began.get() else {
            return if self.has_waited_enough() { Err(self.why_none()) } else { Ok(None) };
        };
        let end = self.common.options.duration.map(|duration| *began + duration);
        // Runs see to that themselves; there may be none just now.
        let none = self.common.control.processes.load(Relaxed) == 0;
        Ok(end.filter(|&end| none && end <= Instant::now()).map(|_| End::Duration))
    }

    /// True when there is no Python and no reason to expect one.
    fn has_waited_enough(&self) -> bool {
        if self.scouts.is_empty() {
            return true;
        }
        let waited = self.started.elapsed();
        match self.scope.patience {
            // A launcher that has something running is at work.
            Patience::Started => waited > Patience::STARTED && self.scouts.len() == 1,
            Patience::Running => {
                let all_tried = self.errors.len() >= self.scope.founders.len();
                let more = EACH_WITHIN * self.scouts.len() as u32;
                waited > Patience::RUNNING + more || (waited > FIRST_WITHIN + more && all_tried)
            }
        }
    }

    fn why_none(&mut self) -> AttachError {
        if self.errors.is_empty() {
            let pid = self.scope.founders.first().copied().unwrap_or_default();
            let gone = match Target::find(pid) {
                Ok(_) => format!("process {pid} and what it started did not become Python"),
                Err(why) => why.to_string(),
            };
            return AttachError { message: gone, hint: None, later: Later::No };
        }
        self.errors.swap_remove(0)
    }
}

/// True when somebody may miss a process that is left out.
fn looks_like_python(target: &Target) -> bool {
    target.name().to_ascii_lowercase().contains("python")
}
