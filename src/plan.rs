//! What the command line means: checked, with every default filled in.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap_complete::Shell;
use jiff::Zoned;
use py_spy_profile::Format;
use py_spy_sampler::{AtOnce, Limits, LineMode, Mode, Options, Redaction, SECRETS, ValueOptions};

use crate::args::{Args, DumpArgs, RecordArgs, SamplerChoice, SamplingArgs, StackArgs, TargetArgs, TopArgs, Verb};
use crate::errors::Hinted;
use crate::values::{ProcessId, Rate};

/// Characters of a value that each `-l` stands for.
const CHARACTERS: usize = 128;

/// From so many `-l` on a module's variables are shown.
const GLOBALS_FROM: u8 = 3;

/// What to do.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Record a profile.
    Record(RecordPlan),
    /// Show the live table.
    Top(TopPlan),
    /// Print all stacks once.
    Dump(DumpPlan),
    /// List the Python processes.
    Ps {
        /// JSON instead of text.
        json: bool,
    },
    /// Print a shell's completions.
    Completions(Shell),
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// Running processes.
    Processes(Vec<u32>),
    /// A program to start: its words.
    Command(Vec<OsString>),
}

/// Where the profile goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Standard output.
    Stdout,
    /// A file.
    File(PathBuf),
}

/// How to record.
#[derive(Debug)]
pub(crate) struct RecordPlan {
    /// What to look at.
    pub target: Target,
    /// Which of the processes that it comes to.
    pub at_once: AtOnce,
    /// How to sample; the duration too.
    pub options: Options,
    /// Samples a second that were asked for.
    pub rate: Rate,
    /// File format.
    pub format: Format,
    /// Where the profile goes.
    pub destination: Destination,
    /// What a picture is called: our command line.
    pub title: String,
    /// Leave a started program running at the end.
    pub keep_running: bool,
    /// Keep a started program's output from the terminal.
    pub capture: bool,
    /// Show how far we are, on a terminal.
    pub progress: bool,
    /// Say at the end what the samples cost.
    pub stats: bool,
}

/// How to show the live table.
#[derive(Debug)]
pub(crate) struct TopPlan {
    /// What to look at.
    pub target: Target,
    /// Which of the processes that it comes to.
    pub at_once: AtOnce,
    /// How to sample.
    pub options: Options,
    /// Samples a second that were asked for.
    pub rate: Rate,
    /// Time between two refreshes.
    pub delay: Duration,
    /// Leave a started program running at the end.
    pub keep_running: bool,
}

/// How to print all stacks.
#[derive(Debug)]
pub(crate) struct DumpPlan {
    /// The processes to look at.
    pub pids: Vec<u32>,
    /// Also those that come from them.
    pub subprocesses: bool,
    /// How to read the stacks.
    pub options: Options,
    /// JSON instead of text.
    pub json: bool,
    /// Only threads whose names match.
    pub threads: Option<Redaction>,
    /// Threads with equal stacks once.
    pub merge: bool,
    /// A core file to look at instead.
    pub core: Option<PathBuf>,
    /// Where its program's files are.
    pub sysroot: Option<PathBuf>,
    /// Also source lines.
    pub source: bool,
}

impl Plan {
    /// Decides what the arguments mean.
    pub(crate) fn new(args: Args) -> anyhow::Result<Plan> {
        Ok(match args.verb {
            Verb::Record(args) => Plan::Record(RecordPlan::new(args, &std::env::args_os().collect::<Vec<_>>())?),
            Verb::Top(args) => Plan::Top(TopPlan::new(args)?),
            Verb::Dump(args) => Plan::Dump(DumpPlan::new(&args)),
            Verb::Ps { json } => Plan::Ps { json },
            Verb::Completions { shell } => Plan::Completions(shell),
        })
    }
}

impl RecordPlan {
    fn new(args: RecordArgs, typed: &[OsString]) -> anyhow::Result<RecordPlan> {
        let lines = match (args.function, args.nolineno) {
            (true, true) => bail!("--function & --nolinenos can't be used together"),
            (true, false) => LineMode::First,
            (false, true) => LineMode::None,
            (false, false) => LineMode::Current,
        };
        let options = Options {
            duration: args.duration.0,
            thread_frames: args.threads,
            lines,
            ..sampling(&args.sampling, &args.stack)?
        };
        let target = Target::new(args.target);
        let format = args.format;
        let destination = match args.output {
            Some(path) if is_stdout(&path) => Destination::Stdout,
            Some(path) => Destination::File(path),
            None => Destination::File(default_name(&target, &Zoned::now(), format)),
        };
        Ok(RecordPlan {
            at_once: target.at_once(args.sampling.subprocesses),
            target,
            options,
            rate: args.sampling.rate,
            format,
            destination,
            title: typed.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "),
            keep_running: args.sampling.keep_running,
            capture: args.capture,
            progress: !args.hideprogress,
            stats: args.stats,
        })
    }
}

