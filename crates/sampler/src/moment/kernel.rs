//! The way in which the kernel takes the samples: at each tick of a thread's CPU clock a program of ours follows its frames
//! there, and here is what becomes of what it left.
//!
//! At a tick the thread can not move, so its frames are one moment's. What they run is looked at only now, some milliseconds
//! later: a code object that is still what it was at the last look was it in between. If it has become another one, nobody
//! knows which of them ran: the frame and all inside of it are `(moving)`, as is a whole stack whose chain did not reach
//! its root at that instant.

mod code_check;
mod offers;
mod recipe;
mod refused;
mod stack_copies;
mod ticked;

use std::time::{Duration, Instant};

use py_spy_address_space::Addr;
use py_spy_kernel::{Chain, Left, Missing, Tick, Ticks};
use py_spy_python::{Gil, Stack, Unreadable};
use rustc_hash::FxHashMap;

use super::Watch;
use crate::Mode;
use crate::clock::Dice;
use crate::roster::Member;
use offers::Offers;
pub(crate) use recipe::Recipe;
pub(crate) use refused::NoKernel;
use stack_copies::{Besides, StackCopies};
pub(crate) use ticked::{Stranger, Ticked, TickedStack};

/// While threads come and go periods are changed so often, which costs threads that were there before 1 sample in 100.
const CHANGE_PERIODS: Duration = Duration::from_millis(100);

/// Else after this time at the earliest, those that have had some ticks.
const VARY_PERIODS: Duration = Duration::from_millis(20);

/// When no thread has come or gone for so long, those that have their makers' timers get their own.
const ADOPT_AFTER: Duration = Duration::from_secs(1);

/// After so many ticks whose code objects had become others the program makes code all the time, and nobody knows soon
/// enough which ran.
const MAX_REPLACED: u64 = 64;

/// Samples that the kernel takes.
#[derive(Debug)]
pub(crate) struct Kernel {
    ticks: Ticks,
    /// What the program knows: states by the threads' own ids, as of which version of the roster.
    known: FxHashMap<u32, Addr>,
    version: Option<u64>,
    /// What the program was made for.
    interpreter: Addr,
    gil: Option<Gil>,
    /// When periods were changed last, and as of which version of the roster, which is so since when.
    changed: (Instant, u64),
    stable: Instant,
    dice: Dice,
    offers: Offers,
    stack_copies: StackCopies,
    /// Ticks without room that are counted already.
    missed: u64,
    replaced: u64,
}

impl Watch {
    /// Has the kernel take the samples from now on, one after each `interval` of a thread's CPU time. `deep`: of stacks as deep as
    /// can be at this rate.
    pub(crate) fn begin_kernel(&mut self, interval: Duration, deep: bool) -> Result<(), NoKernel> {
        let recipe = self.recipe(interval, deep)?;
        let ticks = recipe.load()?;
        self.begin_loaded(&recipe, ticks)
    }

    /// As [`Watch::begin_kernel`], with what came of a recipe of this process.
    pub(crate) fn begin_loaded(&mut self, recipe: &Recipe, ticks: Ticks) -> Result<(), NoKernel> {
        // No tick is to be taken twice.
        if let Some(former) = &mut self.kernel {
            former.ticks.end();
        }
        let now = Instant::now();
        let mut kernel = Kernel {
            ticks,
            known: FxHashMap::default(),
            version: None,
            interpreter: recipe.interpreter,
            gil: recipe.gil,
            changed: (now, 0),
            stable: now,
            dice: Dice::new(),
            offers: Offers::default(),
            stack_copies: StackCopies::default(),
            missed: 0,
            replaced: 0,
        };
        kernel.tell(self);
        kernel.changed.1 = self.roster.version;
        kernel.ticks.begin(&mut self.tasks, |bound| kernel.dice.below(bound))?;
        self.former_kernel = self.kernel.replace(kernel);
        self.ways.insert(Mode::Kernel);
        Ok(())
    }

    /// Fills `ticked` with what came since the last call.
    ///
    /// # Errors
    /// When samples have to be taken in another way from now on; what came until now is in `ticked` all the same.
    pub(crate) fn take_ticks(&mut self, ticked: &mut Ticked) -> Result<(), NoKernel> {
        ticked.clear();
        if let Some(mut former) = self.former_kernel.take()
            && let Err(why) = self.take_ticks_of(&mut former, ticked)
        {
            log::debug!("the ticks of before: {why}");
        }
        let Some(mut kernel) = self.kernel.take() else { return Ok(()) };
        let taken = self.take_ticks_of(&mut kernel, ticked);
        self.kernel = Some(kernel);
        taken
    }

