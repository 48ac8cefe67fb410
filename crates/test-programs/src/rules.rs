//! Which stacks a program can have, as it says itself.

use std::collections::{BTreeMap, BTreeSet};

/// Which stacks a program can have: who calls whom in which line, where threads begin, and which lines are whose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// Function, line, callee.
    calls: BTreeSet<(String, u32, String)>,
    roots: BTreeSet<String>,
    /// First and last line of each function.
    extents: BTreeMap<String, (u32, u32)>,
}

impl Rules {
    /// Learns from a line: `call FUNCTION LINE CALLEE` (`*` is all that is not its own), `root FUNCTION`, `def FUNCTION FIRST LAST`. False when it is none.
    pub fn learn(&mut self, line: &str) -> bool {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["call", function, line, callee] => {
                self.calls.insert((function.to_owned(), number(line), callee.to_owned()));
            }
            ["root", function] => {
                self.roots.insert(function.to_owned());
            }
            ["def", function, first, last] => {
                self.extents.insert(function.to_owned(), (number(first), number(last)));
            }
            _ => return false,
        }
        true
    }

    /// True when the program knows a function of that name.
    pub fn knows(&self, function: &str) -> bool {
        self.extents.contains_key(bare(function))
    }

    fn may_call(&self, caller: &str, line: u32, whom: &str) -> bool {
        let call = |name: &str| self.calls.contains(&(caller.to_owned(), line, name.to_owned()));
        match (self.knows(caller), self.knows(whom)) {
            // The standard library has rules of its own.
            (false, false) if caller != "<module>" && whom != "<module>" => true,
            (false, true) if caller == "run" => whom.starts_with("root_"),
            (_, false) if call("*") => true,
            _ => call(whom),
        }
    }

    /// What is wrong with a stack: names and lines, root first.
    pub fn fault<S: AsRef<str>>(&self, stack: &[(S, u32)]) -> Option<String> {
        let Some((root, _)) = stack.first() else { return Some("it is empty".to_owned()) };
        let root = root.as_ref();
        if !self.roots.contains(bare(root)) {
            return Some(format!("{root} is no root"));
        }
        for pair in stack.windows(2) {
            let (caller, line, whom) = (pair[0].0.as_ref(), pair[0].1, pair[1].0.as_ref());
            // What a program says is read before it goes on: it may have to wait for the GIL there.
            if bare(whom) == READY {
                return None;
            }
            if !self.may_call(bare(caller), line, bare(whom)) {
                return Some(format!("{caller} does not call {whom} in line {line}"));
            }
        }
        stack.iter().find_map(|(name, line)| {
            let (name, line) = (name.as_ref(), *line);
            let (first, last) = self.extents.get(bare(name))?;
            // Some instructions have no line.
            (line != 0 && !(first..=last).contains(&&line)).then(|| format!("line {line} is not one of {name}"))
        })
    }
}

/// The function in which every program says that it has begun (`telling.py`).
const READY: &str = "ready";

/// Up to 3.10 there are no qualified names.
fn bare(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

fn number(text: &str) -> u32 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no line"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_judged_by_root_call_and_line() {
        let mut rules = Rules::default();
        for line in ["root <module>", "call <module> 9 main", "call main 5 leaf", "def leaf 1 2", "def main 4 6"] {
            assert!(rules.learn(line));
        }
        assert!(!rules.learn("ready") && rules.knows("leaf") && !rules.knows("other"));
        let whole = [("<module>", 9), ("main", 5), ("leaf", 2)];
        assert_eq!(rules.fault(&whole), None);
        assert_eq!(rules.fault(&whole[..2]), None);
        assert_eq!(rules.fault(&[("<module>", 8), ("ready", 90), ("say", 60)]), None);
        assert!(rules.fault(&whole[1..]).is_some_and(|why| why.contains("no root")));
        assert!(rules.fault(&[("<module>", 9), ("leaf", 2)]).is_some_and(|why| why.contains("does not call")));
        assert!(rules.fault(&[("<module>", 9), ("main", 4), ("leaf", 2)]).is_some_and(|why| why.contains("line 4")));
        assert!(rules.fault(&[("<module>", 9), ("main", 7)]).is_some_and(|why| why.contains("line 7")));
        assert!(rules.fault::<&str>(&[]).is_some());
    }
}
