//! The layout that a program of Python 3.13 or later says of itself.

mod build;
mod fields;
mod table;

use py_spy_address_space::{Addr, Fault, Memory, read_array, read_vec};

use super::{KNOWN, KNOWN_FREE_THREADED, Layout, Offset, Version, of, of_free_threaded};
use fields::{HEAD, SERIES};
use table::Table;

/// What the table starts with (`_Py_Debug_Cookie`).
const COOKIE: [u8; 8] = *b"xdebugpy";

/// What a program said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Checked: see [`Layout`] for the bounds.
    pub layout: Layout,
    /// Its version.
    pub version: Version,
    /// Built without a GIL.
    pub free_threaded: bool,
    /// Its series is newer than all that this program knows; it was read as if it were the newest of those.
    pub newer_than_known: bool,
}

/// Why what a program says of itself is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The memory could not be read.
    #[error("the offsets that Python publishes: {0}")]
    Unreadable(#[from] Fault),
    /// Nothing is published there.
    #[error("Python publishes no offsets at that address")]
    NotPublished,
    /// The version is one that publishes nothing, or is not a version.
    #[error("Python publishes offsets, but as version {0}, which has none")]
    Version(Version),
    /// The word that says whether there is a GIL is neither 0 nor 1.
    #[error("Python publishes {0:#x} where it should say whether it is free-threaded")]
    FreeThreaded(u64),
    /// An offset that can not be right.
    #[error("Python publishes {value:#x} as {group}.{field}, which can not be")]
    OutOfBounds {
        /// Struct inside `_Py_DebugOffsets`.
        group: &'static str,
        /// Field of that struct.
        field: &'static str,
        /// What is there.
        value: u64,
    },
    /// A field that all series should have is not in the list of this one.
    #[error("Python of this version publishes no {group}.{field}")]
    Missing {
        /// Struct inside `_Py_DebugOffsets`.
        group: &'static str,
        /// Field of that struct.
        field: &'static str,
    },
}

impl Unusable {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Unusable::Unreadable(_) => "the program may have ended, or started another one",
            Unusable::NotPublished => "Python publishes offsets since 3.13; a program that starts just now may not yet",
            Unusable::Version(_) | Unusable::FreeThreaded(_) | Unusable::OutOfBounds { .. } => {
                "this is either no Python, or one whose structs were changed, or its memory is damaged"
            }
            Unusable::Missing { .. } => "please report this with the version of Python",
        }
    }
}

/// Reads the layout that a program publishes at `runtime`, the address of its `_PyRuntime`.
///
/// What is not published is taken from the table's row of the same series and kind of build.
pub fn published(memory: &dyn Memory, runtime: Addr) -> Result<Published, Unusable> {
    let head: [u8; HEAD] = read_array(memory, runtime)?;
    let [cookie, version, free_threaded] = [0, 8, 16].map(|at| word(&head[at..]));
    if cookie != u64::from_le_bytes(COOKIE) {
        return Err(Unusable::NotPublished);
    }
    let version = u32::try_from(version).map(Version).map_err(|_| Unusable::Version(Version(version as u32)))?;
    let free_threaded = match free_threaded {
        0 => false,
        1 => true,
        other => return Err(Unusable::FreeThreaded(other)),
    };
    // A newer series than we know is read as the newest that we do know: so far fields were only put in between, and
    // the checks notice that nearly always.
    let series = SERIES.iter().rfind(|(minor, _)| Version::series(3, *minor).0 <= version.0);
    let &(minor, groups) = series.ok_or(Unusable::Version(version))?;
    let newer_than_known = !version.same_series(Version::series(3, minor));
    let row = row(version, free_threaded).ok_or(Unusable::Version(version))?;

    let count: usize = groups.iter().map(|(_, fields)| fields.len()).sum();
    let bytes = read_vec(memory, runtime.wrapping_add(HEAD as u64), count * 8)?;
    let table = Table { words: bytes.chunks_exact(8).map(word).collect(), groups };
    let layout = build::layout(&table, row, free_threaded)?;
    Ok(Published { layout, version, free_threaded, newer_than_known })
}

/// The table's row that is nearest to this version.
fn row(version: Version, free_threaded: bool) -> Option<&'static Layout> {
    let (of_series, known) =
        if free_threaded { (of_free_threaded(version), KNOWN_FREE_THREADED) } else { (of(version), KNOWN) };
    of_series.or_else(|| known.last().map(|&(_, layout)| layout))
}

/// The first 8 bytes, of which there are as many.
fn word(bytes: &[u8]) -> u64 {
    bytes.first_chunk().copied().map_or(0, u64::from_le_bytes)
}
