//! Words to the user. A closed pipe at the other end is no reason to panic, as `print!` and `eprintln!` would.

use std::borrow::Cow;
use std::io::{IsTerminal, Write};

use crate::errors::cannot_print;

/// Writes to standard output, where results go. Escape sequences are taken out unless it is a terminal.
pub(crate) fn print(text: &[u8]) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let kept = match anstream::AutoStream::choice(&out) {
        // At once: to take them out on the way would be a system call for each piece between them.
        anstream::ColorChoice::Never => Cow::Owned(anstream::adapter::strip_bytes(text).into_vec()),
        _ => Cow::Borrowed(text),
    };
    out.write_all(&kept).and_then(|()| out.flush()).map_err(|error| cannot_print(&error))
}

/// How many characters a line of standard output has room for; 80 if that is no terminal.
pub(crate) fn width() -> usize {
    let terminal = std::io::stdout().is_terminal();
    crossterm::terminal::size().ok().filter(|_| terminal).map_or(80, |(width, _)| width.into())
}

/// Writes a line to standard error, where messages go. There is nothing to be done when nobody listens.
pub(crate) fn line(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}