    fn take_ticks_of(&mut self, kernel: &mut Kernel, ticked: &mut Ticked) -> Result<(), NoKernel> {
        self.looks += 1;
        // A list that changed while it was read is read again the next time; what is known of the threads stays.
        let listed = self.window.refill(&self.memory, (0, 0), &mut []).map_err(Unreadable::from);
        if let Err(why) = listed.and_then(|()| self.refresh_roster().map(|_| ())) {
            log::debug!("looking again: {why}");
            self.roster.doubt();
        }
        kernel.tell(self);
        kernel.change_periods(self);
        let (words, mut deep) = (kernel.ticks.words().clone(), false);
        let Watch { roster, tasks, native, memory, python, .. } = &mut *self;
        let layout = &python.layout;
        let period = kernel.ticks.period();
        let Kernel { dice, interpreter, offers, stack_copies, .. } = kernel;
        let interpreter = *interpreter;
        let random = |bound| dice.below(bound);
        kernel.ticks.drain(random, |left| {
            let (tick, samples) = match left {
                Left::Tick(tick, samples) => (tick, samples),
                Left::Stack(copy) => {
                    if let Some(tid) = tasks.may_be_by_own_id(copy.own_tid) {
                        stack_copies.follow(copy, tid, native.as_mut(), memory);
                    }
                    return;
                }
            };
            let instant = (tick.own_tid, tick.time);
            let Besides { native, kernel } = match tick.chain {
                Chain::Offered => Besides::default(),
                _ => stack_copies.take(instant, ticked),
            };
            if let Some(native) = native.filter(|_| tick.state == 0) {
                return ticked.strangers.push(Stranger { native, kernel, time: tick.time, samples });
            }
            let Some(member) = member_of(tick, roster, tasks, interpreter) else {
                // One without a state runs no Python. What is offered is told of once, at its end.
                ticked.dropped += u64::from(tick.state != 0 && tick.chain != Chain::Offered);
                return;
            };
            let first = ticked.frames.len();
            let ends = (tick.innermost, (tick.base != 0).then_some(tick.base));
            let moving = match tick.chain {
                Chain::Own => {
                    let walked = words.walk(layout, ends, tick.words, &mut ticked.frames);
                    // What goes round in a circle is a stack that was given back while its thread was about to end.
                    deep |= tick.missing == Some(Missing::Deeper) && walked.is_ok();
                    tick.missing.is_some() || !matches!(walked, Ok(Stack::Whole))
                }
                Chain::Offered => {
                    let mut frames = Vec::new();
                    if let Ok(Stack::Whole) = words.walk(layout, ends, tick.words, &mut frames) {
                        offers.add(instant, frames);
                    }
                    return;
                }
                Chain::Torn => !offers.take(instant, &mut ticked.frames),
            };
            if moving {
                ticked.frames.truncate(first);
            }
            let (end, holds_gil, time) = (ticked.frames.len(), tick.holds_gil, tick.time);
            ticked.stacks.push(TickedStack {
                member,
                first,
                end,
                holds_gil,
                moving,
                time,
                period,
                samples,
                native,
                kernel,
            });
        });
        kernel.stack_copies.tell(&kernel.ticks);
        let missed = kernel.ticks.missed();
        ticked.missed += missed.saturating_sub(kernel.missed);
        kernel.missed = missed;
        kernel.replaced += self.check_codes(ticked);
        let [interpreter] = self.roster.interpreters.as_slice() else {
            return if self.roster.is_doubted() { Ok(()) } else { Err(NoKernel::Interpreters) };
        };
        match () {
            () if deep => Err(NoKernel::Deep(kernel.ticks.frames())),
            () if kernel.replaced > MAX_REPLACED => Err(NoKernel::Codes),
            () if (interpreter.at, interpreter.gil) != (kernel.interpreter, kernel.gil) => Err(NoKernel::Lock),
            () => Ok(()),
        }
    }
}

impl Kernel {
    /// Has the kernel take no samples, or take them again.
    pub(crate) fn pause(&self, pauses: bool) {
        if pauses { self.ticks.pause() } else { self.ticks.go_on() }
    }

    /// Tells the program of the threads that have come, and of those that have gone.
    fn tell(&mut self, watch: &Watch) {
        if self.version == Some(watch.roster.version) {
            return;
        }
        self.version = Some(watch.roster.version);
        let mut gone = std::mem::take(&mut self.known);
        for member in &watch.roster.members {
            let Some(own) = member.tid.and_then(|tid| watch.tasks.own_id(tid)) else { continue };
            // The oldest one: a state that is made for a new thread has its maker's ids for an instant.
            if self.known.contains_key(&own) {
                continue;
            }
            if gone.remove(&own) != Some(member.at) {
                self.ticks.know(own, member.at);
            }
            self.known.insert(own, member.at);
        }
        gone.keys().filter(|own| !self.known.contains_key(own)).for_each(|&own| self.ticks.forget(own));
    }
}

impl Kernel {
    /// Gives threads other periods: if some have come or gone, and now and then.
    fn change_periods(&mut self, watch: &mut Watch) {
        let Watch { roster, tasks, .. } = watch;
        let Kernel { ticks, dice, known, .. } = self;
        let random = |bound| dice.below(bound);
        let (at, version) = self.changed;
        match version == roster.version {
            true if self.stable.elapsed() >= ADOPT_AFTER => {
                self.stable = Instant::now();
                ticks.adopt(known.keys().copied(), tasks, random);
            }
            true if at.elapsed() >= VARY_PERIODS => ticks.vary(random),
            false if at.elapsed() >= CHANGE_PERIODS => {
                self.stable = Instant::now();
                ticks.shorten(tasks, random);
            }
            _ => return,
        }
        self.changed = (Instant::now(), roster.version);
    }
}

/// Whose tick it was. The program's map may be some milliseconds behind, and the state be another thread's by then, so what
/// the state says of itself must be what is known of it. A thread that is not listed yet, or no more, says so itself where it
/// has a native id.
fn member_of(
    tick: &Tick<'_>,
    roster: &crate::roster::Roster,
    tasks: &py_spy_target::Tasks,
    interpreter: Addr,
) -> Option<Member> {
    if tick.state == 0 || tick.interpreter != interpreter {
        return None;
    }
    let tid = tasks.may_be_by_own_id(tick.own_tid)?;
    let listed = roster.at(tick.state).map(|member| roster.members[member]);
    let same = |member: &Member| member.tid == Some(tid) && member.id == tick.thread;
    let own = tick.native == u64::from(tick.own_tid);
    listed.filter(same).or_else(|| own.then(|| Member::of_tick(tick.state, tick.thread, tick.native, tid)))
}
