//! One process at a time, without a lock or another thread: the ordinary case, and launchers.

use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use py_spy_profile::{Sink, Tables};
use py_spy_target::{Family, Relative, Target};

use super::candidate::{Attempt, Candidate};
use super::{Cost, LOOK_EVERY, MAX_NAMES, News, Sampled, Scope};
use crate::{AttachError, Control, End, Later, Options, Patience, Sampler, started};

/// A running process that has become another program by exec may be a shell at first: for so long.
const AFTER_EXEC: Duration = Duration::from_secs(1);

/// Candidates at one time besides the founder: those beyond are looked at when others have ended.
const MAX_CANDIDATES: usize = 64;

pub(super) fn sample(
    scope: &Scope,
    options: &Options,
    mut sink: Box<dyn Sink + Send>,
    control: &Control,
    in_vain: &(dyn Fn() -> bool + Sync),
    news: &(dyn Fn(News<'_>) + Sync),
) -> Result<Sampled, AttachError> {
    let mut turns = Turns::of(scope, in_vain);
    let mut tables = Tables::new();
    let (mut cost, mut processes) = (Cost::default(), Vec::new());
    let mut options = options.clone();
    let mut next = Some(turns.first(&options)?);
    let mut end = End::Exited;
    while let Some(mut sampler) = next.take() {
        let began = *options.began.get_or_insert_with(Instant::now);
        sampler.begin_at(began);
        let info = sampler.info().clone();
        if processes.len() < MAX_NAMES {
            processes.push((info.pid, info.command.join(" ")));
        }
        control.processes.store(1, Relaxed);
        news(News::Attached(&info));
        end = sampler.run(&mut tables, &mut *sink, control);
        cost.add(&sampler);
        if end != End::Exited {
            break;
        }
        // From here on the process is left alone.
        let counted = sampler.counted();
        drop(sampler);
        control.processes.store(0, Relaxed);
        let over = options.duration.map(|duration| began + duration);
        next = turns.next(&options, control, over);
        // Of the last one the threads stay counted.
        if next.is_some() {
            control.threads.fetch_sub(counted, Relaxed);
        }
        end = match &next {
            None if control.stop.load(Relaxed) => End::Stopped,
            None if over.is_some_and(|over| over <= Instant::now()) => End::Duration,
            _ => End::Exited,
        };
    }
    let elapsed = options.began.map_or(Duration::ZERO, |began| began.elapsed());
    Ok(Sampled { tables, sink, end, elapsed, cost, processes })
}

/// Finds the process whose turn it is.
struct Turns<'a> {
    founder: Candidate,
    /// What a program of ours has started; nobody looks there for a process that was named by its id.
    family: Option<Family>,
    others: Vec<(Candidate, Instant)>,
    patience: Patience,
    in_vain: &'a (dyn Fn() -> bool + Sync),
}

impl<'a> Turns<'a> {
    fn of(scope: &Scope, in_vain: &'a (dyn Fn() -> bool + Sync)) -> Turns<'a> {
        let pid = scope.founders.first().copied().unwrap_or_default();
        let family = matches!(scope.patience, Patience::Started).then(|| Family::of(&[pid]));
        // A process that is not there is told by the first attempt.
        let target = Target::find(pid).unwrap_or_else(|_| Target::nobody(pid));
        let founder = Candidate::new(Relative { target, ancestors: Vec::new() });
        Turns { founder, family, others: Vec::new(), patience: scope.patience, in_vain }
    }

    /// The first process, with as much patience as there is.
    fn first(&mut self, options: &Options) -> Result<Box<Sampler>, AttachError> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            let error = match Sampler::attach(self.founder.target().pid, options.clone()) {
                Ok(sampler) => {
                    self.founder.relative.target = sampler.target().clone();
                    return Ok(Box::new(sampler));
                }
                Err(error) => error,
            };
            if let Some(sampler) = self.other(options) {
                return Ok(sampler);
            }
            // A launcher that has something running is at work.
            let at_work = error.later != Later::No && !self.others.is_empty();
            if (self.in_vain)() || !(at_work || self.patience.allows(began.elapsed(), &error)) {
                return Err(started::point_to(self.founder.target().pid, error));
            }
            log::debug!("not yet: {error}");
            thread::sleep(pause);
            pause = (pause * 2).min(LOOK_EVERY);
        }
    }

    /// Who comes after a process that has ended or become another program; `None` when nobody does.
    fn next(&mut self, options: &Options, control: &Control, over: Option<Instant>) -> Option<Box<Sampler>> {
        let began = Instant::now();
        self.founder.begin_anew();
        let mut look_at = began;
        loop {
            if control.stop.load(Relaxed) || over.is_some_and(|over| over <= Instant::now()) {
                return None;
            }
            if look_at <= Instant::now() {
                match self.founder.attempt(options) {
                    Attempt::Ready(sampler) => return Some(sampler),
                    Attempt::Gone => return None,
                    Attempt::NotYet => look_at = Instant::now() + self.founder.pause(),
                }
            }
            if let Some(sampler) = self.other(options) {
                return Some(sampler);
            }
            let enough = match self.founder.error.as_ref().map(|error| error.later) {
                // A program of ours may run Python as long as it runs.
                _ if self.family.is_some() => false,
                Some(Later::Soon) => began.elapsed() > Patience::RUNNING,
                _ => began.elapsed() > AFTER_EXEC,
            };
            if enough {
                return None;
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    /// The first Python among what our program has started.
    fn other(&mut self, options: &Options) -> Option<Box<Sampler>> {
        let family = self.family.as_mut()?;
        let founder = self.founder.target().pid;
        for relative in family.look() {
            if relative.target.pid == founder {
                continue;
            }
            if self.others.len() >= MAX_CANDIDATES {
                family.forget(&relative.target);
                continue;
            }
            self.others.push((Candidate::new(relative), Instant::now()));
        }
        let mut found = None;
        self.others.retain_mut(|(candidate, at)| {
            if found.is_some() || *at > Instant::now() {
                return true;
            }
            match candidate.attempt(options) {
                Attempt::Ready(sampler) => {
                    candidate.begin_anew();
                    found = Some(sampler);
                    true
                }
                Attempt::NotYet => {
                    *at = Instant::now() + candidate.pause();
                    true
                }
                Attempt::Gone => {
                    family.forget(candidate.target());
                    false
                }
            }
        });
        found
    }
}
