//! Links from a frame to its file, for terminals that open what is clicked on.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use py_spy_sampler::FrameSnapshot;
use py_spy_target::RootFolder;
use supports_hyperlinks::Stream;

use super::Dumped;

/// What a path in a URL is written with as it is; control characters least of all.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The files of one process that can be opened here, with their URLs.
#[derive(Debug, Default)]
pub(super) struct Links(HashMap<String, String>);

/// True when standard output is a terminal that shows links. `FORCE_HYPERLINK` overrules what is guessed.
pub(super) fn are_shown() -> bool {
    supports_hyperlinks::on(Stream::Stdout)
}

impl Links {
    /// Only files that are the same here as where the process sees them: a container's `/app/main.py` may be another one here.
    pub(super) fn of(Dumped { info, snapshot, dead, .. }: &Dumped) -> Links {
        let host = nix::unistd::gethostname().unwrap_or_default();
        let root = RootFolder::of(info.pid);
        let mut files = HashMap::new();
        for frame in snapshot.threads.iter().flat_map(|thread| &thread.frames) {
            if files.contains_key(&frame.filename) {
                continue;
            }
            let path = Path::new(&frame.filename);
            let theirs = || root.as_ref().ok()?.open(path).ok()?.metadata().ok();
            let same = |ours: &Metadata| *dead || theirs().is_some_and(|theirs| is_same(ours, &theirs));
            if path.is_absolute() && path.metadata().is_ok_and(|ours| ours.is_file() && same(&ours)) {
                let url = format!("file://{}{}", host.to_string_lossy(), utf8_percent_encode(&frame.filename, PATH));
                files.insert(frame.filename.clone(), url);
            }
        }
        Links(files)
    }

    /// The text as a link to the frame's line, or as it is. The line is the URL's fragment: terminals that know no lines open
    /// the file.
    pub(super) fn link(&self, frame: &FrameSnapshot, text: impl Display) -> impl Display {
        let url = self.0.get(&frame.filename);
        fmt::from_fn(move |f| match url {
            // OSC 8; ended by ST.
            Some(url) => write!(f, "\x1b]8;;{url}#{}\x1b\\{text}\x1b]8;;\x1b\\", frame.line),
            None => write!(f, "{text}"),
        })
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::text;
    use super::*;

    #[test]
    fn only_files_that_are_here_are_linked_and_nothing_in_their_names_acts() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a b\x1b;#.py");
        std::fs::write(&file, "").unwrap();
        let mut dumped = text::tests::example();
        dumped.info.pid = std::process::id();
        let mut here = dumped.snapshot.threads[0].frames[0].clone();
        here.filename = file.to_str().unwrap().to_owned();
        let gone = FrameSnapshot { filename: "/nowhere/at/all.py".into(), ..here.clone() };
        dumped.snapshot.threads[0].frames = vec![here.clone(), gone.clone()];

        let links = Links::of(&dumped);
        let linked = links.link(&here, "t.py").to_string();
        assert!(linked.starts_with("\x1b]8;;file://"), "{linked:?}");
        assert!(linked.ends_with("/a%20b%1B%3B%23.py#6\x1b\\t.py\x1b]8;;\x1b\\"), "{linked:?}");
        assert_eq!(links.link(&gone, "all.py").to_string(), "all.py");
        assert_eq!(anstream::adapter::strip_str(&linked).to_string(), "t.py", "a file gets the text only");
    }
}
