//! A dump of processes and all that come from them.

use py_spy_sampler::{AttachError, Later, Options, Patience};
use py_spy_target::{Family, MAX_FAMILY, Relative, Target, command_line};

use super::{Ancestor, Dumped, look};
use crate::say;

/// Looks at each, parents before their children. Programs that are no Python are passed over; `errors` has why the
/// processes that were named are.
pub(super) fn dump(named: &[u32], options: &Options, all: &mut Vec<Dumped>, errors: &mut Vec<AttachError>) {
    let mut family = Family::of(named);
    let mut relatives = family.look();
    sort(&mut relatives);
    for &pid in named {
        // One that is not there has no family; why it is not is told by the attempt.
        if !relatives.iter().any(|relative| relative.target.pid == pid) {
            errors.extend(look(pid, options, Patience::Running).err());
        }
    }
    let mut refused = Vec::new();
    for relative in &relatives {
        let pid = relative.target.pid;
        if relative.borrows_its_memory() {
            continue;
        }
        match look(pid, options, Patience::Running) {
            Ok(seen) => {
                let ancestors: Vec<_> = relative.ancestors.iter().map(|&pid| ancestor(pid)).collect();
                all.extend(seen.into_iter().map(|(info, snapshot)| Dumped {
                    info,
                    snapshot,
                    ancestors: ancestors.clone(),
                    dead: false,
                }));
            }
            // It is no Python, which is told only if nobody is.
            Err(error) if error.later == Later::Perhaps && named.contains(&pid) => refused.push(error),
            Err(error) if named.contains(&pid) => errors.push(error),
            // Who is ending is not missed, though it still is there.
            Err(error) if error.later == Later::No && Target::find(pid).is_ok_and(|found| found == relative.target) => {
                errors.push(error);
            }
            Err(error) => log::info!("{error}"),
        }
    }
    if all.is_empty() {
        errors.splice(0..0, refused);
    }
    if family.has_refused() {
        say::line(&format!("there are more than {MAX_FAMILY} processes: those beyond are left out"));
    }
}

/// Each process directly before those that come from it, in the order in which they were started.
fn sort(relatives: &mut [Relative]) {
    let order: Vec<u32> = relatives.iter().map(|relative| relative.target.pid).collect();
    let place = |pid: &u32| order.iter().position(|known| known == pid);
    let mut keyed: Vec<(Vec<Option<usize>>, Relative)> = relatives
        .iter()
        .map(|relative| {
            let line = relative.ancestors.iter().chain([&relative.target.pid]);
            (line.map(place).collect(), relative.clone())
        })
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    relatives.iter_mut().zip(keyed).for_each(|(relative, (_, sorted))| *relative = sorted);
}

fn ancestor(pid: u32) -> Ancestor {
    Ancestor { pid, command: command_line(pid) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_come_directly_after_their_parents() {
        let relative =
            |pid: u32, ancestors: &[u32]| Relative { target: Target::nobody(pid), ancestors: ancestors.into() };
        let mut all = [
            relative(1, &[]),
            relative(2, &[]),
            relative(30, &[1]),
            relative(4, &[1]),
            relative(5, &[2]),
            relative(6, &[1, 30]),
        ];
        sort(&mut all);
        assert_eq!(all.map(|relative| relative.target.pid), [1, 30, 6, 4, 2, 5]);
    }
}
