use std::collections::BTreeMap;

use py_spy_profile::Format;
use roxmltree::{Document, ParsingOptions};

use crate::made::{Made, deep, hostile, small};
use crate::raw::expected;

fn parse(text: &str) -> Document<'_> {
    Document::parse_with_options(text, ParsingOptions { allow_dtd: true, ..ParsingOptions::default() }).unwrap()
}

/// The boxes of a picture, and how many times each text names one.
fn titles(document: &Document) -> BTreeMap<String, usize> {
    let mut titles = BTreeMap::new();
    for title in document.descendants().filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "title"))) {
        *titles.entry(title.text().unwrap_or_default().to_owned()).or_insert(0) += 1;
    }
    titles
}

/// The boxes that a profile should have, given that none is narrower than a thousandth.
fn expected_titles(made: &Made) -> BTreeMap<String, usize> {
    // Where what is drawn is not what raw says: inferno drops comments and the spaces around a line.
    let drawn = |label: &String| match label.trim() {
        comment if comment.starts_with("# ") => comment.replacen('#', "\\x23", 1),
        label => label.to_owned(),
    };
    let mut boxes: BTreeMap<Vec<String>, u64> = BTreeMap::new();
    let mut total = 0;
    for (stack, count) in expected(made) {
        total += count;
        let stack: Vec<String> = stack.iter().map(drawn).collect();
        for depth in 1..=stack.len() {
            *boxes.entry(stack[..depth].to_vec()).or_insert(0) += count;
        }
    }
    let mut titles = BTreeMap::from([(format!("all ({total} samples, 100%)"), 1)]);
    for (stack, count) in boxes {
        let name = stack.last().unwrap();
        let percent = 100.0 * count as f64 / total as f64;
        *titles.entry(format!("{name} ({count} samples, {percent:.2}%)")).or_insert(0) += 1;
    }
    titles
}

pub(crate) fn check(made: &Made) {
    let svg = made.write(Format::Flamegraph);
    let document = parse(&svg);
    if !made.samples.is_empty() {
        assert_eq!(titles(&document), expected_titles(made));
    }
}

#[test]
fn a_small_profile() {
    let svg = small().write(Format::Flamegraph);
    let document = parse(&svg);
    assert_eq!(titles(&document), expected_titles(&small()));
    insta::assert_debug_snapshot!(titles(&document), @r#"
    {
        "<module> (x.py:10) (1 samples, 14.29%)": 1,
        "<module> (x.py:9) (4 samples, 57.14%)": 1,
        "all (7 samples, 100%)": 1,
        "run (threading.py) (2 samples, 28.57%)": 1,
        "thread (8) (2 samples, 28.57%)": 1,
        "work (x.py:5) (4 samples, 57.14%)": 1,
    }
    "#);
    assert!(svg.contains("var inverted = true"));
    let title = document.descendants().find(|node| node.attribute("id") == Some("title")).unwrap();
    assert_eq!(title.text(), Some("py-spy record -o x -- python x.py"));
}

#[test]
fn hostile_names_make_valid_xml() {
    check(&hostile());
}

#[test]
fn narrow_boxes_are_left_out_and_wide_ones_are_not() {
    let mut made = Made::new();
    let main = made.thread(1, 1, None);
    let root = ("root", "/x.py", 1);
    let wide = made.stack([root, ("wide", "/x.py", 2)]);
    let just = made.stack([root, ("just wide enough", "/x.py", 2)]);
    let narrow: Vec<String> = (0..50).map(|at| format!("narrow{at}")).collect();
    for tick in 0..2000 {
        made.at(tick, main, wide);
    }
    for tick in 0..3 {
        made.at(tick, main, just);
    }
    for name in &narrow {
        let stack = made.stack([root, (name, "/x.py", 3), ("leaf", "/x.py", 4)]);
        made.at(0, main, stack);
    }
    let svg = made.write(Format::Flamegraph);
    let titles = titles(&parse(&svg));
    let names: Vec<&str> = titles.keys().map(String::as_str).collect();
    insta::assert_debug_snapshot!(names, @r#"
    [
        "all (2,053 samples, 100%)",
        "just wide enough (x.py:2) (3 samples, 0.15%)",
        "root (x.py:1) (2,053 samples, 100.00%)",
        "wide (x.py:2) (2,000 samples, 97.42%)",
    ]
    "#);
}

#[test]
fn nothing_is_a_picture_too() {
    let mut made = Made::new();
    made.about.title = "a < b & c\x1b".to_owned();
    let svg = made.write(Format::Flamegraph);
    let document = parse(&svg);
    let texts: Vec<&str> = document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .filter_map(|node| node.text())
        .collect();
    assert_eq!(texts, [r"a < b & c\x1b", "No samples were taken."]);
}

#[test]
fn a_stack_of_100_000_frames_is_folded() {
    let svg = deep(100_000).write(Format::Flamegraph);
    let document = parse(&svg);
    let titles = titles(&document);
    assert_eq!(titles["recurse (deep.py:3) (3 samples, 100.00%)"], 1000);
    assert_eq!(titles["(up to 99000 deeper frames) (3 samples, 100.00%)"], 1);
    let height: u32 = document.root_element().attribute("height").unwrap().parse().unwrap();
    assert!(height < 17_000, "{height}");
}
