//! One run of one profiler, with all that is measured in it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeValLike;
use nix::unistd::Pid;

use super::figures::median;
use super::lab::Lab;
use super::peers::{Harvest, Order, Peer};
use super::subject::{Subject, now};

/// For how long the program is watched alone, before and after.
const ALONE: Duration = Duration::from_millis(200);

/// When every profiler has begun: where it has a CPU of its own, and where it has not.
const BEGUN: [Duration; 2] = [Duration::from_millis(500), Duration::from_millis(1500)];

/// How long a profiler may need for what it does before and after it samples.
const PATIENCE: Duration = Duration::from_secs(15);

/// Samples a second to ask for, if as many are wanted as can be had.
pub(crate) const HIGHEST: u32 = 1_000_000;

/// How often and for how long a profiler shall sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    /// Samples a second.
    pub(crate) rate: u32,
    pub(crate) seconds: u32,
    /// Native frames too.
    pub(crate) native: bool,
}

impl Ask {
    /// For Python frames.
    pub(crate) const fn python(rate: u32, seconds: u32) -> Ask {
        Ask { rate, seconds, native: false }
    }
}

/// What a run of a profiler gave.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) harvest: Harvest,
    /// For how long it sampled.
    pub(crate) seconds: f64,
    /// Seconds of CPU time, from its start to its end.
    pub(crate) cpu: f64,
    /// How it ended, and what it said last.
    pub(crate) last: String,
}

/// What a run beside a program that counts its work gave.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) samples: u64,
    /// Samples a second.
    pub(crate) rate: f64,
    /// Seconds of CPU time, from its start to its end.
    pub(crate) cpu: f64,
    /// For how long it sampled.
    pub(crate) seconds: f64,
    /// How much less the program did, in percent; not a number when it does nothing.
    pub(crate) slowed: f64,
}

/// Where a profiler runs, and what runs it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Place {
    /// Another CPU than the profiler's own.
    pub(crate) cpu: Option<usize>,
    /// Words before its command.
    pub(crate) wrapper: Vec<OsString>,
}

/// Runs a profiler on its CPU beside a program.
pub(crate) fn measure(lab: &Lab, peer: &dyn Peer, subject: &Subject, ask: Ask) -> Result<Measured> {
    measure_at(lab, peer, subject, ask, &Place::default())
}

/// Runs a profiler beside a program.
pub(crate) fn measure_at(lab: &Lab, peer: &dyn Peer, subject: &Subject, ask: Ask, place: &Place) -> Result<Measured> {
    std::thread::sleep(ALONE);
    let start = now();
    let run = run(lab, peer, subject.id(), ask, subject.shape.sleepers > 0, place)?;
    let end = now();
    // Its status says little: some end with an error if they had to be interrupted, or if a few samples failed.
    ensure!(run.harvest.samples > 0 || !subject.shape.busy, "{}", run.last);
    std::thread::sleep(ALONE);
    let mut alone = subject.work(start - ALONE.as_nanos() as u64, start)?;
    alone.extend(subject.work(end, now())?);
    let begun = BEGUN[usize::from(place.cpu.is_some())];
    // It keeps the time from when it has begun, so this ends before it does.
    let during = subject.work(start + begun.as_nanos() as u64, start + u64::from(ask.seconds) * 1_000_000_000)?;
    let slowed = match (median(&during), median(&alone)) {
        (Some(during), Some(alone)) if alone > 0.0 => 100.0 * (1.0 - during / alone),
        _ => f64::NAN,
    };
    let samples = run.harvest.samples;
    Ok(Measured { samples, rate: samples as f64 / run.seconds, cpu: run.cpu, seconds: run.seconds, slowed })
}

