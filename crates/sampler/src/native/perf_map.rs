//! Names of code that was made while the program ran, as its maker has written them down for `perf` (the kernel's
//! `tools/perf/Documentation/jit-interface.txt`; Python does with `-X perf`).

use std::io::Read;
use std::path::PathBuf;

use py_spy_address_space::Addr;
use py_spy_target::{RootFolder, Target};

/// No more of the file is read. A line has some 60 bytes.
const MAX_BYTES: u64 = 256 << 20;

/// The map of one process, as it was when it was read last.
#[derive(Debug, Default)]
pub(super) struct PerfMap {
    /// Where code begins, how long it is, and where its name is in the text; sorted, the last one written counts.
    code: Vec<(Addr, u64, std::ops::Range<usize>)>,
    text: String,
}

impl PerfMap {
    /// Reads it again, if it has grown.
    pub(super) fn refresh(&mut self, target: &Target) {
        let path = PathBuf::from(format!("/tmp/perf-{}.map", target.own_pid()));
        let Ok(file) = RootFolder::of(target.pid).and_then(|root| root.open(&path)) else { return };
        if file.metadata().is_ok_and(|about| about.len().min(MAX_BYTES) == self.text.len() as u64) {
            return;
        }
        let mut bytes = Vec::new();
        if file.take(MAX_BYTES).read_to_end(&mut bytes).is_ok() {
            *self = PerfMap::parse(String::from_utf8_lossy(&bytes).into_owned());
        }
    }

    /// Lines of the form `START SIZE NAME`, both numbers hexadecimal; others are passed over.
    fn parse(text: String) -> PerfMap {
        let mut code = Vec::new();
        let mut at = 0;
        for line in text.split_inclusive('\n') {
            let begin = at;
            at += line.len();
            let line = line.trim_end();
            let mut words = line.splitn(3, ' ');
            let mut number = || u64::from_str_radix(words.next()?.trim_start_matches("0x"), 16).ok();
            if let (Some(start), Some(size), Some(name)) = (number(), number(), words.next()) {
                let end = begin + line.len();
                code.push((start, size, end - name.len()..end));
            }
        }
        // What was written later lies behind what was written before at the same address.
        code.sort_by_key(|entry| entry.0);
        PerfMap { code, text }
    }

    /// The name of the code at an address.
    pub(super) fn name(&self, at: Addr) -> Option<&str> {
        let before = self.code.partition_point(|entry| entry.0 <= at);
        let (start, size, name) = self.code[..before].last()?;
        (at - start < *size).then(|| &self.text[name.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_for_an_address_counts() {
        let text =
            "1000 10 py::f:/a b.py\n0x2000 8 first\nnonsense\n2000 20 second\n\n30 zz x\n4000 1\n5000 5 unfinished";
        let map = PerfMap::parse(text.to_owned());
        assert_eq!((map.name(0x1000), map.name(0x100f)), (Some("py::f:/a b.py"), Some("py::f:/a b.py")));
        assert_eq!((map.name(0xfff), map.name(0x1010)), (None, None));
        assert_eq!((map.name(0x2000), map.name(0x201f)), (Some("second"), Some("second")));
        assert_eq!((map.name(0x5004), map.name(0x5005), map.name(u64::MAX)), (Some("unfinished"), None, None));
        assert_eq!(PerfMap::default().name(0), None);
    }
}
