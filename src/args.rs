//! The command line exactly as it was typed. What it means is decided in [`crate::plan`].

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use py_spy_profile::Format;

use crate::values::{Delay, Limit, Percent, ProcessId, Rate};

/// Sampling profiler for Python programs
#[derive(Debug, Parser)]
#[command(name = "py-spy", version, infer_subcommands = true, arg_required_else_help = true)]
pub(crate) struct Args {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Records stack traces into a flame graph, speedscope, chrome trace or raw file
    Record(RecordArgs),
    /// Shows a live view of the functions that take the time
    Top(TopArgs),
    /// Prints the stack of every thread once
    Dump(DumpArgs),
    /// Lists the Python processes that can be seen
    Ps {
        /// Print JSON
        #[arg(short, long)]
        json: bool,
    },
    /// Generates completions for a shell
    #[command(hide = true)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What to look at: a running process, or a program to start.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false, id = "target")]
pub(crate) struct TargetArgs {
    /// The process to look at, decimal or hexadecimal with 0x; several with commas between them or the option again
    #[arg(short, long, value_name = "pid", value_delimiter = ',')]
    pub pid: Vec<ProcessId>,

    /// Command line of a program to start, best given after --
    #[arg(value_name = "python_program", value_hint = ValueHint::CommandName)]
    pub python_program: Vec<OsString>,
}

/// Options that `record` and `top` share.
#[derive(Debug, clap::Args)]
pub(crate) struct SamplingArgs {
    /// Samples to take a second
    #[arg(short, long, value_name = "rate", default_value = "100", allow_negative_numbers = true)]
    pub rate: Rate,

    /// Only the thread that holds the GIL
    #[arg(short, long)]
    pub gil: bool,

    /// Also threads that are idle
    #[arg(short, long)]
    pub idle: bool,

    /// Also the processes that it starts, their children and so on
    #[arg(short, long)]
    pub subprocesses: bool,

    /// Leave a started program running at the end
    #[arg(long, conflicts_with = "pid")]
    pub keep_running: bool,

    /// Who takes the samples: the kernel, which stops nothing, or py-spy, by stopping or not; auto is what costs the program less
    #[arg(long, value_name = "sampler", default_value = "auto", value_enum, conflicts_with = "nonblocking")]
    pub sampler: SamplerChoice,

    /// Also the frames of the kernel, in system calls and page faults; for samples that the kernel takes
    #[arg(long, conflicts_with = "nonblocking")]
    pub kernel: bool,

    /// Most per cent of the time that stopped threads may stand still; the rate is lowered to fit
    #[arg(long, value_name = "percent", default_value = "25", allow_negative_numbers = true)]
    pub max_overhead: Percent,
}

/// Who takes the samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum SamplerChoice {
    Auto,
    Kernel,
    Stop,
    Nonblocking,
}

/// Options of every verb that reads stacks.
#[derive(Debug, clap::Args)]
pub(crate) struct StackArgs {
    /// Also the frames of native code: extensions, libraries, the interpreter's own functions
    #[arg(short, long)]
    pub native: bool,

    /// The same, and threads that run no Python too (those of numerical libraries, for instance)
    #[arg(long)]
    pub native_all: bool,

    /// Never stop the program; what moves while it is read is left out
    #[arg(long)]
    pub nonblocking: bool,

    /// Leave it at EINTR when a stop cuts a system call short: else it is begun again through the thread's registers
    #[arg(long)]
    pub no_restart: bool,

    /// Whole file names instead of those relative to their package
    #[arg(long)]
    pub full_filenames: bool,

    /// Also frames that are hidden by default: of the import machinery and of the interpreter itself
    #[arg(long)]
    pub full_stack: bool,
}

/// Options of `record`.
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "py-spy record [OPTIONS] --pid <pid>\n       py-spy record [OPTIONS] -- <python_program>..."
)]
#[expect(clippy::struct_excessive_bools, reason = "each is one flag that was typed")]
pub(crate) struct RecordArgs {
    #[command(flatten)]
    pub target: TargetArgs,

    /// File to write; - is standard output. By default NAME-TIME in the current directory
    #[arg(short, long, value_name = "filename", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,

