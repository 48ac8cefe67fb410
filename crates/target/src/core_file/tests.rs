use std::io::Write;

use py_spy_address_space::read_vec;

use super::*;

/// What a small core file is made of.
struct Made {
    /// Address, bytes that are in the file, size in memory.
    segments: Vec<(Addr, Vec<u8>, u64)>,
    notes: Vec<u8>,
}

fn note(kind: u32, contents: &[u8]) -> Vec<u8> {
    let mut note = Vec::new();
    for number in [5, contents.len() as u32, kind] {
        note.extend(number.to_le_bytes());
    }
    note.extend(b"CORE\0\0\0\0");
    note.extend(contents);
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

/// `NT_PRSTATUS` of a thread, each of whose registers has its place as its value.
fn thread(tid: u32, signal: u16) -> Vec<u8> {
    let mut status = vec![0; 336];
    status[12..14].copy_from_slice(&signal.to_le_bytes());
    status[32..36].copy_from_slice(&tid.to_le_bytes());
    for at in 0..27_u64 {
        status[112 + at as usize * 8..][..8].copy_from_slice(&at.to_le_bytes());
    }
    note(1, &status)
}

/// `NT_FILE` of these mappings: start, end, offset in pages, path.
fn mapped(files: &[(u64, u64, u64, &str)]) -> Vec<u8> {
    let mut contents = Vec::new();
    let numbers = files.iter().flat_map(|file| [file.0, file.1, file.2]);
    for number in [files.len() as u64, 4096].into_iter().chain(numbers) {
        contents.extend(number.to_le_bytes());
    }
    for file in files {
        contents.extend(file.3.as_bytes());
        contents.push(0);
    }
    note(0x4649_4c45, &contents)
}

impl Made {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; 64];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[16] = 4;
        bytes[18] = 62;
        bytes[32] = 64;
        bytes[56] = self.segments.len() as u8 + 1;
        let mut offset = 64 + 56 * (self.segments.len() as u64 + 1);
        let notes = (0, self.notes.clone(), 0);
        for (kind, (start, kept, size)) in std::iter::once((4, &notes)).chain(self.segments.iter().map(|s| (1, s))) {
            let flags = 5_u64 << 32 | kind;
            for number in [flags, offset, *start, 0, kept.len() as u64, *size, 0] {
                bytes.extend(number.to_le_bytes());
            }
            offset += kept.len() as u64;
        }
        std::iter::once(&notes).chain(&self.segments).for_each(|part| bytes.extend(&part.1));
        bytes
    }
}

fn opened(bytes: &[u8], sysroot: Option<&Path>) -> Result<Core, CoreError> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("it is written");
    Core::of(file, "made up", sysroot)
}

/// Two threads, memory that is kept whole and in part, and two files.
fn example(start_of_file: &[u8]) -> Made {
    let paths =
        [(0x1000, 0x3000, 0, "/lib/a.so"), (0x3000, 0x4000, 2, "/lib/a.so"), (0x8000, 0x9000, 0, "/b (deleted)")];
    Made {
        segments: vec![
            (0x1000, start_of_file.to_vec(), 0x2000),
            (0x3000, Vec::new(), 0x1000),
            (0x6000, vec![9; 100], 100),
        ],
        notes: [thread(7, 11), thread(8, 0), mapped(&paths)].concat(),
    }
}

/// Below it are the files of [`example`].
fn sysroot() -> (tempfile::TempDir, Vec<u8>) {
    let folder = tempfile::tempdir().expect("a folder");
    let content: Vec<u8> = (0..0x3000_u32).map(|at| (at / 3) as u8).collect();
    std::fs::create_dir(folder.path().join("lib")).expect("a folder");
    for path in ["lib/a.so", "b"] {
        std::fs::write(folder.path().join(path), &content).expect("a file");
    }
    (folder, content)
}

