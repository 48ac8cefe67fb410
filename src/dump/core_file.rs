//! A core file that may be compressed.

use std::fs::File;
use std::io::{Read, Seek, copy};
use std::path::Path;

use anyhow::Context;
use flate2::read::MultiGzDecoder;

/// Opens it. What is compressed is unpacked into a file without a name, for it is read here and there, and may be larger than memory.
pub(super) fn open(path: &Path) -> anyhow::Result<File> {
    let name = path.display();
    let mut file = File::open(path).with_context(|| format!("{name} can not be opened"))?;
    let mut magic = [0; 2];
    let compressed = file.read_exact(&mut magic).is_ok() && magic == [0x1f, 0x8b];
    file.rewind().with_context(|| format!("{name} can not be read"))?;
    if !compressed {
        return Ok(file);
    }
    let mut unpacked = tempfile::tempfile().with_context(|| format!("no place to unpack {name}"))?;
    copy(&mut MultiGzDecoder::new(file), &mut unpacked).with_context(|| format!("{name} can not be unpacked"))?;
    unpacked.rewind().with_context(|| format!("{name} can not be unpacked"))?;
    Ok(unpacked)
}