    /// File format
    #[arg(short, long, value_name = "format", value_parser = format_parser(), ignore_case = true, default_value = "flamegraph")]
    pub format: Format,

    /// How long to record: seconds, or a number with ms, s, m or h
    #[arg(short, long, value_name = "duration", default_value = "unlimited", allow_negative_numbers = true)]
    pub duration: Limit,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    /// Show each function's first line instead of the line that runs
    #[arg(short = 'F', long)]
    pub function: bool,

    /// Show no line numbers
    #[arg(long)]
    pub nolineno: bool,

    /// Put the thread's name under each stack
    #[arg(short, long)]
    pub threads: bool,

    #[command(flatten)]
    pub stack: StackArgs,

    /// Say at the end what the samples cost: for how long threads stood still, stops and reads
    #[arg(long)]
    pub stats: bool,

    /// Capture the output of the started program
    #[arg(long, hide = true)]
    pub capture: bool,

    /// Show no progress
    #[arg(long, hide = true)]
    pub hideprogress: bool,
}

/// Options of `top`.
#[derive(Debug, clap::Args)]
#[command(override_usage = "py-spy top [OPTIONS] --pid <pid>\n       py-spy top [OPTIONS] -- <python_program>...")]
pub(crate) struct TopArgs {
    #[command(flatten)]
    pub target: TargetArgs,

    #[command(flatten)]
    pub sampling: SamplingArgs,

    #[command(flatten)]
    pub stack: StackArgs,

    /// Seconds between two refreshes
    #[arg(long, value_name = "seconds", default_value = "1.0", allow_negative_numbers = true)]
    pub delay: Delay,
}

/// Options of `dump`.
#[derive(Debug, clap::Args)]
pub(crate) struct DumpArgs {
    /// The process to look at, decimal or hexadecimal with 0x; several with commas between them or the option again
    #[arg(short, long, value_name = "pid", value_delimiter = ',', required_unless_present = "core")]
    pub pid: Vec<ProcessId>,

    /// A core file to look at instead
    #[arg(short, long, value_name = "core", value_hint = ValueHint::FilePath, conflicts_with_all = ["pid", "subprocesses", "nonblocking"])]
    pub core: Option<PathBuf>,

    /// Folder below which the files are that a core file's program had mapped
    #[arg(long, value_name = "folder", value_hint = ValueHint::DirPath, requires = "core")]
    pub sysroot: Option<PathBuf>,

    /// Also the processes that it has started, their children and so on
    #[arg(short, long)]
    pub subprocesses: bool,

    #[command(flatten)]
    pub stack: StackArgs,

    /// Print JSON
    #[arg(short, long)]
    pub json: bool,

    /// Also the variables of each frame; again for longer values (-ll), and for those of modules too (-lll)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub locals: u8,

    /// Characters to show of each value, instead of 128 for each -l
    #[arg(long, value_name = "number", requires = "locals", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_characters: Option<u32>,

    /// Elements to show of each list, dict and so on
    #[arg(long, value_name = "number", requires = "locals", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub max_elements: u32,

    /// Also hide the values of what is named so; * stands for anything. Passwords, tokens and the like are hidden in any case
    #[arg(long, value_name = "name", value_delimiter = ',')]
    pub redact: Vec<String>,

    /// Hide no values
    #[arg(long, conflicts_with = "redact")]
    pub no_redact: bool,

    /// Only the threads with this name; * stands for anything
    #[arg(long, value_name = "name")]
    pub thread: Vec<String>,

    /// Also what each thread is doing: the system call, file, socket or lock that it waits for, the exception that it handles
    #[arg(long)]
    pub state: bool,

    /// Threads with equal stacks once
    #[arg(long, conflicts_with = "json")]
    pub merge: bool,

    /// Also the source line of each frame, where its file can be read; from 3.11 on with the part that is running underlined
    #[arg(long)]
    pub source: bool,
}

/// Lets help and completions know the names of the formats.
fn format_parser() -> impl TypedValueParser<Value = Format> {
    let names = Format::ALL.map(|format| PossibleValue::new(format.name()).aliases(format.aliases()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Format>())
}
