//! One run of a program, alone or with py-spy.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use super::table::Program;
use super::truth::{Life, Seen, lives, seen};

/// A program that has not ended by then never will.
const LONGEST: Duration = Duration::from_mins(3);

/// Between two looks whether something has happened.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Who looks at the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Nobody.
    Alone,
    /// `record -s -- COMMAND`.
    Started,
    /// `record -s --pid PID`.
    Named,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Trial {
    pub(super) status: ExitStatus,
    pub(super) output: Vec<u8>,
    pub(super) took: Duration,
    pub(super) lives: BTreeMap<u32, Life>,
    /// From when on py-spy was there; since the system started.
    pub(super) since: Duration,
    /// When the program had ended.
    pub(super) until: Duration,
    pub(super) seen: Seen,
    /// What is not as it should be.
    pub(super) faults: Vec<String>,
}

/// What all runs share.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) py_spy: PathBuf,
    /// The virtual environment.
    pub(super) venv: PathBuf,
    /// The folder with the programs.
    pub(super) sources: PathBuf,
}

impl Place {
    /// Runs a program to its end.
    pub(super) fn run(&self, program: &Program, way: Way) -> Result<Trial> {
        let scratch = TempDir::new()?;
        let at = |name: &str| scratch.path().join(name);
        copy(&self.sources, &at("work"))?;
        std::fs::create_dir(at("folder"))?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port().to_string();
        let fill = |word: &str| word.replace("PORT", &port).replace("FOLDER", &at("folder").to_string_lossy());
        // The program's own words go where ours do not: what py-spy says is told apart.
        let shell = ["sh", "-c", "exec \"$@\" 2>../program.err", "sh"];
        let words = shell.iter().map(|&word| word.to_owned()).chain(words(program.command).map(|word| fill(&word)));
        let words: Vec<String> = words.collect();
        let record = ["record", "-i", "-s", "-f", "raw", "-o", "../raw"];
        let command = |program: &Path| {
            let mut command = Command::new(program);
            let path = std::env::var("PATH").unwrap_or_default();
            command
                .current_dir(at("work"))
                .env("PATH", format!("{}:{path}", self.venv.join("bin").display()))
                .env("VIRTUAL_ENV", &self.venv)
                .env("PYTHONPATH", format!("{0}/truth:{0}", at("work").display()))
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .env("PROGRAM_FOLDER", at("folder"))
                .env("PROGRAM_LOG", at("log"))
                .stdin(Stdio::null());
            command
        };
        let create = |name: &str| std::fs::File::create(at(name));
        let (mut faults, began) = (Vec::new(), Instant::now());
        let mut program_command = command(Path::new(&words[0]));
        let mut started = if way == Way::Started {
            let mut started = command(&self.py_spy);
            started.args(record).arg("--").args(&words).stderr(create("py-spy.err")?);
            started
        } else {
            program_command.args(&words[1..]);
            program_command
        };
        let mut child = Guard(started.stdout(create("output")?).spawn().context(program.name)?);
        let mut load = None;
        if let Some(words) = program.load {
            let mut loading = command(&self.venv.join("bin/python"));
            loading.args(words.split(' ').map(fill)).env_remove("PROGRAM_LOG").env("PROGRAM_LOAD", "1");
            load = Some(Guard(loading.stdout(create("load.out")?).stderr(create("load.err")?).spawn()?));
        }
        let mut recorder = None;
        let mut since = Duration::ZERO;
        if way == Way::Named {
            while lives(&at("log")).is_empty() && child.0.try_wait()?.is_none() && began.elapsed() < LONGEST {
                std::thread::sleep(LOOK_EVERY);
            }
            let pid = child.0.id().to_string();
            let dump = command(&self.py_spy).args(["dump", "-s", "--pid", &pid]).output()?;
            let said = String::from_utf8_lossy(&dump.stderr);
            if !dump.status.success() || !said.is_empty() {
                faults.push(format!("dump: {} {}", dump.status, said.trim()));
            }
            let mut recording = command(&self.py_spy);
            recording.args(record).args(["--pid", &pid]).stderr(create("py-spy.err")?);
            since = now()?;
            recorder = Some(Guard(recording.spawn()?));
        }
        let status = child.end(began)?;
        let (took, until) = (began.elapsed(), now()?);
        if let Some(mut recorder) = recorder {
            let status = recorder.end(began)?;
            if !status.success() {
                faults.push(format!("record: {status}"));
            }
        }
        if let Some(mut load) = load {
            let status = load.end(began)?;
            if !status.success() {
                faults.push(format!("the load: {status}"));
            }
        }
        faults.extend(complaints(&at("py-spy.err")));
        if way != Way::Alone {
            faults.extend(left_behind(&at("log")));
        }
        let trial = Trial {
            status,
            output: std::fs::read(at("output"))?,
            took,
            lives: lives(&at("log")),
            since,
            until,
            seen: seen(&at("raw")),
            faults,
        };
        if std::env::var_os("KEEP").is_some() {
            super::say(&format!("kept {}", scratch.keep().display()));
        }
        Ok(trial)
    }
}

/// A process that is killed when it is dropped.
struct Guard(Child);

impl Guard {
    fn end(&mut self, began: Instant) -> Result<ExitStatus> {
        while began.elapsed() < LONGEST {
            if let Some(status) = self.0.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("it has not ended after {} seconds", LONGEST.as_secs())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // It has ended already if all went well.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The words of a command; those of a shell's script have `_` for blanks.
fn words(command: &str) -> impl Iterator<Item = String> + '_ {
    let script = command.strip_prefix("sh -c ");
    let words = script.is_none().then(|| command.split(' ').map(str::to_owned)).into_iter().flatten();
    let shell = script.map(|script| ["sh".to_owned(), "-c".to_owned(), script.replace('_', " ")]);
    words.chain(shell.into_iter().flatten())
}

/// What py-spy said that is no part of every recording.
fn complaints(said: &Path) -> Vec<String> {
    // The last is true of a machine that has other things to do.
    const USUAL: [&str; 5] =
        ["Stopped sampling because", "Wrote raw", "You can use the flamegraph.pl", "samples of", "(--max-overhead)"];
    let said = std::fs::read_to_string(said).unwrap_or_default();
    let lines = said.lines().filter(|line| !USUAL.iter().any(|usual| line.contains(usual)));
    lines.map(str::to_owned).collect()
}

/// Processes of the program that are there when all has ended: those with its log in their environment.
fn left_behind(log: &Path) -> Vec<String> {
    let mark = format!("PROGRAM_LOG={}", log.display());
    let mut left = Vec::new();
    for pid in lives(log).keys() {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        if environment.split(|&byte| byte == 0).any(|variable| variable == mark.as_bytes()) {
            left.push(format!("process {pid} is left"));
        }
    }
    left
}

/// The time since the system started, as Python's `monotonic_ns` has it.
fn now() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            std::fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}

/// What a shell would say of a status.
pub(super) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
