//! A process and those that come from it: its children, theirs, and those that have left them.
//!
//! The kernel numbers processes one after the other and says in `/proc/loadavg` which number it gave last. So one short
//! read tells whether anything was started at all since the last look, and which numbers are to be looked at.

mod newest;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use nix::unistd::{getpgrp, getpid, getppid};
use rustc_hash::{FxHashMap, FxHashSet};

use super::process::{Stat, Target};
use newest::{Newest, Numbers};

/// Processes of a family that are followed at one time, programs of all kinds. A fork bomb must not take us with it.
pub const MAX_FAMILY: usize = 512;

/// Ancestors that are remembered of a process, the oldest first: a program that goes on in a child of its own again and
/// again has no end of them.
const MAX_ANCESTORS: usize = 32;

/// Of more numbers than this, given since the last look, each is not asked about: to list all processes is cheaper.
const MAX_NUMBERS: u32 = 256;

/// All processes are listed at most this often, when too many were started to look at each.
const LIST_EVERY: Duration = Duration::from_millis(100);

/// All processes are listed at least this often, whatever the kernel's last number says: in a container the file may have
/// been made by somebody else (lxcfs).
const LIST_AT_LEAST: Duration = Duration::from_secs(2);

/// Processes that have ended whose traits are remembered, to know those again that they left behind.
const MAX_DEPARTED: usize = 64;

/// Ancestors of the family that are looked for: a tree of processes is not deeper, a circle is.
const MAX_ELDERS: usize = 1 << 10;

/// A process of a family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relative {
    /// The process.
    pub target: Target,
    /// Its ancestors within the family, the oldest first.
    pub ancestors: Vec<u32>,
}

impl Relative {
    /// True for a child of `vfork` that has not run a program of its own yet: until then it is its parent, which waits for it.
    pub fn borrows_its_memory(&self) -> bool {
        self.ancestors.last().is_some_and(|&parent| shares_memory(self.target.pid, parent))
    }
}

#[derive(Debug)]
struct Member {
    relative: Relative,
    /// Its parent when it was met.
    parent: u32,
    /// [`Stat::places`], by which those are known that were forked from it.
    places: Option<[u64; 4]>,
}

/// A process and those that come from it.
#[derive(Debug)]
pub struct Family {
    members: FxHashMap<u32, Member>,
    /// The first ones, until they are given.
    founders: Vec<Relative>,
    /// Those that have ended, the latest last.
    departed: VecDeque<Member>,
    /// Ancestors of the first members: who loses its parent becomes the child of one of them (or of process 1).
    elders: FxHashSet<u32>,
    newest: Newest,
    /// When all processes were listed last.
    listed: Instant,
    /// Not all newcomers have been looked at.
    behind: bool,
    /// The first members were started by ourselves: all of our process group are of the family if we lead it.
    leads: bool,
    refused: bool,
}

impl Family {
    /// Begins with these processes; those that are not there are left out. The first [`Family::look`] gives them and
    /// all that come from them.
    pub fn of(founders: &[u32]) -> Family {
        let mut family = Family {
            members: FxHashMap::default(),
            founders: Vec::new(),
            departed: VecDeque::new(),
            elders: FxHashSet::from_iter([1]),
            // Before anything is looked at: what is started meanwhile is looked at twice, and not never.
            newest: Newest::open(),
            listed: Instant::now(),
            behind: true,
            leads: false,
            refused: false,
        };
        for &pid in founders {
            if let Ok(stat) = Stat::read(pid)
                && !stat.is_dead()
            {
                family.leads |= stat.parent == std::process::id() && getpgrp() == getpid();
                family.add_elders(stat.parent);
                let founder = family.add(pid, &stat, Vec::new());
                family.founders.extend(founder);
            }
        }
        family
    }

    fn add_elders(&mut self, mut pid: u32) {
        for _ in 0..MAX_ELDERS {
            if pid == 0 || !self.elders.insert(pid) {
                return;
            }
            pid = Stat::read(pid).map_or(0, |stat| stat.parent);
        }
    }

    /// Everybody who is known now and has not been forgotten.
    pub fn members(&self) -> impl Iterator<Item = &Relative> {
        self.members.values().map(|member| &member.relative)
    }

    /// True once a process was left out because [`MAX_FAMILY`] were followed.
    pub fn has_refused(&self) -> bool {
        self.refused
    }

    /// A process has ended, or is not followed any more.
    pub fn forget(&mut self, target: &Target) {
        if self.members.get(&target.pid).is_some_and(|member| member.relative.target == *target)
            && let Some(member) = self.members.remove(&target.pid)
        {
            if self.departed.len() >= MAX_DEPARTED {
                self.departed.pop_front();
            }
            self.departed.push_back(member);
        }
    }

    /// A process has become another program: what it has in common with its children is something else now.
    pub fn renew(&mut self, target: &Target) {
        if let Some(member) = self.members.get_mut(&target.pid).filter(|member| member.relative.target == *target) {
            member.places = Stat::read(target.pid).ok().and_then(|stat| places(&stat));
        }
    }

    /// The same among all processes, however many were started since: before it is believed that nobody is left.
    pub fn look_everywhere(&mut self) -> Vec<Relative> {
        let mut found = std::mem::take(&mut self.founders);
        self.listed = Instant::now();
        self.take_in(all_processes(), &mut found);
        found
    }

