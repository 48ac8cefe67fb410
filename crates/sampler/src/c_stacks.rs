//! Which thread's C stack an address lies on.

use std::ops::Range;

use py_spy_address_space::{Addr, Mapping};
use py_spy_target::Target;

use crate::roster::Member;

/// The C stacks of a process's threads.
#[derive(Debug)]
pub(crate) struct Stacks(Vec<(Range<Addr>, u32)>);

impl Stacks {
    /// Of the threads of these members, which are those of the main interpreter.
    pub(crate) fn of(target: &Target, members: &[Member]) -> Stacks {
        let mappings = target.mappings().unwrap_or_default();
        Stacks(stacks(target.pid, &mappings, members.iter().filter_map(|member| Some((member.id, member.tid?)))))
    }

    /// The thread whose stack this address lies on.
    pub(crate) fn thread_at(&self, place: Addr) -> Option<u32> {
        self.0.iter().find(|(range, _)| range.contains(&place)).map(|&(_, tid)| tid)
    }
}

/// glibc and musl put `pthread_self()` at the upper end of a thread's stack, in one mapping with it; the first thread's
/// stack is the kernel's.
fn stacks(pid: u32, mappings: &[Mapping], threads: impl Iterator<Item = (Addr, u32)>) -> Vec<(Range<Addr>, u32)> {
    let main = mappings.iter().find(|mapping| mapping.path == "[stack]").map(|mapping| (mapping.range.clone(), pid));
    let of_thread = |(id, tid): (Addr, u32)| {
        let mapping = mappings.iter().find(|mapping| tid != pid && mapping.range.contains(&id))?;
        Some((mapping.range.start..id, tid))
    };
    let mut stacks: Vec<_> = main.into_iter().chain(threads.filter_map(of_thread)).collect();
    // Neighbouring stacks may be shown as one mapping: the nearest end above an address is its own.
    stacks.sort_unstable_by_key(|(range, _)| range.end);
    stacks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_end_above_is_the_stack_s_own() {
        let maps = "7000-9000 rw-p 0 0:0 0\n9000-a000 ---p 0 0:0 0\na000-f000 rw-p 0 0:0 0\n\
                    ff00-fff0 rw-p 0 0:0 0 [stack]\n";
        let mappings: Vec<_> = maps.lines().filter_map(Mapping::parse).collect();
        let stacks = Stacks(stacks(1, &mappings, [(0xe800, 3), (0x8800, 2), (0xc800, 4), (0x100, 1)].into_iter()));
        let places = [(0x7100, Some(2)), (0x8900, None), (0xa100, Some(4)), (0xd000, Some(3)), (0xff80, Some(1))];
        for (place, tid) in places {
            assert_eq!(stacks.thread_at(place), tid, "{place:#x}");
        }
    }
}
