//! A dump as text. Other tools read it, so its form is py-spy's.

use std::fmt::{self, Display, Write};

use anstyle::{AnsiColor, Style};
use py_spy_profile::for_terminal;
use py_spy_sampler::{FrameSnapshot, Kind, Shown, Source, ThreadSnapshot, ThreadState, Variable};
use rustc_hash::FxHashMap;
use unicode_width::UnicodeWidthStr;

use super::Dumped;
use super::links::Links;

const ID: Style = AnsiColor::Yellow.on_default().bold();
const FUNCTION: Style = AnsiColor::Green.on_default();
const FILE: Style = AnsiColor::Cyan.on_default();
const LINE: Style = Style::new().dimmed();

/// Variables under their headings.
const HEADINGS: [(&str, &[Kind]); 3] =
    [("Arguments:", &[Kind::Argument]), ("Locals:", &[Kind::Local, Kind::Free]), ("Globals:", &[Kind::Global])];

/// With colours, and with links if they are wanted; whoever prints it takes colours out where they are not.
pub(super) fn render(all: &[Dumped], width: usize, merge: bool, linked: bool) -> String {
    let mut text = String::new();
    for (index, dumped) in all.iter().enumerate() {
        if index > 0 {
            let line = "-".repeat(width);
            // Writing to a `String` can not fail.
            let _ = writeln!(text, "\n{}", styled(LINE, line));
        }
        let links = if linked { Links::of(dumped) } else { Links::default() };
        let _ = write(&mut text, dumped, merge, &links);
    }
    text
}

fn write(out: &mut String, dumped: &Dumped, merge: bool, links: &Links) -> fmt::Result {
    let Dumped { info, snapshot, ancestors, dead } = dumped;
    writeln!(out, "Process {}: {}", styled(ID, info.pid), for_terminal(&info.command.join(" ")))?;
    writeln!(out, "Python v{} ({})", for_terminal(&info.version), for_terminal(&info.executable))?;
    if let Some(parent) = ancestors.last() {
        writeln!(out, "Parent Process {}: {}", styled(ID, parent.pid), for_terminal(&parent.command))?;
    }
    writeln!(out)?;
    // Of threads that are said to be one the first counts.
    let holders: FxHashMap<u64, &ThreadSnapshot> =
        snapshot.threads.iter().rev().map(|thread| (thread.thread_id, thread)).collect();
    for group in groups(&snapshot.threads, merge) {
        group.iter().try_for_each(|thread| write_head(out, thread, &holders, *dead))?;
        group.iter().take(1).flat_map(|thread| &thread.frames).try_for_each(|frame| write_frame(out, frame, links))?;
    }
    Ok(())
}

/// Threads that are at the same place, with the same variables if those are shown, are one group, if that is wanted; the place of
/// a group is that of its first.
fn groups(threads: &[ThreadSnapshot], merge: bool) -> Vec<Vec<&ThreadSnapshot>> {
    if !merge {
        return threads.iter().map(|thread| vec![thread]).collect();
    }
    let mut groups: Vec<Vec<&ThreadSnapshot>> = Vec::new();
    let mut places: FxHashMap<&[FrameSnapshot], usize> = FxHashMap::default();
    for thread in threads {
        let place = *places.entry(&thread.frames).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(thread),
            None => groups.push(vec![thread]),
        }
    }
    groups
}

fn write_head(
    out: &mut String,
    thread: &ThreadSnapshot,
    holders: &FxHashMap<u64, &ThreadSnapshot>,
    dead: bool,
) -> fmt::Result {
    let status = match (thread.active, thread.owns_gil) {
        (_, true) if dead => " (gil)",
        _ if dead => "",
        (_, true) => " (active+gil)",
        (true, false) => " (active)",
        (false, false) => " (idle)",
    };
    match thread.os_thread_id {
        Some(id) => write!(out, "Thread {}{status}", styled(ID, id))?,
        None => write!(out, "Thread {}{status}", styled(ID, format_args!("{:#X}", thread.thread_id)))?,
    }
    match &thread.name {
        Some(name) => writeln!(out, ": \"{}\"", for_terminal(name))?,
        None => writeln!(out)?,
    }
    thread.state.as_ref().map_or(Ok(()), |state| write_state(out, state, holders))
}

fn write_state(out: &mut String, state: &ThreadState, holders: &FxHashMap<u64, &ThreadSnapshot>) -> fmt::Result {
    write!(out, "    State: {}", for_terminal(&state.doing))?;
    if let Some(lock) = &state.lock {
        write!(out, ", {} at {:#x}", for_terminal(&lock.kind), lock.address)?;
        if let Some(owner) = lock.owner {
            write!(out, ", held by ")?;
            match holders.get(&owner) {
                Some(holder) => write!(out, "thread {}", styled(ID, name_of(holder)))?,
                None => write!(out, "thread {owner:#X}, which is no Python thread any more")?,
            }
        }
    }
    writeln!(out, "{}", if state.deadlocked { ": DEADLOCK, they wait for each other" } else { "" })?;
    match &state.exception {
        Some(exception) => writeln!(out, "    Handling: {}", for_terminal(exception)),
        None => Ok(()),
    }
}

/// Its id and its name.
fn name_of(thread: &ThreadSnapshot) -> String {
    let id = thread.os_thread_id.map_or_else(|| format!("{:#X}", thread.thread_id), |id| id.to_string());
    match &thread.name {
        Some(name) => format!("{id} \"{}\"", for_terminal(name)),
        None => id,
    }
}

