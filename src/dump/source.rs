//! The source line of each frame.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use py_spy_target::RootFolder;

use super::Dumped;

/// Bytes of a source file that are read.
const MAX_FILE: u64 = 16 << 20;

/// Puts the text of its line to each frame, where the file can be read: with the process's own eyes, for it may see other files
/// than we do.
pub(super) fn add(all: &mut [Dumped]) {
    for Dumped { info, snapshot, .. } in all {
        let Ok(root) = RootFolder::of(info.pid) else { continue };
        let mut files: HashMap<String, Vec<String>> = HashMap::new();
        for frame in snapshot.threads.iter_mut().flat_map(|thread| &mut thread.frames) {
            if frame.line == 0 || !frame.filename.starts_with('/') {
                continue;
            }
            let lines = files.entry(frame.filename.clone()).or_insert_with(|| read(&root, &frame.filename));
            frame.source = lines.get(frame.line as usize - 1).map(|line| line.trim().to_owned());
        }
    }
}

fn read(root: &RootFolder, name: &str) -> Vec<String> {
    let Ok(file) = root.open(std::path::Path::new(name)) else { return Vec::new() };
    let lines = BufReader::new(file.take(MAX_FILE)).split(b'\n');
    lines.map_while(Result::ok).map(|line| String::from_utf8_lossy(&line).into_owned()).collect()
}