    /// Those who are new since the last look, parents before their children.
    pub fn look(&mut self) -> Vec<Relative> {
        let mut found = std::mem::take(&mut self.founders);
        let since = self.listed.elapsed();
        let numbers = match self.newest.numbers(MAX_NUMBERS) {
            _ if !found.is_empty() || self.behind || since >= LIST_AT_LEAST => Numbers::Many,
            numbers => numbers,
        };
        match numbers {
            Numbers::Few(pids) if pids.is_empty() => return found,
            Numbers::Few(pids) => self.take_in(pids, &mut found),
            Numbers::Many if found.is_empty() && since < LIST_EVERY => self.behind = true,
            Numbers::Many => {
                self.listed = Instant::now();
                self.behind = false;
                self.take_in(all_processes(), &mut found);
            }
        }
        found
    }

    /// Takes in those of these processes that belong to the family.
    fn take_in(&mut self, pids: Vec<u32>, found: &mut Vec<Relative>) {
        let mut strangers: Vec<(u32, Stat)> = Vec::new();
        for pid in pids {
            match Stat::read(pid) {
                Ok(stat) if !stat.is_dead() && !self.knows(pid, &stat) => strangers.push((pid, stat)),
                Ok(_) => {}
                Err(_) => self.newest.look_again(pid),
            }
        }
        strangers.sort_by_key(|(pid, stat)| (stat.start_time, *pid));
        // Until nobody joins any more: where the numbers begin anew a child may come before its parent.
        loop {
            let before = strangers.len();
            strangers.retain(|(pid, stat)| match self.ancestors_of(stat) {
                Some(ancestors) if is_process(*pid) => {
                    found.extend(self.add(*pid, stat, ancestors));
                    false
                }
                _ => true,
            });
            if strangers.len() == before {
                break;
            }
        }
        for (pid, stat) in strangers {
            // Whose child it is shows when its parent, which is just ending, has left it to somebody else.
            if Stat::read(stat.parent).map_or(true, |parent| parent.is_dead()) {
                self.newest.look_again(pid);
            }
        }
    }

    fn knows(&self, pid: u32, stat: &Stat) -> bool {
        self.members.get(&pid).is_some_and(|member| member.relative.target.start_time == stat.start_time)
    }

    fn add(&mut self, pid: u32, stat: &Stat, ancestors: Vec<u32>) -> Option<Relative> {
        if self.members.len() >= MAX_FAMILY && !self.members.contains_key(&pid) {
            self.refused = true;
            return None;
        }
        let relative = Relative { target: Target { pid, start_time: stat.start_time }, ancestors };
        self.members.insert(pid, Member { relative: relative.clone(), parent: stat.parent, places: places(stat) });
        Some(relative)
    }

    /// The ancestors of a process; `None` when it is not of the family.
    fn ancestors_of(&self, stat: &Stat) -> Option<Vec<u32>> {
        if let Some(parent) = self.members.get(&stat.parent)
            // Its number may have become another's since.
            && parent.relative.target.is_alive()
        {
            return Some(parent.lineage());
        }
        let all = || self.members.values().chain(self.departed.iter().rev());
        // Who is in a session was forked in it. Its number is that of the process that began it, and nobody else's while
        // anybody is in it.
        if let Some(member) = all().find(|member| member.relative.target.pid == stat.session) {
            return Some(member.lineage());
        }
        if !self.elders.contains(&stat.parent) {
            return None;
        }
        // It has lost its parent, or it is a sister of those that we know: then their parent was the same from the start.
        let lost = |member: &&Member| member.parent != stat.parent;
        let own = places(stat).filter(|own| Stat::read(stat.parent).ok().and_then(|stat| places(&stat)) != Some(*own));
        let forked = |member: &&Member| own.is_some() && member.places == own;
        // A group's number is nobody else's either; a shell puts all of a pipeline into one.
        let grouped = |member: &&Member| member.relative.target.pid == stat.group;
        let member = all().filter(lost).find(forked).or_else(|| all().filter(lost).find(grouped));
        if let Some(member) = member {
            return Some(member.lineage());
        }
        let ours = self.leads && stat.group == std::process::id() && stat.parent != getppid().as_raw() as u32;
        ours.then(Vec::new)
    }
}

impl Member {
    /// The ancestors of its children.
    fn lineage(&self) -> Vec<u32> {
        let mut lineage = self.relative.ancestors.clone();
        if lineage.len() < MAX_ANCESTORS {
            lineage.push(self.relative.target.pid);
        }
        lineage
    }
}

/// Where a process's code and stack are, if we may know that.
fn places(stat: &Stat) -> Option<[u64; 4]> {
    // The kernel says 0 or 1 to those who may not.
    Some(stat.places).filter(|places| places.iter().all(|&place| place > 1))
}

/// The ids of all processes that we can see.
pub fn all_processes() -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// True for a process, false for another thread of one: the kernel counts both.
fn is_process(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("Tgid:")).and_then(|id| id.trim().parse().ok()) == Some(pid)
}

/// True when two processes have one memory: a child of `vfork` borrows its parent's until it runs a program of its own.
/// False when the kernel does not tell.
fn shares_memory(one: u32, other: u32) -> bool {
    /// `KCMP_VM` (`linux/kcmp.h`).
    const MEMORY: libc::c_int = 1;
    #[expect(unsafe_code, reason = "nix has no kcmp")]
    // SAFETY: the call takes five integers and touches no memory of ours.
    let order = unsafe { libc::syscall(libc::SYS_kcmp, one, other, MEMORY, 0, 0) };
    one != other && order == 0
}

#[cfg(test)]
mod tests;
