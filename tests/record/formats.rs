//! What each format has in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use py_spy_test_programs::{one_of_each_series, one_of_each_series_that_runs};
use serde_json::Value;

use crate::common::{good, py_spy, run, stderr};
use crate::{counting, samples, stacks};

const LABEL: &str = "work (counting.py:";

#[test]
fn every_format_of_a_running_program() {
    let folder = tempfile::tempdir().expect("a folder");
    for interpreter in one_of_each_series_that_runs("counting") {
        let mut program = counting(interpreter);
        for format in ["raw", "speedscope", "chrometrace", "flamegraph"] {
            let path = folder.path().join(format);
            let path = path.to_str().expect("UTF-8");
            let pid = program.id_text();
            let name = format!("{interpreter} record -f {format}");
            let output = run(&["record", "-d", "300ms", "-r", "200", "-f", format, "-o", path, "--pid", &pid]);
            assert_eq!(good(&name, &output), "", "{name}");
            let messages = stderr(&output);
            assert!(messages.contains(&format!("to '{path}'. Samples: ")), "{name}: {messages}");
            let written = fs::read_to_string(path).expect("it is written");
            let samples = samples(&name, messages);
            assert!(samples > 0, "{name}: {messages}");
            match format {
                "raw" => assert_eq!(stacks(&name, &written).values().sum::<u64>(), samples, "{name}"),
                "speedscope" => speedscope(&name, &written, samples),
                "chrometrace" => chrometrace(&name, &written, &pid),
                _ => flamegraph(&name, &written),
            }
            program.is_unharmed();
        }
        program.goes_on();
        let left: Vec<_> = fs::read_dir(&folder).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left.len(), 4, "{interpreter}: something is left behind: {left:?}");
    }
}

fn speedscope(name: &str, text: &str, samples: u64) {
    let file: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
    assert_eq!(file["$schema"], "https://www.speedscope.app/file-format-schema.json", "{name}");
    let frames = file["shared"]["frames"].as_array().expect("frames");
    for frame in frames {
        let keys: BTreeSet<_> = frame.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(["col", "file", "line", "name"]), "{name}");
    }
    assert!(frames.iter().any(|frame| frame["name"] == "work" && frame["line"].is_u64()), "{name}: {text}");
    let mut count = 0;
    for profile in file["profiles"].as_array().expect("profiles") {
        assert_eq!(profile["type"], "sampled", "{name}");
        let lists = ["samples", "weights"].map(|key| profile[key].as_array().expect("a list"));
        assert_eq!(lists[0].len(), lists[1].len(), "{name}");
        for index in lists[0].iter().flat_map(|stack| stack.as_array().expect("a stack")) {
            assert!(index.as_u64().is_some_and(|index| index < frames.len() as u64), "{name}: {index}");
        }
        count += lists[0].iter().filter(|stack| stack.as_array().is_some_and(|stack| !stack.is_empty())).count();
    }
    assert_eq!(count as u64, samples, "{name}");
}

fn chrometrace(name: &str, text: &str, pid: &str) {
    let events: Vec<Value> = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"));
    let mut open: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    let mut seen = false;
    for event in &events {
        assert_eq!(event["pid"].to_string(), pid, "{name}");
        let stack = open.entry(event["tid"].to_string()).or_default();
        match event["ph"].as_str() {
            Some("B") => stack.push(&event["name"]),
            Some("E") => assert_eq!(stack.pop(), Some(&event["name"]), "{name}: {event}"),
            Some("M") => {}
            other => panic!("{name}: {other:?}"),
        }
        seen |= event["name"] == "work" && event["args"]["line"].is_u64();
    }
    assert!(open.values().all(Vec::is_empty), "{name}: some frame never ends");
    assert!(seen, "{name}: {text}");
    for (kind, expected) in [("thread_name", "MainThread"), ("process_name", "counting.py")] {
        let named = |event: &Value| {
            event["name"] == kind && event["args"]["name"].as_str().is_some_and(|text| text.contains(expected))
        };
        assert!(events.iter().any(named), "{name}: no {kind}: {text}");
    }
}

fn flamegraph(name: &str, text: &str) {
    assert!(text.starts_with("<?xml ") && text.trim_end().ends_with("</svg>"), "{name}");
    assert!(text.contains(LABEL) && text.contains("py-spy record"), "{name}: {text}");
}

#[test]
fn a_profile_on_standard_output_is_alone_there() {
    let interpreter = one_of_each_series()[0];
    let mut program = counting(interpreter);
    let output = run(&["record", "-d", "0.2", "-f", "raw", "-o", "-", "--pid", &program.id_text()]);
    let raw = good("-o -", &output);
    assert_eq!(stacks("-o -", raw).values().sum::<u64>(), samples("-o -", stderr(&output)));
    program.goes_on();
}

#[test]
fn the_default_name_is_that_of_the_program_and_lands_here() {
    let interpreter = one_of_each_series()[0];
    let program = counting(interpreter);
    for (format, extension) in [("raw", "txt"), ("speedscope", "json"), ("chrometrace", "json"), ("svg", "svg")] {
        let folder = tempfile::tempdir().expect("a folder");
        let words = ["record", "-d", "0.1", "-f", format, "--pid", &program.id_text()];
        good(format, &py_spy(&words).current_dir(&folder).output().expect("py-spy starts"));
        only_file(&folder, &program.id_text(), extension);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let python = interpreter.program.to_str().expect("UTF-8");
    let words = ["record", "-f", "raw", "--", python, "-c", "sum(range(10 ** 7))"];
    good("-- python", &py_spy(&words).current_dir(&folder).output().expect("py-spy starts"));
    only_file(&folder, interpreter.program.file_name().and_then(|name| name.to_str()).expect("UTF-8"), "txt");
}

fn only_file(folder: &tempfile::TempDir, start: &str, extension: &str) {
    let names: Vec<_> = fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    let [name] = &names[..] else { panic!("{names:?}") };
    let name = name.to_str().expect("UTF-8");
    // Like 28911-2026-11-21T19-30-30+0000.txt
    let time = name.strip_prefix(&format!("{start}-")).and_then(|rest| rest.strip_suffix(&format!(".{extension}")));
    let plain: String = time.unwrap_or(name).chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(plain.replace('+', "-"), "0000-00-00T00-00-00-0000", "{name}");
}