impl TopPlan {
    fn new(args: TopArgs) -> anyhow::Result<TopPlan> {
        let target = Target::new(args.target);
        Ok(TopPlan {
            options: sampling(&args.sampling, &args.stack)?,
            at_once: target.at_once(args.sampling.subprocesses),
            target,
            rate: args.sampling.rate,
            delay: args.delay.0,
            keep_running: args.sampling.keep_running,
        })
    }
}

impl DumpPlan {
    fn new(args: &DumpArgs) -> DumpPlan {
        // A dump shows every thread.
        let options = Options { include_idle: true, values: values(args), spans: args.source, ..stacks(&args.stack) };
        DumpPlan {
            pids: ids(&args.pid),
            subprocesses: args.subprocesses,
            options,
            json: args.json,
            threads: (!args.thread.is_empty()).then(|| Redaction::of(args.thread.iter().map(String::as_str))),
            merge: args.merge,
            core: args.core.clone(),
            sysroot: args.sysroot.clone(),
            source: args.source,
        }
    }
}

impl Target {
    fn new(args: TargetArgs) -> Target {
        if args.pid.is_empty() {
            return Target::Command(args.python_program);
        }
        Target::Processes(ids(&args.pid))
    }

    fn at_once(&self, subprocesses: bool) -> AtOnce {
        match self {
            _ if subprocesses => AtOnce::Family,
            Target::Processes(pids) if pids.len() > 1 => AtOnce::Founders,
            _ => AtOnce::One,
        }
    }
}

/// Each once, in the order in which they were typed.
fn ids(typed: &[ProcessId]) -> Vec<u32> {
    let mut ids: Vec<u32> = Vec::new();
    for &ProcessId(pid) in typed {
        if !ids.contains(&pid) {
            ids.push(pid);
        }
    }
    ids
}

fn sampling(args: &SamplingArgs, stack: &StackArgs) -> anyhow::Result<Options> {
    let mode = match args.sampler {
        _ if stack.nonblocking => Mode::Nonblocking,
        SamplerChoice::Stop | SamplerChoice::Nonblocking if args.kernel => {
            let message = "--kernel: only the kernel itself knows where a thread is in it";
            return Err(Hinted::new(message, "let it take the samples: --sampler kernel").into());
        }
        SamplerChoice::Kernel => Mode::Kernel,
        SamplerChoice::Auto if args.kernel => Mode::Kernel,
        SamplerChoice::Auto | SamplerChoice::Stop => Mode::Stop,
        SamplerChoice::Nonblocking => Mode::Nonblocking,
    };
    Ok(Options {
        mode,
        insist: mode == Mode::Kernel,
        kernel_frames: args.kernel,
        cheaper: args.sampler == SamplerChoice::Auto && mode == Mode::Stop,
        interval: args.rate.interval(),
        max_overhead: args.max_overhead.share(),
        gil_only: args.gil,
        include_idle: args.idle,
        ..stacks(stack)
    })
}

/// Which values are shown.
fn values(args: &DumpArgs) -> Option<ValueOptions> {
    if args.locals == 0 && !args.state {
        return None;
    }
    let characters = args.max_characters.map_or(CHARACTERS * usize::from(args.locals.max(1)), |most| most as usize);
    let always = if args.no_redact { &[][..] } else { &SECRETS[..] };
    Some(ValueOptions {
        limits: Limits { characters, elements: args.max_elements as usize },
        variables: args.locals > 0,
        globals: args.locals >= GLOBALS_FROM,
        states: args.state,
        redaction: Redaction::of(always.iter().copied().chain(args.redact.iter().map(String::as_str))),
    })
}

fn stacks(args: &StackArgs) -> Options {
    Options {
        mode: if args.nonblocking { Mode::Nonblocking } else { Mode::Stop },
        native: args.native || args.native_all,
        native_all: args.native_all,
        restart_calls: !args.no_restart,
        full_filenames: args.full_filenames,
        full_stack: args.full_stack,
        ..Options::default()
    }
}

/// True for `-` and for the names that the kernel has for our standard output. Opened by name, a file that standard
/// output is appended to would be written from its start.
fn is_stdout(path: &Path) -> bool {
    ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"].iter().any(|name| path.as_os_str() == *name)
}

/// `NAME-TIME.EXTENSION`, where NAME is the program's without its folder, or the process id.
fn default_name(target: &Target, now: &Zoned, format: Format) -> PathBuf {
    let mut name = match target {
        Target::Processes(pids) => pids.first().map_or_else(String::new, u32::to_string).into(),
        Target::Command(words) => {
            words.first().and_then(|word| Path::new(word).file_name()).unwrap_or(OsStr::new("profile")).to_owned()
        }
    };
    name.push(now.strftime("-%Y-%m-%dT%H-%M-%S%z.").to_string());
    name.push(format.extension());
    name.into()
}

#[cfg(test)]
mod tests;
