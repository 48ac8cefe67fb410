//! JSON for speedscope: each thread's stacks one after the other, with how long each stood.

use std::borrow::Cow;
use std::io::{self, BufWriter, Write};

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use crate::label::profile_label;
use crate::{About, Frame, FrameId, Nanos, Sample, Sink, StackId, Tables, Thread};

/// One list of stacks a thread. A moment for which a thread has no sample is an empty stack, so that all threads share
/// one time axis that begins with the recording.
#[derive(Debug, Default)]
pub(crate) struct Speedscope {
    tracks: Vec<Track>,
}

impl Sink for Speedscope {
    fn sample(&mut self, sample: &Sample, _: &Tables) -> io::Result<()> {
        let at = sample.thread.index();
        if at >= self.tracks.len() {
            self.tracks.resize_with(at + 1, Track::default);
        }
        self.tracks[at].add(sample);
        Ok(())
    }

    fn finish(self: Box<Self>, tables: &Tables, about: &About, out: &mut dyn Write) -> io::Result<()> {
        let (frames, places) = self.frames(tables);
        let mut threads: Vec<(&Thread, &Track)> =
            tables.threads().zip(&self.tracks).map(|((_, thread), track)| (thread, track)).collect();
        threads.retain(|(_, track)| !track.stacks.is_empty());
        let mut profiles: Vec<Profile> = threads
            .into_iter()
            .map(|(thread, track)| Profile {
                kind: "sampled",
                name: profile_label(thread, about.many_processes),
                unit: "seconds",
                start_value: 0.0,
                end_value: seconds(track.end),
                samples: Stacks { track, tables, places: &places },
                weights: Weights(track),
                main: u64::from(thread.pid) == thread.tid,
            })
            .collect();
        profiles.sort_by(|a, b| (!a.main, &a.name).cmp(&(!b.main, &b.name)));
        let file = File {
            schema: "https://www.speedscope.app/file-format-schema.json",
            profiles,
            shared: Shared { frames },
            active_profile_index: None,
            exporter: &about.exporter,
            name: "py-spy profile",
        };
        let mut out = BufWriter::new(out);
        serde_json::to_writer(&mut out, &file)?;
        out.flush()
    }
}

impl Speedscope {
    /// The frames that occur, and for each frame of the tables its place among them.
    fn frames<'a>(&self, tables: &'a Tables) -> (Vec<FileFrame<'a>>, Vec<u32>) {
        let mut seen = vec![false; tables.stacks().len()];
        for &stack in self.tracks.iter().flat_map(|track| &track.stacks) {
            seen[stack.index()] = true;
        }
        let mut used = vec![false; tables.frames().len()];
        for (stack, frame, caller) in tables.stacks().rev() {
            if seen[stack.index()] {
                used[frame.index()] = true;
                if let Some(caller) = caller {
                    seen[caller.index()] = true;
                }
            }
        }
        let mut frames = Vec::new();
        let mut places = Vec::with_capacity(used.len());
        for (frame, used) in tables.frames().iter().zip(used) {
            places.push(frames.len() as u32);
            if used {
                frames.push(FileFrame::new(frame, tables));
            }
        }
        (frames, places)
    }
}

/// One thread's samples, four bytes each.
#[derive(Debug, Default)]
struct Track {
    stacks: Vec<StackId>,
    /// Where something other than one more sample of the same weight happens, in order; the first is before sample 0.
    breaks: Vec<Break>,
    /// The sum of all weights and gaps: where the next sample is due.
    end: Nanos,
}

/// A gap, a new weight, or both.
#[derive(Debug)]
struct Break {
    /// The sample it comes before.
    before: usize,
    /// Time without samples; 0 where there is none.
    gap: Nanos,
    /// The weight of the samples from here on.
    weight: Nanos,
}

impl Track {
    fn add(&mut self, sample: &Sample) {
        let weight = sample.weight;
        let late = sample.at.saturating_sub(self.end);
        let gap = if late > weight.saturating_add(weight / 2) { late } else { 0 };
        if gap > 0 || self.breaks.last().is_none_or(|last| last.weight != weight) {
            self.breaks.push(Break { before: self.stacks.len(), gap, weight });
        }
        self.end = self.end.saturating_add(gap).saturating_add(weight);
        self.stacks.push(sample.stack);
    }

    /// Every entry of the file with its length; a gap has no stack.
    fn entries(&self) -> impl Iterator<Item = (Option<StackId>, Nanos)> {
        let mut breaks = self.breaks.iter().peekable();
        let mut weight = 0;
        self.stacks.iter().enumerate().flat_map(move |(at, &stack)| {
            let mut gap = 0;
            if let Some(here) = breaks.next_if(|next| next.before == at) {
                (gap, weight) = (here.gap, here.weight);
            }
            (gap > 0).then_some((None, gap)).into_iter().chain([(Some(stack), weight)])
        })
    }
}

fn seconds(time: Nanos) -> f64 {
    time as f64 / 1e9
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    profiles: Vec<Profile<'a>>,
    shared: Shared<'a>,
    #[serde(rename = "activeProfileIndex")]
    active_profile_index: Option<u32>,
    exporter: &'a str,
    name: &'static str,
}

#[derive(Serialize)]
struct Profile<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    unit: &'static str,
    #[serde(rename = "startValue")]
    start_value: f64,
    #[serde(rename = "endValue")]
    end_value: f64,
    samples: Stacks<'a>,
    weights: Weights<'a>,
    #[serde(skip)]
    main: bool,
}

#[derive(Serialize)]
struct Shared<'a> {
    frames: Vec<FileFrame<'a>>,
}

/// Readers take exactly these four keys.
#[derive(Serialize)]
struct FileFrame<'a> {
    name: Cow<'a, str>,
    file: &'a str,
    line: Option<u32>,
    col: Option<u32>,
}

impl<'a> FileFrame<'a> {
    fn new(frame: &Frame, tables: &'a Tables) -> Self {
        let (name, file, line) = frame.parts(tables);
        FileFrame { name, file, line, col: None }
    }
}

/// The stacks of a track as lists of frame places, made one at a time.
struct Stacks<'a> {
    track: &'a Track,
    tables: &'a Tables,
    places: &'a [u32],
}

impl Serialize for Stacks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        let mut frames: Vec<FrameId> = Vec::new();
        let mut stack: Vec<u32> = Vec::new();
        for (id, _) in self.track.entries() {
            frames.clear();
            if let Some(id) = id {
                self.tables.unfold(id, &mut frames);
            }
            stack.clear();
            stack.extend(frames.iter().map(|frame| self.places[frame.index()]));
            list.serialize_element(&stack)?;
        }
        list.end()
    }
}

/// The lengths of a track's entries in seconds.
struct Weights<'a>(&'a Track);

impl Serialize for Weights<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.entries().map(|(_, weight)| seconds(weight)))
    }
}
