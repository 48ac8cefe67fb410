//! The recordings of `fixtures/`, made by `cargo xtask fixtures`.

#![allow(dead_code, reason = "each test uses a part of it")]

pub(crate) mod look;
pub(crate) mod padded;

use std::path::{Path, PathBuf};

use look::Start;
use padded::Padded;
use py_spy_address_space::{Addr, Recording};

/// Every series, and the one kind of build that is so different that it has a recording of its own.
pub(crate) const NAMES: [&str; 12] =
    ["2.7", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.13t", "3.14", "3.15"];

/// What was recorded of one interpreter.
pub(crate) struct Recorded {
    pub(crate) name: &'static str,
    pub(crate) start: Start,
    pub(crate) memory: Padded,
    /// What the program said of itself.
    pub(crate) truth: String,
}

pub(crate) fn load(name: &'static str) -> Recorded {
    let path = |ending: &str| -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.{ending}"))
    };
    let hint = |error: std::io::Error| -> String { format!("{name}: {error}: `cargo xtask fixtures` makes it") };
    let bytes = std::fs::read(path("mem")).map_err(hint).expect("the recording");
    let text = std::fs::read_to_string(path("txt")).map_err(hint).expect("what it should give");
    let recording = Recording::from_bytes(&bytes).expect("a recording");
    let mut start = Start::default();
    let mut rest = text.as_str();
    while let Some((line, tail)) = rest.split_once('\n') {
        let address = |text: &str| -> Option<Addr> { Addr::from_str_radix(text, 16).ok() };
        if let Some(file) = line.strip_prefix("file ") {
            file.clone_into(&mut start.name);
        } else if let Some(text) = line.strip_prefix("runtime ") {
            start.runtime = address(text);
        } else if let Some(text) = line.strip_prefix("version at ") {
            start.version = address(text);
        } else if let Some(text) = line.strip_prefix("interpreters at ") {
            start.interpreters = address(text);
        } else if let Some(text) = line.strip_prefix("current thread at ") {
            start.current_thread = address(text);
        } else {
            break;
        }
        rest = tail;
    }
    Recorded { name, start, memory: Padded::new(&recording), truth: rest.to_owned() }
}
