use std::collections::BTreeMap;

use py_spy_profile::Format;
use serde_json::Value;

use crate::made::{Made, TICK, deep, hostile, small};
use crate::speedscope::keys;

/// Drawn time by thread (process, thread) and name, in microseconds: what a viewer shows.
pub(crate) type Drawn = BTreeMap<(u64, u64, String), u64>;

/// Name, arguments and time of a begin event.
type Begun = (Value, Value, u64);

/// Replays the events as a viewer does; panics where they do not nest.
pub(crate) fn check(made: &Made) -> Drawn {
    let text = made.write(Format::Chrometrace);
    let events: Value = serde_json::from_str(&text).unwrap();
    let mut open: BTreeMap<(u64, u64), Vec<Begun>> = BTreeMap::new();
    let mut last: BTreeMap<(u64, u64), u64> = BTreeMap::new();
    let mut drawn = Drawn::new();
    for event in events.as_array().unwrap() {
        assert_eq!(keys(event), ["args", "cat", "name", "ph", "pid", "tid", "ts"]);
        let thread = (event["pid"].as_u64().unwrap(), event["tid"].as_u64().unwrap());
        let at = event["ts"].as_u64().unwrap();
        if event["ph"] == "M" {
            assert!(event["args"]["name"].is_string());
            continue;
        }
        assert_eq!(event["cat"], "py-spy");
        assert!(at >= *last.get(&thread).unwrap_or(&0), "time runs backwards");
        last.insert(thread, at);
        let open = open.entry(thread).or_default();
        if event["ph"] == "B" {
            open.push((event["name"].clone(), event["args"].clone(), at));
        } else {
            assert_eq!(event["ph"], "E");
            let (name, args, from) = open.pop().expect("an end has a begin");
            assert_eq!((&event["name"], &event["args"]), (&name, &args));
            *drawn.entry((thread.0, thread.1, name.as_str().unwrap().to_owned())).or_insert(0) += at - from;
        }
    }
    assert!(open.values().all(Vec::is_empty), "a begin without an end");
    drawn
}

fn drawn(made: &Made, pid: u64, tid: u64, name: &str) -> u64 {
    check(made)[&(pid, tid, name.to_owned())]
}