fn write_frame(out: &mut String, frame: &FrameSnapshot, links: &Links) -> fmt::Result {
    let file = frame.short_filename.as_deref().unwrap_or(&frame.filename);
    let place = fmt::from_fn(|f| {
        write!(f, "{}", styled(FILE, for_terminal(file)))?;
        if frame.line == 0 { Ok(()) } else { write!(f, ":{}", styled(LINE, frame.line)) }
    });
    write!(out, "    {}", styled(FUNCTION, for_terminal(&frame.name)))?;
    if file.is_empty() && frame.line == 0 {
        // A note.
        writeln!(out)?;
    } else {
        writeln!(out, " ({})", links.link(frame, place))?;
    }
    if let Some(source) = &frame.source {
        write_source(out, source)?;
    }
    let Some(locals) = &frame.locals else { return Ok(()) };
    for (heading, kinds) in HEADINGS {
        let mut of_kind = locals.iter().filter(|variable| kinds.contains(&variable.kind)).peekable();
        if of_kind.peek().is_some() {
            writeln!(out, "        {}", styled(LINE, heading))?;
        }
        of_kind.try_for_each(|variable| write_variable(out, variable))?;
    }
    Ok(())
}

/// The line, and marks below the part that is running, as in a traceback.
fn write_source(out: &mut String, Source { text, part }: &Source) -> fmt::Result {
    writeln!(out, "        > {}", styled(LINE, for_terminal(text)))?;
    let Some(part) = part else { return Ok(()) };
    let width = |text: &str| for_terminal(text).width();
    let (before, marks) = (width(&text[..part.start]), width(&text[part.clone()]));
    writeln!(out, "          {}{}", " ".repeat(before), styled(LINE, "^".repeat(marks)))
}

fn write_variable(out: &mut String, variable: &Variable) -> fmt::Result {
    let Shown { repr, attributes, .. } = &variable.value;
    write!(out, "            {}: {}", for_terminal(&variable.name), for_terminal(repr))?;
    match attributes {
        Some(attributes) => writeln!(out, " ({})", for_terminal(attributes)),
        None => writeln!(out),
    }
}

fn styled(style: Style, text: impl Display) -> impl Display {
    fmt::from_fn(move |f| write!(f, "{style}{text}{style:#}"))
}

#[cfg(test)]
pub(super) mod tests {
    use py_spy_sampler::{ProcessInfo, Snapshot};

    use super::super::Ancestor;
    use super::*;

    #[test]
    fn children_name_their_parents_below_a_line() {
        let mut child = example();
        child.ancestors =
            [(1, "sh"), (7, "a\nb")].map(|(pid, command)| Ancestor { pid, command: command.into() }).into();
        child.snapshot.threads.clear();
        let text = render(&[child, example()], 5, false, false);
        let plain = anstream::adapter::strip_str(&text).to_string();
        let expected = "Process 12210: python t.py a\\nb\nPython v3.11.7 (/usr/bin/python3.11)\nParent Process 7: a\\nb\n\n\n-----\nProcess";
        assert!(plain.starts_with(expected), "{plain}");
    }

    /// Two threads, of which the first has two frames.
    pub(in super::super) fn example() -> Dumped {
        let info = ProcessInfo {
            pid: 12210,
            command: vec!["python".into(), "t.py".into(), "a\nb".into()],
            executable: "/usr/bin/python3.11".into(),
            version: "3.11.7".into(),
        };
        let leaf = FrameSnapshot {
            name: "key".into(),
            filename: "/srv/app/t.py".into(),
            short_filename: Some("app/t.py".into()),
            line: 6,
            is_entry: false,
            is_shim_entry: false,
            span: None,
            source: None,
            locals: None,
        };
        let root = FrameSnapshot {
            name: "<module>".into(),
            short_filename: None,
            line: 0,
            is_shim_entry: true,
            ..leaf.clone()
        };
        let main = ThreadSnapshot {
            os_thread_id: Some(12210),
            thread_id: 140_000,
            name: Some("Main\x1b[31mThread".into()),
            active: true,
            owns_gil: true,
            frames: vec![leaf, root],
            state: None,
        };
        let other = ThreadSnapshot {
            os_thread_id: None,
            thread_id: 140_001,
            name: None,
            active: false,
            owns_gil: false,
            frames: Vec::new(),
            state: None,
        };
        let snapshot = Snapshot { threads: vec![main, other], dropped: 0 };
        Dumped { info, snapshot, ancestors: Vec::new(), dead: false }
    }

    #[test]
    fn marks_are_below_what_runs() {
        let mut out = String::new();
        let text = "x = \u{65e5}\t+ f(\u{65e5})".to_owned();
        let start = text.find('f').expect("it is there");
        let part = Some(start..text.len());
        write_source(&mut out, &Source { text, part }).expect("it is written");
        let plain = anstream::adapter::strip_str(&out).to_string();
        assert_eq!(plain, "        > x = \u{65e5}\\t+ f(\u{65e5})\n                    ^^^^^\n");
    }

    #[test]
    fn the_form_is_that_of_py_spy() {
        let plain = anstream::adapter::strip_str(&render(&[example()], 80, false, false)).to_string();
        let expected = r#"Process 12210: python t.py a\nb
Python v3.11.7 (/usr/bin/python3.11)

Thread 12210 (active+gil): "Main\x1b[31mThread"
    key (app/t.py:6)
    <module> (/srv/app/t.py)
Thread 0x222E1 (idle)
"#;
        assert_eq!(plain, expected);
    }
}
