//! Profiles made up for tests.

use std::io::{self, Write};

use py_spy_profile::{About, Format, Frame, Nanos, Sample, StackId, Tables, Thread, ThreadId, new_sink};

/// The sampling interval of made-up profiles.
pub(crate) const TICK: Nanos = 10_000_000;

/// A place in a made-up program: name, file, line. Without a file it is a note.
pub(crate) type Place<'a> = (&'a str, &'a str, u32);

#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) tables: Tables,
    pub(crate) about: About,
    pub(crate) samples: Vec<Sample>,
}

impl Made {
    pub(crate) fn new() -> Made {
        let about = About {
            title: "py-spy record -o x -- python x.py".to_owned(),
            exporter: "py-spy@0.1.0".to_owned(),
            interval: TICK,
            lines: true,
            ..About::default()
        };
        Made { about, ..Made::default() }
    }

    pub(crate) fn thread(&mut self, pid: u32, tid: u64, name: Option<&str>) -> ThreadId {
        self.tables.thread(Thread { pid, tid, name: name.map(str::to_owned) })
    }

    pub(crate) fn stack<'a>(&mut self, places: impl IntoIterator<Item = Place<'a>>) -> StackId {
        let mut stack = None;
        for (name, file, line) in places {
            let name = self.tables.string(name);
            let frame = if file.is_empty() {
                Frame::Note(name)
            } else {
                let short = self.tables.string(file.rsplit('/').next().unwrap_or(file));
                Frame::Python { name, file: self.tables.string(file), short_file: short, line }
            };
            let frame = self.tables.frame(frame);
            stack = Some(self.tables.stack(stack, frame));
        }
        stack.expect("a stack has a frame")
    }

    /// A sample at the `tick`-th tick.
    pub(crate) fn at(&mut self, tick: u64, thread: ThreadId, stack: StackId) {
        self.samples.push(Sample { at: tick * TICK, weight: TICK, thread, stack });
    }

    pub(crate) fn write_to(&self, format: Format, out: &mut dyn Write) -> io::Result<()> {
        let mut sink = new_sink(format);
        for sample in &self.samples {
            sink.sample(sample, &self.tables)?;
        }
        sink.finish(&self.tables, &self.about, out)
    }

    pub(crate) fn write(&self, format: Format) -> String {
        let mut out = Vec::new();
        self.write_to(format, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

/// A main thread that works for three ticks, rests for two and works again; a second thread, unnamed at first, that
/// begins late.
pub(crate) fn small() -> Made {
    let mut made = Made::new();
    made.about.processes = vec![(7, "python x.py".to_owned())];
    let main = made.thread(7, 7, Some("MainThread"));
    let other = made.thread(7, 8, None);
    let work = made.stack([("<module>", "/home/u/x.py", 9), ("work", "/home/u/x.py", 5)]);
    let rest = made.stack([("<module>", "/home/u/x.py", 10)]);
    let wait = made.stack([("thread (8)", "", 0), ("run", "/usr/lib/threading.py", 0)]);
    for tick in 0..3 {
        made.at(tick, main, work);
    }
    made.at(4, other, wait);
    made.at(5, main, work);
    made.at(5, other, wait);
    made.at(6, main, rest);
    made.tables.name_thread(other, "worker 1");
    made
}

/// Names that would break a line, a file, a terminal or a reader.
pub(crate) const HOSTILE: &[&str] = &[
    "a;b",
    "a\nb 3",
    "\r\n",
    "\x1b]0;title\x07",
    "\u{9b}31m",
    "\u{7f}\0\u{fffe}\u{ffff}",
    "\u{202e}gnp.exe\u{2066}",
    "\u{2028}",
    "</title><script>alert(1)</script>",
    "]]>&amp;&#0;\"'",
    "worker 1",
    "f 1.5",
    "12",
    " ",
    "  padded  ",
    "# comment",
    "list[int]",
    "kernel_[k]",
    "\\n",
    "日本語 🐍 e\u{301}",
    "{\"json\": [",
    "x\u{feff}\u{200b}",
];

/// Threads of two processes with hostile names and stacks.
pub(crate) fn hostile() -> Made {
    let mut made = Made::new();
    made.about.many_processes = true;
    made.about.title = HOSTILE.join(" ");
    made.about.processes = vec![(7, HOSTILE.join(" ")), (9, String::new())];
    for (at, name) in HOSTILE.iter().enumerate() {
        let thread = made.thread(7 + 2 * (at as u32 % 2), 100 + at as u64, Some(name));
        let stacks = [
            made.stack([(*name, "", 0), (*name, *name, 3)]),
            made.stack([(*name, *name, 0), (*name, "", 0)]),
            made.stack([(*name, "", 0), ("f", "/x/f.py", 1), (*name, "", 0), (*name, "", 0)]),
        ];
        for (tick, stack) in stacks.into_iter().enumerate() {
            made.at(tick as u64 * 2, thread, stack);
        }
    }
    made
}

/// One recursion, `depth` frames deep, seen twice at its bottom and once half-way.
pub(crate) fn deep(depth: usize) -> Made {
    let mut made = Made::new();
    let main = made.thread(7, 7, Some("MainThread"));
    let place = ("recurse", "/home/u/deep.py", 3);
    let bottom = made.stack(std::iter::repeat_n(place, depth));
    let middle = made.stack(std::iter::repeat_n(place, depth / 2));
    made.at(0, main, bottom);
    made.at(1, main, bottom);
    made.at(2, main, middle);
    made
}
