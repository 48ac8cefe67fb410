use std::collections::BTreeMap;

use py_spy_profile::{Format, for_line, frame_label};

use crate::made::{Made, deep, hostile, small};

/// Stacks and counts as another program reads them.
pub(crate) fn read(text: &str) -> Vec<(Vec<&str>, u64)> {
    text.lines()
        .map(|line| {
            let (stack, count) = line.rsplit_once(' ').unwrap();
            (stack.split(';').collect(), count.parse().unwrap())
        })
        .collect()
}

/// What should have been read, counted without the tree.
pub(crate) fn expected(made: &Made) -> BTreeMap<Vec<String>, u64> {
    let mut counts = BTreeMap::new();
    let mut frames = Vec::new();
    for sample in &made.samples {
        made.tables.unfold(sample.stack, &mut frames);
        let labels = frames.iter().map(|&frame| for_line(&frame_label(&made.tables, frame)).into_owned());
        *counts.entry(labels.collect()).or_insert(0) += 1;
    }
    counts
}

pub(crate) fn check(made: &Made) {
    let text = made.write(Format::Raw);
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()));
    let lines: Vec<(Vec<String>, u64)> =
        read(&text).into_iter().map(|(stack, count)| (stack.into_iter().map(str::to_owned).collect(), count)).collect();
    // A sorted map: this also says that the lines are distinct and sorted by label.
    assert_eq!(lines, expected(made).into_iter().collect::<Vec<_>>());
}

#[test]
fn a_small_profile() {
    insta::assert_snapshot!(small().write(Format::Raw), @r"
    <module> (x.py:10) 1
    <module> (x.py:9);work (x.py:5) 4
    thread (8);run (threading.py) 2
    ");
}

#[test]
fn nothing() {
    assert_eq!(Made::new().write(Format::Raw), "");
}

#[test]
fn hostile_names_stay_in_their_place() {
    check(&hostile());
}

#[test]
fn equal_labels_are_one_stack() {
    let mut made = Made::new();
    let main = made.thread(1, 1, None);
    for file in ["/a/x.py", "/b/x.py"] {
        let stack = made.stack([("f", file, 1), ("g", file, 2)]);
        made.at(0, main, stack);
    }
    assert_eq!(made.write(Format::Raw), "f (x.py:1);g (x.py:2) 2\n");
}

#[test]
fn a_stack_of_100_000_frames_is_whole() {
    let text = deep(100_000).write(Format::Raw);
    let lines = read(&text);
    assert_eq!(
        lines.iter().map(|(stack, count)| (stack.len(), *count)).collect::<Vec<_>>(),
        [(50_000, 1), (100_000, 2)]
    );
    assert!(lines.iter().flat_map(|(stack, _)| stack).all(|&label| label == "recurse (deep.py:3)"));
}
