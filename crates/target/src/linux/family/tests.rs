#![allow(clippy::print_stderr)]

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::*;

/// A shell that does what it is told, in a process group and session of our own or its own.
struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    fn start() -> Shell {
        let mut command = Command::new("sh");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().expect("sh starts");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Shell { child, input, output }
    }

    /// Has it run a line, which says a number.
    fn run(&mut self, line: &str) -> u32 {
        self.input.write_all(format!("{line}\n").as_bytes()).expect("it reads");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it speaks");
        answer.trim().parse().unwrap_or_else(|_| panic!("{line}: {answer:?}"))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // All that it started is of its group.
        nix::sys::signal::killpg(nix::unistd::Pid::from_raw(self.child.id() as i32), nix::sys::signal::SIGKILL).ok();
        self.child.wait().ok();
    }
}

/// Looks until this process is found; whatever else was found until then.
fn until_found(family: &mut Family, pid: u32) -> Vec<Relative> {
    let mut found = Vec::new();
    let until = Instant::now() + Duration::from_mins(1);
    while !found.iter().any(|relative: &Relative| relative.target.pid == pid) {
        assert!(Stat::read(pid).is_ok() && Instant::now() < until, "{pid} is not found");
        found.extend(family.look());
    }
    found
}

#[test]
fn children_and_theirs_are_found_with_their_ancestors() {
    let mut shell = Shell::start();
    let own = shell.child.id();
    let early = shell.run("sleep 1000 & echo $!");
    let mut family = Family::of(&[own]);
    let first = family.look();
    let of = |found: &[Relative], pid| found.iter().find(|r| r.target.pid == pid).map(|r| r.ancestors.clone());
    assert_eq!((of(&first, own), of(&first, early)), (Some(vec![]), Some(vec![own])));
    assert_eq!(family.look(), []);
    let outer = shell.run("(sleep 1000 & echo $!; wait) &");
    let found = until_found(&mut family, outer);
    let middle = found.iter().find(|r| r.target.pid != outer).expect("the shell in between").target.pid;
    assert_eq!(of(&found, outer), Some(vec![own, middle]));
    assert_eq!(found.len(), 2, "each is given once: {found:?}");
}

#[test]
fn who_loses_its_parent_stays_in_the_family() {
    let mut shell = Shell::start();
    let mut family = Family::of(&[shell.child.id()]);
    family.look();
    // The one in between has ended before anybody can look.
    let orphan = shell.run("(sleep 1000 & echo $!)");
    let found = until_found(&mut family, orphan);
    assert_eq!(found[0].ancestors.first(), Some(&shell.child.id()));
}

#[test]
fn strangers_and_sisters_are_not_taken_for_relatives() {
    let (shell, mut other) = (Shell::start(), Shell::start());
    let mut family = Family::of(&[shell.child.id()]);
    family.look();
    let stranger = other.run("sleep 1000 & echo $!");
    // A process that was started later, and so is looked at later.
    let mut shell = shell;
    let child = shell.run("sleep 1000 & echo $!");
    let found = until_found(&mut family, child);
    assert!(found.iter().all(|relative| relative.target.pid != stranger), "{found:?}");
    assert!(family.members().all(|relative| relative.target.pid != other.child.id()));
}

#[test]
fn a_number_that_another_process_has_now_is_another_process() {
    let mut shell = Shell::start();
    let mut family = Family::of(&[shell.child.id()]);
    family.look();
    let child = shell.run("sleep 1000 & echo $!");
    until_found(&mut family, child);
    let known = family.members.get_mut(&child).expect("it is a member");
    // As if the number had been another's.
    known.relative.target.start_time -= 1;
    let former = known.relative.target.clone();
    family.behind = true;
    let found = until_found(&mut family, child);
    assert!(found.len() == 1 && found[0].target != former, "{found:?}");
    family.forget(&former);
    assert!(family.members.contains_key(&child), "the former one's end is not this one's");
}

#[test]
fn a_family_has_a_bound_that_is_told() {
    let mut shell = Shell::start();
    let mut family = Family::of(&[shell.child.id()]);
    family.look();
    let stat = Stat::read(shell.child.id()).expect("it lives");
    for pid in 0..MAX_FAMILY as u32 {
        family.add(1 << 24 | pid, &stat, Vec::new());
    }
    assert!(family.has_refused() && family.members().count() == MAX_FAMILY);
    let child = shell.run("sleep 1000 & echo $!");
    family.behind = true;
    family.listed = Instant::now().checked_sub(LIST_EVERY).expect("some time has passed");
    assert!(family.look().is_empty(), "there is no room for {child}");
    family.forget(&Target { pid: 1 << 24, start_time: stat.start_time });
    family.behind = true;
    assert_eq!(until_found(&mut family, child).len(), 1);
}

#[test]
fn memory_is_shared_by_threads_only() {
    let mut shell = Shell::start();
    let child = shell.run("sleep 1000 & echo $!");
    assert!(!shares_memory(shell.child.id(), child) && !shares_memory(child, child));
}
