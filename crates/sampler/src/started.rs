//! What to do about a process that is no Python: mostly it has started the one that is meant, as bootloaders, shells and
//! servers do.

use py_spy_target::{Family, Relative};

use crate::attach::Attached;
use crate::{AttachError, Later, attach};

/// Of what a process has started so many are looked at.
const MAX_LOOKED_AT: usize = 64;

/// So many are named.
const MAX_NAMED: usize = 8;

/// Adds to an error that a process is no Python which of those that it has started are.
pub(crate) fn point_to(pid: u32, error: AttachError) -> AttachError {
    if error.later != Later::Perhaps {
        return error;
    }
    let started = Family::of(&[pid]).look().into_iter();
    let started = started.filter(|relative| relative.target.pid != pid && !relative.borrows_its_memory());
    let pythons: Vec<(u32, String)> = started.take(MAX_LOOKED_AT).filter_map(python).collect();
    match hint(&pythons) {
        Some(hint) => AttachError { hint: Some(hint), ..error },
        None => error,
    }
}

fn python(relative: Relative) -> Option<(u32, String)> {
    let Attached { target, pythons } = attach::attach(relative.target).ok()?;
    Some((target.pid, pythons.first()?.1.version.to_string()))
}

fn hint(pythons: &[(u32, String)]) -> Option<String> {
    let (pid, version) = pythons.first()?;
    let all = "--subprocesses takes all that it starts";
    Some(if pythons.len() == 1 {
        format!("it has started process {pid}, which is CPython {version}: use --pid {pid}; {all}")
    } else {
        let named: Vec<String> = pythons.iter().take(MAX_NAMED).map(|(pid, _)| pid.to_string()).collect();
        let more = if pythons.len() > MAX_NAMED { " and more" } else { "" };
        format!("it has started {} processes that are CPython: {}{more}; {all}", pythons.len(), named.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_pointed_to_and_of_many_the_first() {
        let pythons = |count: u32| (1..=count).map(|pid| (pid, "3.9.1".to_owned())).collect::<Vec<_>>();
        assert_eq!(hint(&[]), None);
        let one = hint(&pythons(1)).expect("a hint");
        assert!(one.starts_with("it has started process 1, which is CPython 3.9.1: use --pid 1; "), "{one}");
        let two = hint(&pythons(2)).expect("a hint");
        assert!(two.starts_with("it has started 2 processes that are CPython: 1, 2; --subprocesses "), "{two}");
        let many = hint(&pythons(20)).expect("a hint");
        assert!(many.contains("20 processes") && many.contains(" 7, 8 and more; "), "{many}");
    }
}
