//! What Python publishes of itself against the rows made from its headers, and against damage.
//!
//! `fixtures/offsets-*.bin` are the bytes of `_Py_DebugOffsets`, captured from release builds for x86-64. Those of 3.14t
//! and 3.15t were compiled from the headers of 3.14.10 and 3.15.2 with `Py_GIL_DISABLED` defined (and `_Py_JIT`, for
//! 3.15); without it the same gave what the captured builds with a GIL publish, byte for byte.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test says what it skips, and fails by panics")]

mod layouts {
    pub(crate) mod bounds;
    pub(crate) mod interpreters;
}

use layouts::bounds::assert_bounds;
use layouts::interpreters;
use py_spy_address_space::{Addr, Fault, Memory};
use py_spy_python::layout::{
    Gil, KNOWN_FREE_THREADED, Layout, Published, Unusable, Version, known, of, of_free_threaded, published,
};

const FIXTURES: [(&str, &[u8]); 6] = [
    ("3.13", include_bytes!("fixtures/offsets-3.13.bin")),
    ("3.13t", include_bytes!("fixtures/offsets-3.13t.bin")),
    ("3.14", include_bytes!("fixtures/offsets-3.14.bin")),
    ("3.14t", include_bytes!("fixtures/offsets-3.14t.bin")),
    ("3.15", include_bytes!("fixtures/offsets-3.15.bin")),
    ("3.15t", include_bytes!("fixtures/offsets-3.15t.bin")),
];

/// Where the bytes are, in the memory that we make up.
const BASE: Addr = 0x5555_0000_1000;

/// A memory that is these bytes at [`BASE`] and nothing else.
struct Bytes<'a>(&'a [u8]);

impl Memory for Bytes<'_> {
    fn read(&self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let fault = Fault::unmapped(at, into.len());
        let start = at.checked_sub(BASE).and_then(|start| usize::try_from(start).ok()).ok_or(fault)?;
        let end = start.checked_add(into.len()).ok_or(fault)?;
        into.copy_from_slice(self.0.get(start..end).ok_or(fault)?);
        Ok(())
    }
}

fn read(bytes: &[u8]) -> Result<Published, Unusable> {
    published(&Bytes(bytes), BASE)
}

fn row(version: Version, free_threaded: bool) -> &'static Layout {
    let row = if free_threaded { of_free_threaded(version) } else { of(version) };
    row.unwrap_or_else(|| panic!("{version} has no row"))
}

fn with_word(bytes: &[u8], at: usize, word: u64) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at * 8..at * 8 + 8].copy_from_slice(&word.to_le_bytes());
    bytes
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at * 8..at * 8 + 8].try_into().unwrap())
}

fn fixture(name: &str) -> &'static [u8] {
    FIXTURES.iter().find(|(known, _)| *known == name).unwrap().1
}

#[test]
fn the_rows_keep_their_bounds() {
    for (version, layout) in known().chain(KNOWN_FREE_THREADED.iter().copied()) {
        assert_bounds(&version.to_string(), layout);
        assert!(of(version).is_some());
    }
    let series = |major, minors: std::ops::RangeInclusive<u8>| minors.map(move |minor| Version::series(major, minor));
    for version in series(2, 3..=7).chain(series(3, 0..=15)) {
        assert!(of(version).is_some(), "{version} has no row");
    }
    assert_eq!(of(Version::series(2, 2)), None);
    assert_eq!(of_free_threaded(Version::series(3, 12)), None);
}

