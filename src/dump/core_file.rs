//! A core file that may be compressed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use nix::sys::statvfs::fstatvfs;

use crate::errors::Hinted;

/// No core file is longer when it is unpacked.
const MAX_UNPACKED: u64 = 1 << 40;

/// It is unpacked in pieces of so many bytes; those that are all zeros take no room.
const PIECE: usize = 1 << 16;

/// A file of a gigabyte may be nearly all zeros: to compare a piece is quicker than to look at each byte.
static ZEROS: [u8; PIECE] = [0; PIECE];

/// How much room is left is asked after so many pieces.
const ASK_AFTER: u64 = 256;

/// One part in so many of the file system is left to others.
const LEAVE: u64 = 20;

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
    let length = unpack(&mut MultiGzDecoder::new(file), &mut unpacked, MAX_UNPACKED, has_room)
        .with_context(|| format!("{name} can not be unpacked"))?;
    let Some(length) = length else {
        let folder = std::env::temp_dir();
        let message = format!("{name} can not be unpacked: there is not enough room in {}", folder.display());
        return Err(Hinted::new(message, "set TMPDIR to a folder on a larger disk").into());
    };
    unpacked.set_len(length).with_context(|| format!("{name} can not be unpacked"))?;
    Ok(unpacked)
}

/// The length of what was unpacked; `None` when there is no room for it.
fn unpack(
    from: &mut dyn Read,
    to: &mut File,
    most: u64,
    has_room: impl Fn(&File) -> bool,
) -> anyhow::Result<Option<u64>> {
    let mut piece = Vec::with_capacity(PIECE);
    let mut length = 0;
    for count in 1_u64.. {
        piece.clear();
        from.take(PIECE as u64).read_to_end(&mut piece)?;
        length += piece.len() as u64;
        if length > most {
            bail!("it has more than {most} bytes");
        }
        if piece.is_empty() {
            break;
        }
        if piece == ZEROS[..piece.len()] {
            to.seek(SeekFrom::Current(piece.len() as i64))?;
        } else if let Err(why) = to.write_all(&piece) {
            return if why.kind() == io::ErrorKind::StorageFull { Ok(None) } else { Err(why.into()) };
        }
        if count % ASK_AFTER == 0 && !has_room(to) {
            return Ok(None);
        }
    }
    Ok(Some(length))
}

fn has_room(file: &File) -> bool {
    fstatvfs(file).is_ok_and(|about| about.blocks_available() > about.blocks() / LEAVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unpacked_is_bounded_and_zeros_take_no_room() {
        use std::os::unix::fs::MetadataExt;

        let unpacked = |from: &mut dyn Read, most, room: bool| {
            let mut to = tempfile::tempfile().expect("a file");
            let length = unpack(from, &mut to, most, |_| room);
            (length, to)
        };
        let (length, mut file) = unpacked(&mut io::repeat(0).take(64 << 20).chain(&b"end"[..]), 1 << 30, true);
        assert_eq!(length.expect("it is unpacked"), Some((64 << 20) + 3));
        assert!(file.metadata().expect("a file").blocks() * 512 < 1 << 20);
        file.seek(SeekFrom::Start(64 << 20)).expect("it is there");
        let mut end = Vec::new();
        file.read_to_end(&mut end).expect("it is read");
        assert_eq!(end, b"end");
        // A stream without an end.
        assert!(unpacked(&mut io::repeat(7), 1 << 24, true).0.is_err());
        assert!(unpacked(&mut io::repeat(0), 1 << 24, true).0.is_err());
        assert_eq!(unpacked(&mut io::repeat(7), 1 << 40, false).0.expect("no error"), None);
    }
}
