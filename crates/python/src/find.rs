//! Finding CPython in a process.

mod head;
mod search;
mod unnamed;

use std::ops::Range;

use py_spy_address_space::{Addr, Memory, Window, read_array, read_u32};

use crate::interpreters::{interpreters, thread_state};
use crate::layout::{self, Layout, Names, Unusable, Version};
use crate::object::{self, Unreadable};
use crate::stack::Reader;
use search::search_cookie;

/// The first bytes of `_Py_DebugOffsets`, with which `_PyRuntime` starts from 3.13 on.
const COOKIE: &[u8; 8] = b"xdebugpy";

/// A mapped file, with the addresses of the symbols that matter, as they are in the process.
#[derive(Debug, Clone, Default)]
pub struct Binary {
    /// Its path.
    pub path: String,
    /// `_PyRuntime` (3.7+), or the section `.PyRuntime`.
    pub runtime: Option<Addr>,
    /// `Py_Version`, a `const unsigned long` (3.11+).
    pub version: Option<Addr>,
    /// It defines `Py_Initialize`: it is a CPython of some kind.
    pub initialize: bool,
    /// `interp_head`, which is static: only where the binary is not stripped (up to 3.6).
    pub interpreters: Option<Addr>,
    /// `PyInterpreterState_Head`, the function that returns it. In all versions.
    pub interpreters_getter: Option<Addr>,
    /// `_PyThreadState_Current` (up to 3.6).
    pub current_thread: Option<Addr>,
    /// Its writable memory.
    pub data: Vec<Range<Addr>>,
}

/// A CPython in a process.
#[derive(Debug, Clone)]
pub struct Python {
    /// Where it keeps what.
    pub layout: Layout,
    /// Its version.
    pub version: Version,
    /// Where `_PyRuntime` is; up to 3.6, which has none, `interp_head`.
    pub runtime: Addr,
    /// The file it is in.
    pub path: String,
    /// It has no GIL, or can run without.
    pub free_threaded: bool,
}

/// Why no CPython was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPython {
    /// No mapped file has its symbols.
    #[error("no CPython is mapped")]
    None,
    /// It is there and has not been initialised yet, or is being torn down.
    #[error("CPython is not initialised")]
    Early,
    /// It is there, in a version that we do not know.
    #[error("CPython {0} is not supported")]
    Version(String),
    /// It is there and publishes offsets that can not be right.
    #[error("CPython's published offsets are not usable: {0}")]
    Unusable(#[from] Unusable),
    /// It is there, and what it has in memory fits no layout that we know.
    #[error("CPython's memory could not be understood: {0}")]
    Memory(#[from] Unreadable),
}

/// Where no CPython was found: the file that comes nearest to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// Why it is none, or can not be used.
    pub why: NotPython,
    /// The file's path; empty when no file has anything of CPython.
    pub path: String,
}

/// Finds CPython among the mapped files. With several the first that can be read counts.
///
/// # Errors
/// Why there is none.
pub fn find(memory: &dyn Memory, binaries: &[Binary]) -> Result<Python, NotPython> {
    find_all(memory, binaries).map(|mut all| all.swap_remove(0)).map_err(|missed| missed.why)
}

/// Finds every CPython that can be read, at least one: a process may have loaded several.
///
/// # Errors
/// Why there is none, of the file that is furthest on its way.
pub fn find_all(memory: &dyn Memory, binaries: &[Binary]) -> Result<Vec<Python>, Missed> {
    let mut all: Vec<Python> = Vec::new();
    let mut missed = Missed { why: NotPython::None, path: String::new() };
    for binary in binaries {
        let old = binary.interpreters.is_some() || binary.current_thread.is_some();
        let runtime = binary.runtime.or_else(|| if old { None } else { search_cookie(memory, binary) });
        let found = match runtime {
            Some(runtime) => with_runtime(memory, binary, runtime),
            None if old || binary.initialize => without_runtime(memory, binary, old),
            None => {
                let Some(python) = unnamed::find(memory, binary) else {
                    log::info!("{}: it has no symbol of CPython, and nothing of it in its data", binary.path);
                    continue;
                };
                Ok(python)
            }
        };
        match found {
            Ok(python) => {
                log::info!("CPython {} in {}", python.version, python.path);
                if all.iter().all(|known| known.runtime != python.runtime) {
                    all.push(python);
                }
            }
            Err(why) => {
                log::info!("{}: {why}", binary.path);
                if missed.why == NotPython::None || (why == NotPython::Early && missed.why != NotPython::Early) {
                    missed = Missed { why, path: binary.path.clone() };
                }
            }
        }
    }
    if all.is_empty() { Err(missed) } else { Ok(all) }
}

