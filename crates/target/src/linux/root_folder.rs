//! Files as another process sees them.
//!
//! Below `/proc/PID/root` the kernel follows an absolute symbolic link from *our* root. A container could so have us open
//! any file of the host. So each part of a path is looked up by itself, links are followed here, and nothing leads above
//! the process's root. (`openat2` with `RESOLVE_IN_ROOT` does the same from Linux 5.6 on, where no filter forbids it.)

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstat};

/// Links that one path may lead through, as in the kernel (`MAXSYMLINKS` in `linux/namei.h`).
const MAX_LINKS: usize = 40;

/// Folders that one path may lead down; each is open while the path is followed.
const MAX_DEPTH: usize = 128;

/// Parts of one path, those of its links included.
const MAX_PARTS: usize = 4096;

/// The root folder of a process, and the folder in which its relative paths begin.
#[derive(Debug)]
pub struct RootFolder {
    root: OwnedFd,
    working: Option<OwnedFd>,
}

impl RootFolder {
    /// Of a process.
    ///
    /// # Errors
    /// When there is no such process, or we may not look into its folders.
    pub fn of(pid: u32) -> io::Result<RootFolder> {
        let open = |name: &str| handle(Path::new(&format!("/proc/{pid}/{name}")));
        Ok(RootFolder { root: open("root")?, working: open("cwd").ok() })
    }

    /// A folder of our own that holds the files of another machine. No path that is not absolute leads anywhere.
    ///
    /// # Errors
    /// When there is none.
    pub fn at(folder: &Path) -> io::Result<RootFolder> {
        Ok(RootFolder { root: handle(folder)?, working: None })
    }

    /// Our own.
    ///
    /// # Errors
    /// When it can not be looked into.
    pub fn own() -> io::Result<RootFolder> {
        RootFolder::at(Path::new("/"))
    }

