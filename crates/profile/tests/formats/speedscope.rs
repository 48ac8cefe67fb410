use std::collections::BTreeSet;

use py_spy_profile::{Format, Sample};
use serde_json::Value;

use crate::made::{Made, TICK, deep, hostile, small};

/// The keys of an object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let keys: BTreeSet<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.into_iter().collect()
}

/// Checks what the schema asks for, and that each sample is there; returns the file.
pub(crate) fn check(made: &Made) -> Value {
    let text = made.write(Format::Speedscope);
    assert!(!text.contains('\n'));
    let file: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(keys(&file), ["$schema", "activeProfileIndex", "exporter", "name", "profiles", "shared"]);
    assert_eq!(file["$schema"], "https://www.speedscope.app/file-format-schema.json");
    assert_eq!(keys(&file["shared"]), ["frames"]);
    let frames = file["shared"]["frames"].as_array().unwrap();
    for frame in frames {
        assert_eq!(keys(frame), ["col", "file", "line", "name"]);
        assert!(frame["name"].is_string() && frame["file"].is_string() && frame["col"].is_null());
        assert!(frame["line"].is_null() || frame["line"].as_u64().unwrap() > 0);
    }
    let (mut used, mut taken) = (BTreeSet::new(), 0);
    for profile in file["profiles"].as_array().unwrap() {
        assert_eq!(keys(profile), ["endValue", "name", "samples", "startValue", "type", "unit", "weights"]);
        assert_eq!((&profile["type"], &profile["unit"]), (&"sampled".into(), &"seconds".into()));
        assert_eq!(profile["startValue"], 0.0);
        let samples = profile["samples"].as_array().unwrap();
        let weights: Vec<f64> = profile["weights"].as_array().unwrap().iter().map(|w| w.as_f64().unwrap()).collect();
        assert_eq!(samples.len(), weights.len());
        assert!(weights.iter().all(|&weight| weight > 0.0));
        assert!((weights.iter().sum::<f64>() - profile["endValue"].as_f64().unwrap()).abs() < 1e-6);
        let mut gap_before = false;
        for sample in samples {
            let stack: Vec<u64> = sample.as_array().unwrap().iter().map(|at| at.as_u64().unwrap()).collect();
            assert!(!(gap_before && stack.is_empty()), "two gaps in a row");
            gap_before = stack.is_empty();
            taken += usize::from(!gap_before);
            used.extend(stack);
        }
        assert!(!gap_before, "a gap at the end");
    }
    assert_eq!(taken, made.samples.len());
    assert_eq!(used.into_iter().collect::<Vec<_>>(), (0..frames.len() as u64).collect::<Vec<_>>());
    file
}

#[test]
fn a_small_profile() {
    check(&small());
    insta::assert_snapshot!(small().write(Format::Speedscope), @r#"{"$schema":"https://www.speedscope.app/file-format-schema.json","profiles":[{"type":"sampled","name":"Thread 7 \"MainThread\"","unit":"seconds","startValue":0.0,"endValue":0.07,"samples":[[0,1],[0,1],[0,1],[],[0,1],[2]],"weights":[0.01,0.01,0.01,0.02,0.01,0.01]},{"type":"sampled","name":"Thread 8 \"worker 1\"","unit":"seconds","startValue":0.0,"endValue":0.06,"samples":[[],[3,4],[3,4]],"weights":[0.04,0.01,0.01]}],"shared":{"frames":[{"name":"<module>","file":"/home/u/x.py","line":9,"col":null},{"name":"work","file":"/home/u/x.py","line":5,"col":null},{"name":"<module>","file":"/home/u/x.py","line":10,"col":null},{"name":"thread (8)","file":"","line":null,"col":null},{"name":"run","file":"/usr/lib/threading.py","line":null,"col":null}]},"activeProfileIndex":null,"exporter":"py-spy@0.1.0","name":"py-spy profile"}"#);
}

#[test]
fn nothing() {
    let file = check(&Made::new());
    assert_eq!(file["profiles"], Value::Array(Vec::new()));
}

#[test]
fn hostile_names_are_kept() {
    let made = hostile();
    let file = check(&made);
    let names: BTreeSet<&str> =
        file["shared"]["frames"].as_array().unwrap().iter().map(|frame| frame["name"].as_str().unwrap()).collect();
    assert!(crate::made::HOSTILE.iter().all(|name| names.contains(name)));
    let profiles = file["profiles"].as_array().unwrap();
    let first = profiles.iter().find(|p| p["name"] == "Process 7 Thread 100 \"a;b\"");
    assert!(first.is_some());
}

#[test]
fn the_main_thread_is_first_then_names_decide() {
    let mut made = Made::new();
    let stack = made.stack([("f", "/x.py", 1)]);
    for (tid, name) in [(30, Some("b")), (20, Some("c")), (25, None), (12, Some("z"))] {
        let thread = made.thread(25, tid, name);
        made.at(0, thread, stack);
    }
    made.thread(25, 99, Some("never sampled"));
    let file = check(&made);
    let names: Vec<&str> = file["profiles"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Thread 25 \"\"", "Thread 12 \"z\"", "Thread 20 \"c\"", "Thread 30 \"b\""]);
}

#[test]
fn jitter_is_no_gap_but_does_not_add_up() {
    let mut made = Made::new();
    let main = made.thread(1, 1, None);
    let stack = made.stack([("f", "/x.py", 1)]);
    // One per cent slow: after 151 samples the clock of the weights is more than one and a half samples behind.
    for tick in 0..1000 {
        made.samples.push(Sample { at: tick * (TICK + TICK / 100), weight: TICK, thread: main, stack });
    }
    let file = check(&made);
    let profile = &file["profiles"][0];
    let samples = profile["samples"].as_array().unwrap();
    let gaps = samples.iter().filter(|sample| sample.as_array().unwrap().is_empty()).count();
    assert!((1..=8).contains(&gaps), "{gaps}");
    let end = profile["endValue"].as_f64().unwrap();
    assert!((10.07..=10.11).contains(&end), "{end}");
}

#[test]
fn a_change_of_weight_is_kept() {
    let mut made = Made::new();
    let main = made.thread(1, 1, None);
    let stack = made.stack([("f", "/x.py", 1)]);
    for (at, weight) in [(0, TICK), (TICK, 2 * TICK), (3 * TICK, 2 * TICK), (5 * TICK, TICK)] {
        made.samples.push(Sample { at, weight, thread: main, stack });
    }
    assert_eq!(check(&made)["profiles"][0]["weights"].to_string(), "[0.01,0.02,0.02,0.01]");
}

#[test]
fn a_stack_of_100_000_frames_is_whole() {
    let file = check(&deep(100_000));
    assert_eq!(file["profiles"][0]["samples"][1].as_array().unwrap().len(), 100_000);
}