fn with_runtime(memory: &dyn Memory, binary: &Binary, runtime: Addr) -> Result<Python, NotPython> {
    let start: [u8; 8] = read_array(memory, runtime).map_err(Unreadable::from)?;
    let python = |layout: &Layout, version, free_threaded| {
        let path = binary.path.clone();
        Python { layout: layout.clone(), version, runtime, path, free_threaded }
    };
    if &start == COOKIE {
        let published = layout::published(memory, runtime)?;
        if published.newer_than_known {
            let version = published.version;
            log::warn!("CPython {version} is newer than all that are known; using the offsets it publishes");
        }
        let main = check(memory, &published.layout, runtime)?;
        if published.newer_than_known {
            // What it publishes has just led to its threads; this takes the offsets of dicts, strings and ints.
            match hex_version(memory, &published.layout, main) {
                Ok(Some(version)) if version == published.version => log::info!("sys.hexversion can be read with them"),
                other => {
                    log::warn!("sys.hexversion can not be read with them ({other:?}): names may be wrong or missing");
                }
            }
        }
        log::info!("{}: offsets as published in _PyRuntime at {runtime:#x}", binary.path);
        return Ok(python(&published.layout, published.version, published.free_threaded));
    }
    let stated = binary.version.and_then(|at| read_u32(memory, at).ok()).filter(|&hex| hex >> 24 == 3).map(Version);
    if let Some(version) = stated {
        let layout = layout::of(version).ok_or_else(|| NotPython::Version(version.to_string()))?;
        check(memory, layout, runtime)?;
        log::info!("{}: _PyRuntime at {runtime:#x}, the version as in Py_Version", binary.path);
        return Ok(python(layout, version, false));
    }
    // Those of 3.11 and 3.12 are here for binaries that are stripped and export nothing.
    let rows = unpublished().filter(|(_, row)| !head::has_none(row));
    let (layout, version) = by_hex_version(memory, binary, runtime, rows)?;
    log::info!("{}: _PyRuntime at {runtime:#x}, the version as in sys.hexversion", binary.path);
    Ok(python(&layout, version, false))
}

/// Up to 3.6. `known` when there are symbols that only those versions have.
fn without_runtime(memory: &dyn Memory, binary: &Binary, known: bool) -> Result<Python, NotPython> {
    let mut reason = if known { NotPython::Early } else { unknown_version(&binary.path) };
    for (runtime, how) in head::heads(memory, binary) {
        let rows = layout::known().filter(|(_, row)| head::has_none(row));
        match by_hex_version(memory, binary, runtime, rows) {
            Ok((mut layout, version)) => {
                log::info!(
                    "{}: interp_head at {runtime:#x}, found by {how}; sys.hexversion tells the version",
                    binary.path
                );
                match binary.current_thread {
                    Some(at) => log::info!("{}: _PyThreadState_Current at {at:#x}", binary.path),
                    None => log::warn!("the GIL was not found: each thread's stack is of a moment of its own"),
                }
                layout.interpreter.gil = layout::Gil::Current(binary.current_thread.unwrap_or(0));
                return Ok(Python { layout, version, runtime, path: binary.path.clone(), free_threaded: false });
            }
            // What a search finds need not be what it looks like.
            Err(why) if known => reason = why,
            Err(why) => log::debug!("{}: not at {runtime:#x}: {why}", binary.path),
        }
    }
    Err(reason)
}

/// The layouts that a program does not publish itself (up to 3.12).
fn unpublished() -> impl Iterator<Item = (Version, &'static Layout)> {
    layout::known().filter(|(series, _)| *series < Version::series(3, 13))
}

fn unknown_version(path: &str) -> NotPython {
    let series = series_in(path).map(|version| format!("{}.{}", version.major(), version.minor()));
    NotPython::Version(series.unwrap_or_else(|| "of an unknown version".to_owned()))
}

