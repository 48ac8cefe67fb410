//! What all sections share: the profilers, the interpreters, the CPUs, a folder for what is written.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use py_spy_test_programs::{Interpreter, interpreters};
use tempfile::TempDir;

use super::cpus::Cpus;
use super::options::Options;
use super::peers::{self, Peer, Peers};
use super::run::{Ask, Place, run};
use super::subject::{Shape, Subject};

/// What all sections share.
pub(crate) struct Lab {
    /// Where this repository's py-spy is.
    pub(crate) ours: PathBuf,
    pub(crate) options: Options,
    pub(crate) cpus: Cpus,
    pub(crate) scratch: TempDir,
    pub(crate) peers: Peers,
    /// An interpreter and which of the peers see a program of it.
    seen: Vec<(Interpreter, Vec<usize>)>,
}

/// Profilers that look at the same program in turn.
pub(crate) struct Group<'a> {
    pub(crate) interpreter: &'a Interpreter,
    pub(crate) peers: Vec<&'a dyn Peer>,
}

impl Group<'_> {
    /// `3.15`.
    pub(crate) fn python(&self) -> String {
        series(self.interpreter)
    }
}

impl Lab {
    /// Builds, installs and finds everything.
    pub(crate) fn set_up(options: Options) -> Result<Lab> {
        let cpus = Cpus::found()?;
        if cpus.is_one() {
            say("one CPU only: the program and its profiler share it, and most figures say little");
        }
        let ours = options.ours.clone().map_or_else(build, Ok)?;
        let peers = peers::install(&ours)?;
        // In memory, where writing costs every profiler the same.
        let memory = Path::new("/dev/shm");
        let scratch = if memory.is_dir() { TempDir::new_in(memory)? } else { TempDir::new()? };
        let mut lab = Lab { ours, options, cpus, scratch, peers, seen: Vec::new() };
        lab.choose()?;
        Ok(lab)
    }

    /// Finds an interpreter that most peers see, and the newest for those that do not.
    fn choose(&mut self) -> Result<()> {
        let mut left: Vec<usize> = (0..self.peers.all.len()).collect();
        for interpreter in self.candidates()? {
            let (seen, unseen): (Vec<_>, Vec<_>) = left.iter().partition(|&&peer| self.sees(peer, &interpreter));
            if !seen.is_empty() {
                let names: Vec<_> = seen.iter().map(|&peer: &usize| self.peers.all[peer].name()).collect();
                say(&format!("on {}: {}", series(&interpreter), names.join(", ")));
                self.seen.push((interpreter, seen));
            }
            left = unseen;
            if left.is_empty() {
                break;
            }
        }
        for peer in left {
            let line = format!("{} is missing: it sees none of the programs", self.peers.all[peer].name());
            say(&line);
            self.peers.notes.push(line);
        }
        ensure!(!self.seen.is_empty(), "no profiler sees any program");
        Ok(())
    }

    /// The interpreter that was asked for, or else the newest; then older ones.
    fn candidates(&self) -> Result<Vec<Interpreter>> {
        let plain = |of: &&Interpreter| !of.debug && !of.free_threaded && of.environment.is_empty();
        let mut found: Vec<Interpreter> = interpreters().iter().filter(plain).rev().cloned().collect();
        // Of several of a series, the one that is called as usual.
        found.sort_by_key(|of| (std::cmp::Reverse(of.minor()), of.program.to_string_lossy().ends_with("-stripped")));
        found.dedup_by_key(|of| of.minor());
        if let Some(path) = &self.options.python {
            let same = |of: &&Interpreter| of.program.canonicalize().ok() == path.canonicalize().ok();
            let asked = interpreters().iter().find(same).with_context(|| {
                let known: Vec<_> = interpreters().iter().map(ToString::to_string).collect();
                format!("{} is none of {}", path.display(), known.join(", "))
            })?;
            found.insert(0, asked.clone());
        }
        Ok(found)
    }

    /// Tries it.
    fn sees(&self, peer: usize, interpreter: &Interpreter) -> bool {
        let peer = &*self.peers.all[peer];
        let shape = Shape { depth: 10, sleepers: 0, busy: true };
        peer.may_see(interpreter)
            && Subject::start(self, interpreter, shape)
                .and_then(|subject| run(self, peer, subject.id(), Ask::python(100, 1), false, &Place::default()))
                .is_ok_and(|run| run.harvest.samples > 5)
    }

    /// The peers by the programs that they see; with `again`, ours also look at the programs
    /// that only others had to look at.
    pub(crate) fn groups(&self, again: bool) -> Vec<Group<'_>> {
        let mut groups = Vec::new();
        for (at, (interpreter, seen)) in self.seen.iter().enumerate() {
            let has = |index: usize, peer: &dyn Peer| seen.contains(&index) || (again && at > 0 && peer.is_ours());
            let peers = self.peers.all.iter().enumerate().map(|(index, peer)| (index, &**peer));
            let peers = peers.filter(|&(index, peer)| has(index, peer)).map(|(_, peer)| peer).collect();
            groups.push(Group { interpreter, peers });
        }
        groups
    }

    /// The peers by the programs that they see, without those that are left out where time is short.
    pub(crate) fn main_groups(&self) -> Vec<Group<'_>> {
        let mut groups = self.groups(false);
        for group in &mut groups {
            group.peers.retain(|peer| !peer.is_minor());
        }
        groups.retain(|group| !group.peers.is_empty());
        groups
    }

    /// How many rounds: so many, or one to see that it works.
    pub(crate) fn rounds(&self, rounds: usize) -> usize {
        if self.options.quick { 1 } else { rounds }
    }
}

/// `3.15`.
pub(crate) fn series(interpreter: &Interpreter) -> String {
    format!("3.{}{}", interpreter.minor(), if interpreter.free_threaded { "t" } else { "" })
}

/// This repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Cargo's target folder: that in which this program lies.
pub(crate) fn target() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    own.ancestors().nth(2).map_or_else(|| root().join("target"), Path::to_owned)
}

/// Builds this repository's py-spy as it is released.
pub(crate) fn build() -> Result<PathBuf> {
    say("building py-spy");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--package", "py-spy", "--target-dir"])
        .arg(target())
        .current_dir(root())
        .status()
        .context("running cargo")?;
    ensure!(status.success(), "py-spy does not build");
    Ok(target().join("release/py-spy"))
}

/// Tells the one who ran this.
#[expect(clippy::print_stderr, reason = "a chore that is run by hand")]
pub(crate) fn say(line: &str) {
    eprintln!("{line}");
}