#[test]
fn a_small_profile() {
    check(&small());
    insta::assert_snapshot!(small().write(Format::Chrometrace), @r#"
    [{"args":{"name":"python x.py"},"cat":"__metadata","name":"process_name","ph":"M","pid":7,"tid":7,"ts":0},
    {"args":{"name":"MainThread"},"cat":"__metadata","name":"thread_name","ph":"M","pid":7,"tid":7,"ts":0},
    {"args":{"filename":"/home/u/x.py","line":9},"cat":"py-spy","name":"<module>","ph":"B","pid":7,"tid":7,"ts":0},
    {"args":{"filename":"/home/u/x.py","line":5},"cat":"py-spy","name":"work","ph":"B","pid":7,"tid":7,"ts":0},
    {"args":{"filename":"/home/u/x.py","line":5},"cat":"py-spy","name":"work","ph":"E","pid":7,"tid":7,"ts":30000},
    {"args":{"filename":"/home/u/x.py","line":9},"cat":"py-spy","name":"<module>","ph":"E","pid":7,"tid":7,"ts":30000},
    {"args":{"filename":"/home/u/x.py","line":9},"cat":"py-spy","name":"<module>","ph":"B","pid":7,"tid":7,"ts":50000},
    {"args":{"filename":"/home/u/x.py","line":5},"cat":"py-spy","name":"work","ph":"B","pid":7,"tid":7,"ts":50000},
    {"args":{"filename":"/home/u/x.py","line":5},"cat":"py-spy","name":"work","ph":"E","pid":7,"tid":7,"ts":60000},
    {"args":{"filename":"/home/u/x.py","line":9},"cat":"py-spy","name":"<module>","ph":"E","pid":7,"tid":7,"ts":60000},
    {"args":{"filename":"/home/u/x.py","line":10},"cat":"py-spy","name":"<module>","ph":"B","pid":7,"tid":7,"ts":60000},
    {"args":{"filename":"/home/u/x.py","line":10},"cat":"py-spy","name":"<module>","ph":"E","pid":7,"tid":7,"ts":70000},
    {"args":{"name":"worker 1"},"cat":"__metadata","name":"thread_name","ph":"M","pid":7,"tid":8,"ts":0},
    {"args":{"filename":"","line":null},"cat":"py-spy","name":"thread (8)","ph":"B","pid":7,"tid":8,"ts":40000},
    {"args":{"filename":"/usr/lib/threading.py","line":null},"cat":"py-spy","name":"run","ph":"B","pid":7,"tid":8,"ts":40000},
    {"args":{"filename":"/usr/lib/threading.py","line":null},"cat":"py-spy","name":"run","ph":"E","pid":7,"tid":8,"ts":60000},
    {"args":{"filename":"","line":null},"cat":"py-spy","name":"thread (8)","ph":"E","pid":7,"tid":8,"ts":60000}]
    "#);
}

#[test]
fn nothing() {
    assert_eq!(Made::new().write(Format::Chrometrace), "[]\n");
}

#[test]
fn idle_time_is_not_drawn() {
    let made = small();
    assert_eq!(drawn(&made, 7, 7, "work"), 40_000);
    assert_eq!(drawn(&made, 7, 8, "run"), 20_000);
}

#[test]
fn a_call_goes_on_while_its_callees_change() {
    let mut made = Made::new();
    let main = made.thread(1, 1, None);
    for tick in 0..10 {
        let stack = made.stack([("outer", "/x.py", 1), ("inner", "/x.py", 1 + tick as u32 % 2)]);
        made.at(tick, main, stack);
    }
    let begins = |made: &Made, name: &str| {
        let events: Value = serde_json::from_str(&made.write(Format::Chrometrace)).unwrap();
        events.as_array().unwrap().iter().filter(|event| event["ph"] == "B" && event["name"] == name).count()
    };
    assert_eq!((begins(&made, "outer"), begins(&made, "inner")), (1, 10));
    made.about.lines = false;
    assert_eq!((begins(&made, "outer"), begins(&made, "inner")), (1, 1));
    assert_eq!(drawn(&made, 1, 1, "inner"), 10 * TICK / 1000);
}

#[test]
fn processes_with_the_same_thread_ids_do_not_mix() {
    let mut made = Made::new();
    let threads = [made.thread(1, 5, None), made.thread(2, 5, None)];
    for tick in 0..20 {
        for (at, thread) in threads.into_iter().enumerate() {
            let name = if (tick + at as u64).is_multiple_of(3) { "a" } else { "b" };
            let stack = made.stack([("root", "/x.py", 1), (name, "/x.py", 2)]);
            made.at(tick, thread, stack);
        }
    }
    assert_eq!(drawn(&made, 1, 5, "root"), 200_000);
    assert_eq!(drawn(&made, 2, 5, "root"), 200_000);
}

#[test]
fn hostile_names_are_kept() {
    let drawn = check(&hostile());
    assert!(crate::made::HOSTILE.iter().all(|name| drawn.keys().any(|(.., drawn)| drawn == name)));
}

#[test]
fn a_stack_of_10_000_frames_nests() {
    // Twice at the bottom for all its frames, then once for half of them.
    assert_eq!(drawn(&deep(10_000), 7, 7, "recurse"), 5_000 * 20_000 + 5_000 * 30_000);
}

#[test]
fn a_stack_of_100_000_frames_is_whole() {
    let text = deep(100_000).write(Format::Chrometrace);
    assert_eq!(text.matches(r#""ph":"B""#).count(), 100_000);
    assert_eq!(text.matches(r#""ph":"E""#).count(), 100_000);
}