/// Runs a profiler.
pub(crate) fn run(lab: &Lab, peer: &dyn Peer, pid: u32, ask: Ask, threads: bool, place: &Place) -> Result<Run> {
    let out = lab.scratch.path().join("out");
    std::fs::remove_file(&out).ok();
    let plain = peer.command(&Order { pid, ask, threads, out: out.clone() });
    let mut command = wrapped(&plain, &place.wrapper);
    // What it says must be the same everywhere.
    command.env("LC_ALL", "C").env("NO_COLOR", "1");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let cpu = used()?;
    let child = lab.cpus.spawn(place.cpu.unwrap_or(lab.cpus.profiler), &mut command);
    let child = child.with_context(|| format!("starting {}", peer.name()))?;
    let mut running = Running { child, wrapped: !place.wrapper.is_empty(), began: Instant::now() };
    let said = running.listen(peer.begins(), Duration::from_secs(ask.seconds.into()))?;
    let ended = Instant::now();
    let status = running.child.wait()?;
    let cpu = used()? - cpu;
    let harvest = peer.harvest(&said, &out).with_context(|| peer.name())?;
    let last = said.iter().rfind(|line| !line.is_empty()).map_or("it said nothing", String::as_str);
    let last = format!("{}: {status}: {last}", peer.name());
    std::fs::remove_file(&out).ok();
    let seconds = harvest.seconds.unwrap_or((ended - running.began).as_secs_f64());
    Ok(Run { harvest, seconds, cpu, last })
}

/// The same command behind other words.
fn wrapped(plain: &Command, words: &[OsString]) -> Command {
    let all: Vec<_> =
        words.iter().map(OsString::as_os_str).chain([plain.get_program()]).chain(plain.get_args()).collect();
    let mut command = Command::new(all[0]);
    command.args(&all[1..]);
    command
}

/// CPU seconds of all children that have ended.
fn used() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok((usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}

/// A profiler that runs; it is killed when this is dropped.
struct Running {
    child: Child,
    /// The child is not the profiler, but runs it.
    wrapped: bool,
    /// When it began to sample, as far as it says.
    began: Instant,
}

impl Running {
    /// Waits for the end of what it says. Interrupts it when the time is over, if it does not keep the time by itself.
    fn listen(&mut self, begins: Option<&str>, time: Duration) -> Result<Vec<String>> {
        let (sender, receiver) = channel();
        spawn_reader(self.child.stdout.take().context("no output")?, sender.clone());
        spawn_reader(self.child.stderr.take().context("no output")?, sender);
        let mut said = Vec::new();
        let mut deadline = self.began + time + PATIENCE;
        let mut interrupted = false;
        loop {
            match next(&receiver, deadline) {
                Ok((at, line)) => {
                    if begins.is_some_and(|words| line.contains(words)) {
                        (self.began, deadline) = (at, at + time);
                    }
                    said.push(line);
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(said),
                Err(RecvTimeoutError::Timeout) if interrupted => bail!("it does not end"),
                Err(RecvTimeoutError::Timeout) => {
                    kill(self.profiler(), Signal::SIGINT).ok();
                    (interrupted, deadline) = (true, Instant::now() + PATIENCE);
                }
            }
        }
    }

    /// The profiler itself.
    fn profiler(&self) -> Pid {
        let own = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let child = children.split_whitespace().next().and_then(|text| text.parse().ok());
        Pid::from_raw(child.filter(|_| self.wrapped).unwrap_or(own as i32))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, unless something went wrong.
        if let Ok(None) = self.child.try_wait() {
            kill(self.profiler(), Signal::SIGKILL).ok();
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}

type Line = (Instant, String);

/// The next line before some time.
fn next(lines: &Receiver<Line>, deadline: Instant) -> Result<Line, RecvTimeoutError> {
    lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
}

/// Sends all lines with the times at which they came.
fn spawn_reader(stream: impl Read + Send + 'static, lines: Sender<Line>) {
    std::thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            if lines.send((Instant::now(), text)).is_err() {
                return;
            }
            line.clear();
        }
    });
}

/// Says what went wrong, if something did: the others go on.
pub(crate) fn tried<T>(result: Result<T>) -> Option<T> {
    result.inspect_err(|error| super::lab::say(&format!("{error:#}"))).ok()
}
