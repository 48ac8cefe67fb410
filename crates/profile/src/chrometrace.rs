//! JSON for `chrome://tracing` and Perfetto: when each call begins and ends.

use std::io::{self, BufWriter, Write};

use serde::Serialize;

use crate::{About, Frame, FrameId, Nanos, Sample, Sink, StackId, Tables, Thread};

/// Begin and end events, from the difference between one stack of a thread and the next.
#[derive(Debug, Default)]
pub(crate) struct Chrometrace {
    /// By thread id, in order of time.
    threads: Vec<Vec<Span>>,
}

/// A time in which a thread's stack was seen to be the same.
#[derive(Debug)]
struct Span {
    stack: StackId,
    from: Nanos,
    /// When it was last seen.
    seen: Nanos,
    /// How long that sight stands for.
    weight: Nanos,
}

impl Span {
    fn end(&self) -> Nanos {
        self.seen.saturating_add(self.weight)
    }

    /// True when a thread that is seen next at `at` had no stack in between.
    fn is_left_by(&self, at: Nanos) -> bool {
        at - self.seen > self.weight.saturating_add(self.weight / 2)
    }
}

impl Sink for Chrometrace {
    fn sample(&mut self, sample: &Sample, _: &Tables) -> io::Result<()> {
        let index = sample.thread.index();
        if index >= self.threads.len() {
            self.threads.resize_with(index + 1, Vec::new);
        }
        let spans = &mut self.threads[index];
        let Sample { mut at, weight, stack, .. } = *sample;
        if let Some(last) = spans.last_mut() {
            // A thread's time does not run backwards, whatever the samples say.
            at = at.max(last.seen);
            if last.stack == stack && !last.is_left_by(at) {
                (last.seen, last.weight) = (at, weight);
                return Ok(());
            }
        }
        spans.push(Span { stack, from: at, seen: at, weight });
        Ok(())
    }

    fn finish(self: Box<Self>, tables: &Tables, about: &About, out: &mut dyn Write) -> io::Result<()> {
        let mut out = List { out: BufWriter::new(out), length: 0 };
        for (pid, name) in &about.processes {
            out.event(&Meta::new("process_name", *pid, u64::from(*pid), name))?;
        }
        for ((_, thread), spans) in tables.threads().zip(&self.threads) {
            if !spans.is_empty() {
                if let Some(name) = &thread.name {
                    out.event(&Meta::new("thread_name", thread.pid, thread.tid, name))?;
                }
                Calls { tables, thread, lines: about.lines, open: Vec::new(), out: &mut out }.write(spans)?;
            }
        }
        out.end()
    }
}

/// The calls of one thread.
struct Calls<'a, 'b, 'o> {
    tables: &'a Tables,
    thread: &'a Thread,
    lines: bool,
    /// The frames that have begun and not ended, root first.
    open: Vec<FrameId>,
    out: &'b mut List<'o>,
}

impl Calls<'_, '_, '_> {
    fn write(mut self, spans: &[Span]) -> io::Result<()> {
        let mut stack = Vec::new();
        let mut last: Option<&Span> = None;
        for span in spans {
            if let Some(last) = last.filter(|last| last.is_left_by(span.from)) {
                self.close(0, last.end())?;
            }
            self.tables.unfold(span.stack, &mut stack);
            let same = self.open.iter().zip(&stack).take_while(|(a, b)| self.same(**a, **b)).count();
            self.close(same, span.from)?;
            for &frame in &stack[same..] {
                self.event("B", frame, span.from)?;
                self.open.push(frame);
            }
            last = Some(span);
        }
        self.close(0, last.map_or(0, Span::end))
    }

    /// Ends all open frames but the `keep` outermost.
    fn close(&mut self, keep: usize, at: Nanos) -> io::Result<()> {
        while self.open.len() > keep {
            let Some(frame) = self.open.pop() else { break };
            self.event("E", frame, at)?;
        }
        Ok(())
    }

    fn event(&mut self, phase: &'static str, frame: FrameId, at: Nanos) -> io::Result<()> {
        let (name, filename, line) = self.tables.frame_of(frame).parts(self.tables);
        self.out.event(&Event {
            args: Args { filename, line },
            category: "py-spy",
            name: &name,
            phase,
            pid: self.thread.pid,
            tid: self.thread.tid,
            micros: at / 1000,
        })
    }

    /// True when two frames are one call as far as one can see.
    fn same(&self, a: FrameId, b: FrameId) -> bool {
        if a == b {
            return true;
        }
        match (self.tables.frame_of(a), self.tables.frame_of(b)) {
            (
                Frame::Python { name, file, line, .. },
                Frame::Python { name: name_b, file: file_b, line: line_b, .. },
            ) => name == name_b && file == file_b && (line == line_b || !self.lines),
            _ => false,
        }
    }
}

/// A JSON array that is written element by element, one a line.
struct List<'o> {
    out: BufWriter<&'o mut dyn Write>,
    length: u64,
}

impl List<'_> {
    fn event(&mut self, event: &impl Serialize) -> io::Result<()> {
        self.out.write_all(if self.length == 0 { b"[" } else { b",\n" })?;
        self.length += 1;
        Ok(serde_json::to_writer(&mut self.out, event)?)
    }

    fn end(mut self) -> io::Result<()> {
        self.out.write_all(if self.length == 0 { b"[]\n" } else { b"]\n" })?;
        self.out.flush()
    }
}

#[derive(Serialize)]
struct Event<'a> {
    args: Args<'a>,
    #[serde(rename = "cat")]
    category: &'static str,
    name: &'a str,
    #[serde(rename = "ph")]
    phase: &'static str,
    pid: u32,
    tid: u64,
    #[serde(rename = "ts")]
    micros: u64,
}

#[derive(Serialize)]
struct Args<'a> {
    filename: &'a str,
    line: Option<u32>,
}

/// An event that only names a process or a thread.
#[derive(Serialize)]
struct Meta<'a> {
    args: MetaArgs<'a>,
    #[serde(rename = "cat")]
    category: &'static str,
    name: &'static str,
    #[serde(rename = "ph")]
    phase: &'static str,
    pid: u32,
    tid: u64,
    #[serde(rename = "ts")]
    micros: u64,
}

#[derive(Serialize)]
struct MetaArgs<'a> {
    name: &'a str,
}

impl<'a> Meta<'a> {
    fn new(kind: &'static str, pid: u32, tid: u64, name: &'a str) -> Self {
        Meta { args: MetaArgs { name }, category: "__metadata", name: kind, phase: "M", pid, tid, micros: 0 }
    }
}