    /// The same once more.
    ///
    /// # Errors
    /// When too many files are open.
    pub fn try_clone(&self) -> io::Result<RootFolder> {
        let working = self.working.as_ref().map(OwnedFd::try_clone).transpose()?;
        Ok(RootFolder { root: self.root.try_clone()?, working })
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// When there is none at this path: what is no regular file (a FIFO could keep us waiting, a device could act) is
    /// not opened.
    pub fn open(&self, path: &Path) -> io::Result<File> {
        read_regular(&self.find(path)?)
    }

    /// True when there is a regular file at this path.
    pub fn has_file(&self, path: &Path) -> bool {
        self.find(path).is_ok_and(|found| kind(&found).is_ok_and(|kind| kind == SFlag::S_IFREG))
    }

    /// Follows a path. What is returned can only be asked about, not read.
    fn find(&self, path: &Path) -> Result<OwnedFd, Errno> {
        let mut left: VecDeque<PathBuf> = parts(path)?.into();
        // Where we are, the folders above it below. `..` goes back along them and never asks the system: who moves a
        // folder while we are in it can not lead us out.
        let mut way: Vec<OwnedFd> = Vec::new();
        let mut base = if path.is_absolute() { &self.root } else { self.working.as_ref().ok_or(Errno::ENOENT)? };
        let (mut links, mut steps) = (0, 0);
        while let Some(part) = left.pop_front() {
            steps += 1;
            if steps > MAX_PARTS || way.len() > MAX_DEPTH {
                return Err(Errno::ENAMETOOLONG);
            }
            if part.as_os_str() == "/" {
                way.clear();
                base = &self.root;
                continue;
            }
            if part.as_os_str() == ".." {
                // Above the root is the root; what is above the working folder is not known.
                if way.pop().is_none() && !std::ptr::eq(base, &raw const self.root) {
                    return Err(Errno::ENOENT);
                }
                continue;
            }
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let next = openat(way.last().unwrap_or(base), part.as_path(), flags, Mode::empty())?;
            if kind(&next)? != SFlag::S_IFLNK {
                way.push(next);
                continue;
            }
            links += 1;
            if links > MAX_LINKS {
                return Err(Errno::ELOOP);
            }
            // A link of /proc leads by its text too, and so not out.
            let to = readlinkat(&next, "")?;
            for part in parts(Path::new(&to))?.into_iter().rev() {
                left.push_front(part);
            }
        }
        way.pop().ok_or(Errno::EISDIR)
    }
}

/// The parts of a path, `/` among them if it begins there.
fn parts(path: &Path) -> Result<Vec<PathBuf>, Errno> {
    if path.as_os_str().as_bytes().contains(&0) {
        return Err(Errno::EINVAL);
    }
    let parts = path.components().filter(|part| !matches!(part, Component::CurDir));
    Ok(parts.take(MAX_PARTS + 1).map(|part| PathBuf::from(part.as_os_str())).collect())
}

/// Opens what is at one of our own paths, without doing anything with it.
fn handle(path: &Path) -> io::Result<OwnedFd> {
    Ok(File::options().read(true).custom_flags(libc::O_PATH).open(path)?.into())
}

fn kind(of: &OwnedFd) -> Result<SFlag, Errno> {
    Ok(SFlag::from_bits_truncate(fstat(of)?.st_mode) & SFlag::S_IFMT)
}

/// Opens what is at one of our own paths, if it is a regular file.
pub(super) fn open_regular(path: &str) -> io::Result<File> {
    read_regular(&handle(Path::new(path))?)
}

fn read_regular(found: &OwnedFd) -> io::Result<File> {
    if kind(found)? != SFlag::S_IFREG {
        return Err(io::Error::other("it is no regular file"));
    }
    File::open(format!("/proc/self/fd/{}", found.as_raw_fd()))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A root in which `inner/file` says `inside`, beside a file that is not in it.
    fn example() -> (tempfile::TempDir, RootFolder) {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().join("root");
        std::fs::create_dir_all(root.join("inner/deep")).expect("a folder");
        std::fs::write(root.join("inner/file"), "inside").expect("a file");
        std::fs::write(folder.path().join("file"), "outside").expect("a file");
        let open = |path: &Path| handle(path).expect("a folder");
        let seen = RootFolder { root: open(&root), working: Some(open(&root.join("inner"))) };
        (folder, seen)
    }

    fn read(seen: &RootFolder, path: &str) -> Option<String> {
        let mut text = String::new();
        seen.open(Path::new(path)).ok()?.read_to_string(&mut text).expect("it can be read");
        Some(text)
    }

    #[test]
    fn links_lead_nowhere_but_inside() {
        let (folder, seen) = example();
        let root = folder.path().join("root");
        let outside = folder.path().join("file");
        symlink("/inner/file", root.join("absolute")).expect("a link");
        symlink("inner/deep/../../absolute", root.join("relative")).expect("a link");
        symlink("../../../../file", root.join("inner/up")).expect("a link");
        symlink(&outside, root.join("host")).expect("a link");
        symlink("/", root.join("inner/top")).expect("a link");
        symlink("round", root.join("round")).expect("a link");
        std::fs::hard_link(root.join("inner/file"), root.join("file")).expect("a link");
        let inside = [
            "/inner/file",
            "/absolute",
            "/relative",
            "/inner/top/inner/./file",
            "/../..//inner/file",
            "/inner/up",
            "file",
            "deep/../file",
        ];
        for path in inside {
            assert_eq!(read(&seen, path).as_deref(), Some("inside"), "{path}");
            assert!(seen.has_file(Path::new(path)), "{path}");
        }
        let long = "/inner/deep/..".repeat(MAX_PARTS);
        let deep = "/inner/top".repeat(MAX_LINKS + 1);
        for path in ["/host", "/round", "/none", "/inner", "/", "", "../file", "/inner/file/x", "a\0b", &long, &deep] {
            assert_eq!(read(&seen, path), None, "{path:?}");
            assert!(!seen.has_file(Path::new(path)), "{path:?}");
        }
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let (folder, seen) = example();
        let fifo = folder.path().join("root/fifo");
        nix::unistd::mkfifo(&fifo, Mode::S_IRWXU).expect("a FIFO");
        symlink("/fifo", folder.path().join("root/link")).expect("a link");
        // Opened for reading it would wait for somebody who writes.
        for path in ["/fifo", "/link"] {
            assert!(!seen.has_file(Path::new(path)));
            assert!(seen.open(Path::new(path)).is_err_and(|why| why.to_string() == "it is no regular file"));
        }
        assert!(open_regular(fifo.to_str().expect("UTF-8")).is_err() && open_regular("/dev/null").is_err());
        assert!(open_regular("/proc/self/exe").is_ok());
    }

    #[test]
    fn our_own_root_is_the_one_that_we_see() {
        let seen = RootFolder::of(std::process::id()).expect("we live");
        let exe = std::env::current_exe().expect("our path");
        assert!(seen.open(&exe).is_ok() && seen.has_file(&exe));
        assert!(RootFolder::of(0x3fff_ffff).is_err());
    }
}
