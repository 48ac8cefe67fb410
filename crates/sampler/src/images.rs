//! ELF files that were read, kept by what they are: the processes of one tree mostly run the same few files, and to go
//! through the symbols of one takes longer than a short-lived child lives.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use py_spy_address_space::Image;
use rustc_hash::FxHashMap;

/// Files that are kept; then all are forgotten.
const MAX_IMAGES: usize = 1 << 10;

/// One content of one file: device, number, size, and when it was last written or changed.
type Identity = (u64, u64, u64, [i64; 4]);

/// What came of reading a file; empty while somebody is at it.
type Entry = Arc<OnceLock<Result<Arc<Image>, String>>>;

/// By file, and the symbols that were asked for.
static KNOWN: Mutex<Option<FxHashMap<(Identity, String), Entry>>> = Mutex::new(None);

/// What an ELF file has of the symbols that are wanted. Of several who ask at one time one reads it, and the others wait.
pub(crate) fn read(file: File, wanted: &[&str]) -> Result<Arc<Image>, String> {
    let about = file.metadata().map_err(|why| why.to_string())?;
    let changed = [about.mtime(), about.mtime_nsec(), about.ctime(), about.ctime_nsec()];
    let key = ((about.dev(), about.ino(), about.size(), changed), wanted.join(" "));
    let entry = {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get_or_insert_default();
        if known.len() >= MAX_IMAGES {
            known.clear();
        }
        Arc::clone(known.entry(key).or_default())
    };
    // Without the lock: who reads a large file delays only those who want the same.
    entry.get_or_init(|| Image::read(file, wanted).map(Arc::new).map_err(|why| why.to_string())).clone()
}
