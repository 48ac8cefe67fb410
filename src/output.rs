//! The output file: there is an old one or a whole new one, never a part.
//!
//! The new one grows in a temporary file beside it, made before anything is sampled so that a place that can not be
//! written is known at once, and takes the name in the end. What is no regular file (a pipe, a device) is written
//! directly.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::errors::{cannot_print, cannot_write};
use crate::plan::Destination;

/// Symbolic links that the kernel follows before it gives up.
const MAX_LINKS: usize = 40;

/// An output that is open and not complete yet. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Output {
    /// The name that the user gave; `None` is standard output.
    name: Option<PathBuf>,
    to: To,
}

#[derive(Debug)]
enum To {
    Stdout,
    /// Written directly: a pipe, a device.
    Stream(File),
    /// A file that is to take the place of `target`.
    Beside {
        file: NamedTempFile,
        target: PathBuf,
    },
    /// Gathered in a nameless file and copied over `target` at the end: its folder lets us make no file.
    Into {
        file: File,
        target: File,
    },
}

impl Output {
    /// Opens a destination; nothing that is there is touched yet.
    pub(crate) fn open(destination: &Destination) -> anyhow::Result<Output> {
        match destination {
            Destination::Stdout => Ok(Output { name: None, to: To::Stdout }),
            Destination::File(path) => {
                let to = To::open(path).map_err(|error| cannot_write(path, &error))?;
                Ok(Output { name: Some(path.clone()), to })
            }
        }
    }

    /// How messages call it.
    pub(crate) fn name(&self) -> String {
        self.name.as_ref().map_or_else(|| "-".to_owned(), |path| path.display().to_string())
    }

    /// Gives everything that `write` writes the destination's name, if all of it could be written.
    pub(crate) fn complete(self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> anyhow::Result<()> {
        let result = match self.to {
            To::Stdout => buffered(io::stdout().lock(), write),
            To::Stream(file) => buffered(file, write),
            To::Beside { file, target } => buffered(file.as_file(), write).and_then(|()| replace(file, &target)),
            To::Into { mut file, mut target } => {
                buffered(&file, write).and_then(|()| overwrite(&mut file, &mut target))
            }
        };
        result.map_err(|error| match &self.name {
            Some(path) => cannot_write(path, &error),
            None => cannot_print(&error),
        })
    }
}

impl To {
    fn open(path: &Path) -> io::Result<To> {
        // The kernel's links to open files name things that may have no name; only the link itself leads there.
        let (target, magic) = resolve(path)?;
        let existing = match fs::metadata(path) {
            Ok(existing) => Some(existing),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        match existing {
            Some(existing) if existing.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            // Appending changes nothing for a pipe, and keeps what a redirected file already has.
            Some(existing) if magic || !existing.is_file() => {
                Ok(To::Stream(OpenOptions::new().append(true).open(path)?))
            }
            Some(existing) => To::open_existing(target, &existing),
            None => Ok(To::Beside { file: temporary(&target)?, target }),
        }
    }

    fn open_existing(target: PathBuf, existing: &Metadata) -> io::Result<To> {
        // A file that says read-only is not replaced, though its folder may allow it.
        let old = OpenOptions::new().write(true).open(&target)?;
        let Ok(file) = temporary(&target) else {
            return Ok(To::Into { file: tempfile::tempfile()?, target: old });
        };
        // Best effort: only root can give files away.
        let _ = fchown(file.as_file(), Some(existing.uid()), Some(existing.gid()));
        file.as_file().set_permissions(Permissions::from_mode(existing.mode() & 0o7777))?;
        Ok(To::Beside { file, target })
    }
}

/// A new file in the folder of `target`, with the mode that any new file gets.
fn temporary(target: &Path) -> io::Result<NamedTempFile> {
    let folder = target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    tempfile::Builder::new()
        .prefix(".py-spy-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(folder)
        // tempfile puts its own path into the text; ours is the one that the user knows.
        .map_err(|error| error.get_ref().and_then(raw).unwrap_or(error))
}

fn raw(error: &(dyn std::error::Error + Send + Sync + 'static)) -> Option<io::Error> {
    let source = error.source()?.downcast_ref::<io::Error>()?;
    Some(source.raw_os_error().map_or_else(|| source.kind().into(), io::Error::from_raw_os_error))
}

/// The file that a path leads to through symbolic links, whether it exists or not, and whether a link of the kernel's
/// to an open file was among them.
fn resolve(path: &Path) -> io::Result<(PathBuf, bool)> {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Ok(link) = fs::read_link(&path) else {
            return Ok((path, false));
        };
        let folder = path.parent().unwrap_or(Path::new(""));
        if fs::canonicalize(folder).is_ok_and(|folder| folder.starts_with("/proc")) {
            return Ok((path, true));
        }
        path = folder.join(link);
    }
    Err(nix::errno::Errno::ELOOP.into())
}

fn buffered(out: impl Write, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = io::BufWriter::with_capacity(1 << 16, out);
    let result = write(&mut out).and_then(|()| out.flush());
    if result.is_err() {
        // What is left in the buffer belongs to a file that is given up.
        drop(out.into_parts());
    }
    result
}

fn replace(file: NamedTempFile, target: &Path) -> io::Result<()> {
    // Some file systems find out only here that they are full.
    file.as_file().sync_all()?;
    let Err(refused) = file.persist(target) else {
        return Ok(());
    };
    // A folder such as /tmp lets nobody replace another user's file, but that file itself may be open to us.
    let mut old = OpenOptions::new().write(true).open(target).map_err(|_| refused.error)?;
    let mut file = refused.file;
    overwrite(file.as_file_mut(), &mut old)
}

fn overwrite(from: &mut (impl Read + Seek), to: &mut File) -> io::Result<()> {
    from.rewind()?;
    to.set_len(0)?;
    io::copy(from, to)?;
    to.sync_all()
}

#[cfg(test)]
mod tests;