#[test]
fn captured_offsets_are_the_generated_rows() {
    for (name, bytes) in FIXTURES {
        let published = read(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let suffix = if published.free_threaded { "t" } else { "" };
        let version = published.version;
        assert_eq!(name, format!("{}.{}{suffix}", version.major(), version.minor()));
        assert!(!published.newer_than_known);
        assert_eq!(&published.layout, row(version, published.free_threaded), "{name}");
    }
}

#[test]
fn what_interpreters_here_publish_are_the_generated_rows() {
    for interpreter in interpreters::found() {
        let name = interpreter.program.display();
        let Some(bytes) = interpreter.published() else {
            println!("{name}: skipped: it has no ctypes, or it does not run");
            continue;
        };
        let published = read(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_bounds(&interpreter.program.to_string_lossy(), &published.layout);
        let row = row(published.version, published.free_threaded);
        let Published { mut layout, version, .. } = published;
        if interpreter.debug {
            // A debug build has more fields in its states, and is for that not in the table.
            layout.runtime = row.runtime.clone();
            layout.interpreter = row.interpreter.clone();
            layout.thread = row.thread.clone();
        }
        assert_eq!(&layout, row, "{name}");
        println!("{name}: {version} as in the table");
    }
}

#[test]
fn only_free_threaded_builds_can_be_without_a_lock_and_have_copies_of_bytecode() {
    for (name, bytes) in FIXTURES {
        let layout = read(bytes).unwrap().layout;
        let free_threaded = name.ends_with('t');
        assert_eq!(matches!(layout.interpreter.gil, Gil::Optional { .. }), free_threaded, "{name}");
        let copies = free_threaded && name != "3.13t";
        assert_eq!(layout.code.bytecode_copies.is_some(), copies, "{name}");
    }
}

#[test]
fn a_newer_series_is_read_as_the_newest_known() {
    for name in ["3.15", "3.15t"] {
        for (number, version) in
            [(0x0310_00a1, "3.16.0a1"), (0x0311_02f0, "3.17.2"), (0x0400_00f0, "4.0.0"), (0xffff_fff0, "255.255.255")]
        {
            let published = read(&with_word(fixture(name), 1, number)).unwrap();
            assert_eq!(published.version.to_string(), version);
            assert!(published.newer_than_known);
            assert_eq!(&published.layout, row(Version::series(3, 15), name.ends_with('t')));
        }
    }
}

#[test]
fn what_is_not_a_table_is_refused() {
    let bytes = fixture("3.14");
    assert_eq!(read(&with_word(bytes, 0, 0)), Err(Unusable::NotPublished));
    for version in [0x030c_01f0_u64, 0x0207_12f0, 0, 1 << 40 | 0x030e_00f0] {
        let result = read(&with_word(bytes, 1, version));
        assert!(matches!(result, Err(Unusable::Version(_))), "{version:#x}: {result:?}");
    }
    assert_eq!(read(&with_word(bytes, 2, 2)), Err(Unusable::FreeThreaded(2)));
    assert!(matches!(published(&Bytes(bytes), u64::MAX - 10), Err(Unusable::Unreadable(_))));
    for error in [Unusable::NotPublished, Unusable::FreeThreaded(2), Unusable::Version(Version(0))] {
        assert!(!error.to_string().is_empty() && !error.hint().is_empty());
    }
}

/// As in builds that trace references (`Py_TRACE_REFS`), whose object header has two more pointers.
#[test]
fn a_longer_object_header_moves_what_is_not_published() {
    let mut bytes = fixture("3.13").to_vec();
    let plain = read(&bytes).unwrap().layout;
    // Words of code_object, pyobject and type_object: all fields, and sizes.
    for at in 34..50 {
        bytes = with_word(&bytes, at, word(&bytes, at) + 16);
    }
    let moved = read(&bytes).unwrap().layout;
    assert_eq!(moved.objects.ob_type, plain.objects.ob_type + 16);
    assert_eq!(moved.objects.tp_name, plain.objects.tp_name + 16);
    assert_eq!(moved.objects.tp_dictoffset, plain.objects.tp_dictoffset + 16);
    assert_eq!(moved.objects.cached_keys, plain.objects.cached_keys + 16);
    assert_eq!(moved.objects.module_dict, plain.objects.module_dict + 16);
    assert_eq!(moved.code.name, plain.code.name + 16);
    assert_eq!(moved.code.local_count, plain.code.local_count + 16);
}

#[test]
fn truncation_at_any_place_is_an_error() {
    for (name, bytes) in FIXTURES {
        for len in 0..bytes.len() {
            assert!(matches!(read(&bytes[..len]), Err(Unusable::Unreadable(_))), "{name} cut to {len}");
        }
    }
}

#[test]
fn damage_is_refused_or_within_the_bounds() {
    let mut variants = 0;
    let mut accepted = 0;
    let mut check = |name: &str, bytes: &[u8]| {
        variants += 1;
        if let Ok(published) = read(bytes) {
            accepted += 1;
            assert_bounds(name, &published.layout);
        }
    };
    let values = [0, 1, 7, 8, 12, 248, 256, 504, 512, 4088, 4096, 0xf_fff8, 0x10_0000, 16 << 20, 1 << 32, 1 << 63];
    for (name, bytes) in FIXTURES {
        for at in 0..bytes.len() / 8 {
            for bit in 0..64 {
                check(name, &with_word(bytes, at, word(bytes, at) ^ 1 << bit));
            }
            for value in values.into_iter().chain([u64::MAX, u64::MAX - 7]) {
                check(name, &with_word(bytes, at, value));
            }
        }
        // Several words at once: sizes may grow with the fields that they bound.
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..5_000 {
            let mut bytes = bytes.to_vec();
            for _ in 0..4 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let at = 3 + (random >> 8) as usize % (bytes.len() / 8 - 3);
                let value = if random & 1 == 0 { random >> 20 & 0x1_fff8 } else { values[(random >> 4) as usize % 16] };
                bytes = with_word(&bytes, at, value);
            }
            check(name, &bytes);
        }
        // All sizes as large as can be.
        for value in values {
            let mut bytes = bytes.to_vec();
            for at in 3..bytes.len() / 8 {
                bytes = with_word(&bytes, at, value);
            }
            check(name, &bytes);
        }
    }
    println!("{variants} variants, {accepted} accepted");
    assert!(variants > 50_000 && accepted > 1_000);
}