#[test]
fn memory_is_in_the_core_file_or_in_the_files_that_were_mapped() {
    let (folder, content) = sysroot();
    let core = opened(&example(&content[..100]).bytes(), Some(folder.path())).expect("a core file");
    let tids: Vec<u32> = core.threads.iter().map(|thread| thread.tid).collect();
    assert_eq!((tids, core.signal), (vec![7, 8], 11));
    assert_eq!(core.threads[0].registers, Some([10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16]));
    assert_eq!(core.threads[0].pthread, 21);
    // Over the end of what was kept, and over that of a mapping.
    assert_eq!(read_vec(&core, 0x1000, 0x3000).expect("it is there"), content);
    assert_eq!(read_vec(&core, 0x6000, 100).expect("it is there"), [9; 100]);
    for (at, length) in [(0x6001, 100), (0x3fff, 2), (0, 1), (u64::MAX, 2), (0x5000, 1)] {
        assert!(read_vec(&core, at, length).is_err(), "{at:#x}");
    }
    let mappings = core.mappings();
    let starts: Vec<_> = mappings.iter().map(|mapping| (mapping.range.start, mapping.path.as_str())).collect();
    assert_eq!(starts, [(0x1000, "/lib/a.so"), (0x3000, "/lib/a.so"), (0x6000, ""), (0x8000, "/b")]);
}

#[test]
fn only_the_files_that_were_mapped_will_do() {
    let (folder, content) = sysroot();
    let core = opened(&example(&[1; 100]).bytes(), Some(folder.path())).expect("a core file");
    assert!(core.file("/lib/a.so").is_none() && core.strangers() == ["/lib/a.so"]);
    // It was deleted, and nothing proves that this is it.
    assert!(core.file("/b").is_none() && core.strangers() == ["/b", "/lib/a.so"]);
    assert!(read_vec(&core, 0x3000, 1).is_err());
    // Of another root is a FIFO, and a link that leads out.
    for path in ["lib/a.so", "b"] {
        std::fs::remove_file(folder.path().join(path)).expect("it is there");
    }
    nix::unistd::mkfifo(&folder.path().join("lib/a.so"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let outside = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(outside.path(), &content).expect("a file");
    std::os::unix::fs::symlink(outside.path(), folder.path().join("b")).expect("a link");
    let core = opened(&example(&content[..100]).bytes(), Some(folder.path())).expect("a core file");
    assert!(core.file("/lib/a.so").is_none() && core.file("/b").is_none() && core.strangers().is_empty());
}

#[test]
fn notes_are_read_up_to_a_bound() {
    // Each of so many segments says that the whole file is its notes.
    let mut bytes = example(&[]).bytes();
    bytes.resize(64 + 56 * 2000, 0);
    bytes[56..58].copy_from_slice(&2000_u16.to_le_bytes());
    let length = bytes.len() as u64;
    for header in bytes[64..].chunks_exact_mut(56) {
        header.fill(0);
        header[0] = 4;
        header[32..40].copy_from_slice(&length.to_le_bytes());
    }
    let core = opened(&bytes, None).expect("a core file of nothing");
    assert!(core.threads.is_empty() && core.mappings().is_empty());
}

/// Each bit flipped, and cut off everywhere: an error or some answer. A walk without an end would not come back.
#[test]
fn whatever_a_core_file_says_it_is_read_in_bounded_time() {
    let (folder, content) = sysroot();
    let whole = example(&content[..100]).bytes();
    let mut answers = 0;
    let mut look = |bytes: &[u8]| {
        let Ok(core) = opened(bytes, Some(folder.path())) else { return };
        answers += 1;
        for mapping in core.mappings() {
            assert!(mapping.range.start <= mapping.range.end);
            for at in [mapping.range.start, mapping.range.end.saturating_sub(8)] {
                read_vec(&core, at, 64).ok();
            }
            core.file(&mapping.path);
        }
    };
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << bit;
            look(&bytes);
        }
        let mut bytes = whole.clone();
        bytes[at..whole.len().min(at + 8)].fill(0xff);
        look(&bytes);
        look(&whole[..at]);
    }
    assert!(answers > whole.len(), "{answers}");
}
