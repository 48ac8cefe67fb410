//! Finding CPython in a process, and saying why when it can not be done.

mod permission;

use py_spy_address_space::{Addr, Fault, FaultKind};
use py_spy_python::{NotPython, Python};
use py_spy_target::{Live, ProcessError, Target};

use crate::binaries::{Binaries, NotFound};
use crate::{AttachError, Later};

/// The process with this id.
pub(crate) fn process(pid: u32) -> Result<Target, AttachError> {
    Target::find(pid).map_err(|why| no_process(&why))
}

/// A process with its Pythons: mostly one.
#[derive(Debug)]
pub(crate) struct Attached {
    pub(crate) target: Target,
    /// At least one, each with the process's memory for itself.
    pub(crate) pythons: Vec<(Live, Python)>,
}

/// Opens a process and finds its Pythons.
pub(crate) fn attach(target: Target) -> Result<Attached, AttachError> {
    let pid = target.pid;
    let mappings = target.mappings().map_err(|why| match why.kind() {
        std::io::ErrorKind::PermissionDenied => denied(&target),
        _ => gone(pid, &format!("its memory map could not be read: {why}")),
    })?;
    let probe = mappings.iter().find(|mapping| mapping.read && mapping.file.1 != 0);
    let Some(probe) = probe else {
        // The map of a process of another user is empty; so is that of a process that is just ending.
        return Err(if target.permission().can_trace { gone(pid, "it has no memory") } else { denied(&target) });
    };
    let open = || Live::open(pid, probe.range.start).map_err(|fault| unreadable(&target, fault));
    let memory = open()?;
    let found = Binaries::of(&target, &memory, &mappings).find_all().map_err(|missed| not_python(&target, &missed))?;
    let pythons = found.into_iter().map(|python| Ok((open()?, python))).collect::<Result<_, AttachError>>()?;
    Ok(Attached { target, pythons })
}

/// The Pythons that a process has loaded besides those whose `_PyRuntime` is known, in files that are named so.
pub(crate) fn further(target: &Target, known: &[Addr]) -> Vec<(Live, Python)> {
    let mappings = target.mappings().unwrap_or_default();
    let Some(probe) = mappings.iter().find(|mapping| mapping.read && mapping.file.1 != 0) else { return Vec::new() };
    let open = || Live::open(target.pid, probe.range.start);
    let Ok(memory) = open() else { return Vec::new() };
    let found = Binaries::of(target, &memory, &mappings).find_further(known);
    found.into_iter().filter_map(|python| Some((open().ok()?, python))).collect()
}

fn error(message: String, hint: Option<String>, later: Later) -> AttachError {
    AttachError { message, hint, later }
}

fn no_process(why: &ProcessError) -> AttachError {
    let hint = match why {
        ProcessError::None(_) => Some("`py-spy ps` lists the Python processes that there are".to_owned()),
        ProcessError::Hidden(_) => Some(
            "/proc is mounted so that it shows only one's own (hidepid): run it as root: `sudo env \"PATH=$PATH\" py-spy ...`"
                .to_owned(),
        ),
        _ => None,
    };
    error(why.to_string(), hint, Later::No)
}

fn gone(pid: u32, why: &str) -> AttachError {
    error(format!("process {pid} is ending: {why}"), None, Later::Soon)
}

fn unreadable(target: &Target, fault: Fault) -> AttachError {
    match fault.why {
        FaultKind::Denied => denied(target),
        FaultKind::Gone | FaultKind::Unmapped => gone(target.pid, &fault.to_string()),
    }
}

fn describe(target: &Target) -> String {
    let exe = target.executable().map(|path| path.display().to_string()).unwrap_or_default();
    let (pid, name) = (target.pid, target.name());
    if exe.is_empty() { format!("process {pid} ({name})") } else { format!("process {pid} ({name}, {exe})") }
}

fn denied(target: &Target) -> AttachError {
    let message = format!("no permission to read the memory of {}", describe(target));
    error(message, Some(permission::hint(&target.permission())), Later::No)
}

fn not_python(target: &Target, missed: &NotFound) -> AttachError {
    let what = describe(target);
    let NotFound { why, path, unread } = missed;
    let (message, hint, later) = match why {
        NotPython::None => (
            format!("{what} is not a Python program: none of its mapped files is CPython{}", unread_too(unread)),
            Some(
                "if it has started a Python, --subprocesses finds that one too; `py-spy ps` lists all that there are"
                    .to_owned(),
            ),
            Later::Perhaps,
        ),
        NotPython::Early => (
            format!("{what} has a CPython that is not initialised: {path}"),
            Some("it is just starting or ending: try again; or it has Python loaded and does not use it".to_owned()),
            Later::Soon,
        ),
        NotPython::Version(version) => (
            format!("{what} is CPython {version}, which is not supported"),
            Some("supported are CPython 2.3 and later".to_owned()),
            Later::No,
        ),
        NotPython::Unusable(unusable) => (format!("{what}: {path}: {unusable}"), None, Later::Soon),
        NotPython::Memory(_) => (
            format!("{what}: {path}: {why}"),
            Some("if it is just starting, try again; else RUST_LOG=info shows what was found".to_owned()),
            Later::Soon,
        ),
    };
    error(message, hint, later)
}

/// The files of which nothing is known, for the end of a message.
fn unread_too(unread: &[String]) -> String {
    match unread {
        [] => String::new(),
        [one] => format!(" ({one})"),
        [first, rest @ ..] => format!(" ({first}; {} more could not be read)", rest.len()),
    }
}