/// Before 3.11 nothing exported tells the version. `sys.hexversion` does, once it can be read with the right layout; a
/// wrong one does not lead to a value that names itself. The series that the file is named after is tried first.
fn by_hex_version(
    memory: &dyn Memory,
    binary: &Binary,
    runtime: Addr,
    rows: impl Iterator<Item = (Version, &'static Layout)>,
) -> Result<(Layout, Version), NotPython> {
    let named = series_in(&binary.path);
    let is_named = |series: Version| named.is_some_and(|named| named.same_series(series));
    let mut rows: Vec<_> = rows.collect();
    rows.sort_by_key(|&(series, _)| !is_named(series));
    let mut reason = NotPython::Early;
    for (series, row) in rows {
        for layout in builds(row) {
            match check(memory, &layout, runtime).and_then(|main| Ok(hex_version(memory, &layout, main)?)) {
                Ok(Some(version)) if version.same_series(series) => return Ok((layout, version)),
                Ok(Some(version)) => log::debug!("with the layout of {series} sys.hexversion is {version}"),
                Ok(None) => log::debug!("with the layout of {series} there is no sys.hexversion"),
                Err(why) => {
                    log::debug!("the layout of {series} does not fit: {why}");
                    if is_named(series) {
                        reason = why;
                    }
                }
            }
        }
    }
    match named.filter(|&named| layout::of(named).is_none()) {
        Some(_) => Err(unknown_version(&binary.path)),
        None => Err(reason),
    }
}

/// A row, once for each way in which the interpreter may have been built that its version does not tell.
fn builds(row: &Layout) -> Vec<Layout> {
    let Names::Units { data, .. } = row.objects.names else { return vec![row.clone()] };
    let builds = [2, 4].map(|width| {
        let mut layout = row.clone();
        layout.objects.names = Names::Units { data, width };
        layout
    });
    builds.into()
}

/// Threads may end while we look at the newest one; a layout that does not fit is wrong each time.
const MAX_LOOKS: u32 = 16;

/// Checks that a layout leads to interpreters and their threads. Returns the main interpreter.
fn check(memory: &dyn Memory, layout: &Layout, runtime: Addr) -> Result<Addr, NotPython> {
    let mut reason = NotPython::Early;
    for _ in 0..MAX_LOOKS {
        let mut window = Window::new(1);
        let mut reader = Reader::new(&mut window, memory, 0);
        let found = interpreters(&mut reader, layout, runtime)?;
        let Some(main) = found.last().filter(|main| main.threads_head != 0) else { return Err(NotPython::Early) };
        match thread_state(&mut reader, layout, main.threads_head) {
            Ok(state) if state.interpreter == main.at => return Ok(main.at),
            Ok(_) => {}
            Err(why) => reason = why.into(),
        }
    }
    Err(reason)
}

/// `sys.hexversion`.
fn hex_version(memory: &dyn Memory, layout: &Layout, interpreter: Addr) -> Result<Option<Version>, Unreadable> {
    let dict = py_spy_address_space::read_u64(memory, object::add(interpreter, layout.interpreter.sysdict)?)?;
    if dict == 0 {
        return Ok(None);
    }
    let Some(value) = object::dict_get(memory, layout, dict, "hexversion")? else { return Ok(None) };
    Ok(u32::try_from(object::unsigned(memory, layout, value)?).ok().map(Version))
}

/// The version series that a path names, as in `libpython3.9.so.1.0` or `bin/python3.9`.
fn series_in(path: &str) -> Option<Version> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let (_, rest) = name.split_once("python")?;
    let (major, rest) = rest.split_once('.')?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some(Version::series(major.parse().ok()?, rest[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_a_series() {
        for (path, series) in [
            ("/usr/lib/libpython3.9.so.1.0", Some((3, 9))),
            ("/usr/lib/libpython3.13t.so.1.0", Some((3, 13))),
            ("/opt/python3.9/bin/python2.7", Some((2, 7))),
            ("/usr/bin/python3", None),
            ("/usr/bin/python3.", None),
            ("python3.999", None),
            ("", None),
        ] {
            assert_eq!(series_in(path), series.map(|(major, minor)| Version::series(major, minor)), "{path}");
        }
    }
}
