//! Gets the other profilers: into a virtual environment in the target folder, from the package index.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use py_spy_test_programs::interpreters;

use super::austin::Austin;
use super::ours::{Ours, Way};
use super::py_spy::PySpy;
use super::{Peer, Peers, tachyon};
use crate::compare::lab::{say, target};

const PY_SPY: &str = "0.4.3";

/// The newest that there is, and the one for systems on which that does not run.
const AUSTIN: [&str; 2] = ["4.0.0", "3.7.0"];

/// All profilers, ours from this program.
pub(crate) fn install(ours: &Path) -> Result<Peers> {
    let help = Command::new(ours).args(["record", "--help"]).output();
    let help = help.with_context(|| format!("running {}", ours.display()))?;
    let has_limit = String::from_utf8_lossy(&help.stdout).contains("--max-overhead");
    let mut peers = Peers { all: Vec::new(), notes: Vec::new() };
    for way in [Way::Stop, Way::Nonblocking, Way::Kernel] {
        peers.all.push(Box::new(Ours { program: ours.to_owned(), way, has_limit }));
    }
    let folder = target().join("compare");
    match venv(&folder) {
        Ok(pip) => peers.download(&folder, &pip),
        Err(error) => peers.note(format!("py-spy and Austin are missing: {error:#}")),
    }
    let tachyons = tachyon::found(interpreters());
    if tachyons.is_empty() {
        peers.note("Tachyon is missing: no interpreter here has profiling.sampling".to_owned());
    }
    peers.all.extend(tachyons);
    Ok(peers)
}

impl Peers {
    /// Says aloud what is not there, or not as it should be.
    fn note(&mut self, line: String) {
        say(&line);
        self.notes.push(line);
    }

    fn download(&mut self, folder: &Path, pip: &Path) {
        match py_spy(pip) {
            Ok(program) => {
                for nonblocking in [false, true] {
                    let (program, version) = (program.clone(), PY_SPY.to_owned());
                    self.all.push(Box::new(PySpy { program, version, nonblocking }));
                }
            }
            Err(error) => self.note(format!("py-spy {PY_SPY} is missing: {error:#}")),
        }
        match austin(folder, pip) {
            Ok(austin) => {
                if !austin.program.starts_with(folder.join("venv")) {
                    self.note(format!(
                        "Austin {} is its build for musl: the other one does not run here",
                        austin.version
                    ));
                }
                self.all.push(Box::new(austin) as Box<dyn Peer>);
            }
            Err(error) => self.note(format!("Austin is missing: {error:#}")),
        }
    }
}

/// The environment's pip.
fn venv(folder: &Path) -> Result<PathBuf> {
    let pip = folder.join("venv/bin/pip");
    if !pip.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder.join("venv")))?;
    }
    Ok(pip)
}

fn py_spy(pip: &Path) -> Result<PathBuf> {
    let program = pip.with_file_name("py-spy");
    let known = Command::new(&program).arg("--version").output();
    if !known.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).trim().ends_with(PY_SPY)) {
        run(pip_command(pip).args(["install", &format!("py-spy=={PY_SPY}")]))?;
    }
    Ok(program)
}

/// The newest Austin that runs here: as pip picks it, the one for musl if that is here, or an older one.
fn austin(folder: &Path, pip: &Path) -> Result<Austin> {
    let installed = pip.with_file_name("austin");
    let musl = folder.join("austin-musl");
    let unpacked = musl.join(format!("austin_dist-{}.data/scripts/austin", AUSTIN[0]));
    for program in [&installed, &unpacked] {
        if let Some(austin) = running(program, AUSTIN[0]) {
            return Ok(austin);
        }
    }
    let wheel = format!("austin-dist=={}", AUSTIN[0]);
    run(pip_command(pip).args(["install", &wheel]))?;
    if let Some(austin) = running(&installed, AUSTIN[0]) {
        return Ok(austin);
    }
    say(&format!("Austin {} does not run here as pip installs it: trying the one for musl", AUSTIN[0]));
    std::fs::remove_dir_all(&musl).ok();
    let platform = format!("musllinux_1_1_{}", std::env::consts::ARCH);
    let mut download = pip_command(pip);
    download.args(["download", "--no-deps", "--only-binary=:all:", "--platform", &platform, &wheel, "-d"]).arg(&musl);
    if run(&mut download).is_ok() {
        for wheel in std::fs::read_dir(&musl)?.flatten() {
            run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel.path()).arg(&musl))?;
        }
        run(Command::new("chmod").arg("+x").arg(&unpacked))?;
        if let Some(austin) = running(&unpacked, AUSTIN[0]) {
            return Ok(austin);
        }
    }
    say(&format!("neither does that one: taking Austin {}", AUSTIN[1]));
    run(pip_command(pip).args(["install", &format!("austin-dist=={}", AUSTIN[1])]))?;
    running(&installed, AUSTIN[1]).context("it does not run here")
}

/// An Austin of that version, if it starts.
fn running(program: &Path, version: &str) -> Option<Austin> {
    let answer = Command::new(program).arg("-V").output().ok()?;
    let runs = String::from_utf8_lossy(&answer.stdout).trim() == format!("austin {version}");
    runs.then(|| Austin { program: program.to_owned(), version: version.to_owned() })
}

fn pip_command(pip: &Path) -> Command {
    let mut command = Command::new(pip);
    command.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
    command
}

/// Runs a command to its end, quietly unless it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let done = command.output().with_context(|| format!("running {program}"))?;
    let why = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{program} failed: {}", why.lines().last().unwrap_or("it said nothing"));
    Ok(())
}
