//! How an error looks: one line, and a `hint:` line where there is a next step.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use py_spy_profile::for_terminal;
use py_spy_sampler::AttachError;
use py_spy_target::launch::LaunchError;

use crate::say;

/// An error with a next step.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Hinted {
    message: String,
    hint: String,
}

impl Hinted {
    /// An error with a next step.
    pub(crate) fn new(message: impl Into<String>, hint: impl Into<String>) -> Hinted {
        Hinted { message: message.into(), hint: hint.into() }
    }
}

/// Why a file can not be written, with a hint where we know one.
pub(crate) fn cannot_write(path: &Path, error: &io::Error) -> anyhow::Error {
    let message = format!("cannot write '{}': {}", path.display(), describe(error));
    match hint_for(path, error.kind()) {
        Some(hint) => Hinted::new(message, hint).into(),
        None => anyhow::anyhow!(message),
    }
}

/// What it means that standard output can not be written.
pub(crate) fn cannot_print(error: &io::Error) -> anyhow::Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return anyhow::anyhow!("standard output was closed before everything was written");
    }
    anyhow::anyhow!("cannot write to standard output: {}", describe(error))
}

/// The system's words without Rust's `(os error 2)`.
pub(crate) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    match text.rfind(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

fn hint_for(path: &Path, kind: io::ErrorKind) -> Option<String> {
    let folder = path.parent().map(|folder| folder.display().to_string()).filter(|folder| !folder.is_empty());
    Some(match kind {
        io::ErrorKind::NotFound => format!("make the folder first: mkdir -p {}", folder?),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "choose another place with --output".to_owned()
        }
        io::ErrorKind::IsADirectory => "name a file in it with --output".to_owned(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "make room, or choose another place with --output".to_owned()
        }
        _ => return None,
    })
}

/// Prints an error; the exit code that goes with it.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let (bad, good) = (heading(AnsiColor::Red), heading(AnsiColor::Green));
    say::line(&format!("{bad}Error:{bad:#} {}", for_terminal(&format!("{error:#}"))));
    if let Some(hint) = error.chain().find_map(hint) {
        for part in hint.lines() {
            say::line(&format!("{good}hint:{good:#} {}", for_terminal(part)));
        }
    }
    ExitCode::FAILURE
}

fn heading(color: AnsiColor) -> Style {
    Style::new().bold().fg_color(Some(color.into()))
}

fn hint<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a str> {
    None.or_else(|| error.downcast_ref::<Hinted>().map(|error| error.hint.as_str()))
        .or_else(|| error.downcast_ref::<AttachError>().and_then(|error| error.hint.as_deref()))
        .or_else(|| error.downcast_ref::<LaunchError>().and_then(LaunchError::hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use py_spy_sampler::Later;

    #[test]
    fn what_can_not_be_written_is_told_without_numbers() {
        let missing = io::Error::from_raw_os_error(2);
        let error = cannot_write(Path::new("no/x.svg"), &missing);
        assert_eq!(error.to_string(), "cannot write 'no/x.svg': No such file or directory");
        assert_eq!(error.chain().find_map(hint), Some("make the folder first: mkdir -p no"));
    }

    #[test]
    fn hints_are_found_below_a_context() {
        let error = AttachError { message: "no".into(), hint: Some("try sudo".into()), later: Later::No };
        let error = anyhow::Error::new(error).context("process 1");
        assert_eq!(error.chain().find_map(hint), Some("try sudo"));
    }
}
