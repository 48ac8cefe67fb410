//! Relatives of all kinds in one profile.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;

use py_spy_test_programs::{Interpreter, one_of_each_series};

use crate::common::{program, py_spy, python, stderr, stdout};
use crate::{counts, samples, stacks};

/// Everybody who works for 0.4 s.
const WORKERS: [&str; 13] = [
    "root",
    "forked",
    "parent",
    "grandchild",
    "spawned",
    "served",
    "started",
    "shelled",
    "late",
    "before",
    "after",
    "threaded",
    "daemon",
];

/// Samples of a worker that are the least that is believed: at 100 a second there are 40 for it, less what it takes to
/// find it.
const LEAST: u64 = 10;

/// Records `family.py`: its messages, the profile, and the ids of those who said who they are.
fn record(interpreter: &Interpreter, options: &[&str]) -> (String, String, BTreeMap<String, Vec<u32>>) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x");
    let mut command = py_spy(&[&["record", "-s", "-f", "raw", "-o", path.to_str().expect("UTF-8")], options].concat());
    command.arg("--").arg(&interpreter.program).arg("-B").arg(program("family"));
    for (name, value) in python(interpreter).get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.stdin(Stdio::null()).output().expect("py-spy starts");
    let name = interpreter.to_string();
    assert_eq!(output.status.code(), Some(3), "{name}: {}", stderr(&output));
    let mut said: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    for line in stdout(&output).lines() {
        let (who, pid) = line.split_once(' ').unwrap_or_else(|| panic!("{name}: {line:?}"));
        said.entry(who.to_owned()).or_default().push(pid.parse().expect("an id"));
    }
    (stderr(&output).to_owned(), fs::read_to_string(&path).expect("a profile"), said)
}

fn all_are_there(interpreter: &Interpreter, options: &[&str]) {
    let name = format!("{interpreter} {options:?}");
    let (messages, raw, said) = record(interpreter, options);
    assert!(messages.contains("Stopped sampling because process exited"), "{name}: {messages}");
    assert!(!messages.contains("left out") && !messages.contains("WARN"), "{name}: {messages}");
    let stacks = stacks(&name, &raw);
    assert_eq!(stacks.values().sum::<u64>(), samples(&name, &messages), "{name}");
    let root = said["root"][0];
    assert!(stacks.keys().all(|stack| stack.pids.first() == Some(&root)), "{name}: {raw}");
    for who in WORKERS {
        let [pid] = said[who][..] else { panic!("{name}: {who} is said {:?}", said[who]) };
        let function = match who {
            "root" => "everybody",
            // Its work is done in threads of its own.
            "threaded" => "work",
            who => who,
        };
        let counts = counts(&stacks, function);
        let own: u64 = counts.iter().filter(|(pids, _)| pids.last() == Some(&pid)).map(|(_, count)| count).sum();
        assert!(own >= LEAST, "{name}: {own} samples of {who}, process {pid}: {counts:?}");
        // What was forked has its parent's frames at its root; nobody else does the work of the others.
        if !["root", "parent", "threaded"].contains(&who) {
            assert_eq!(counts.values().sum::<u64>(), own, "{name}: {who}: {counts:?}");
        }
    }
    // The same process before and after.
    assert_eq!(said["before"], said["after"], "{name}");
    let lineage = |who: &str| {
        let mut all = counts(&stacks, who).into_keys().filter(|pids| pids.last() == Some(&said[who][0]));
        all.next().unwrap_or_else(|| panic!("{name}: {who}"))
    };
    assert_eq!(lineage("grandchild"), [root, said["parent"][0], said["grandchild"][0]], "{name}");
    assert_eq!(lineage("forked"), [root, said["forked"][0]], "{name}");
    // Between them there is a shell, and a server of forks.
    assert_eq!((lineage("shelled").len(), lineage("served").len()), (3, 3), "{name}");
    // Five processes that live for 50 ms: a busy machine may hide one.
    let brief = counts(&stacks, "brief");
    let seen = said["brief"].iter().filter(|pid| brief.keys().any(|pids| pids.last() == Some(pid))).count();
    assert!(seen >= 3, "{name}: {seen} of {:?} in {brief:?}", said["brief"]);
    let count = messages.split(" in ").find_map(|part| part.strip_suffix(" processes")).map(str::parse::<usize>);
    assert!(count.is_some_and(|count| count.is_ok_and(|count| count >= 12 + seen)), "{name}: {messages}");
}

#[test]
fn relatives_of_all_kinds_are_in_one_profile() {
    let _turn = crate::turn();
    for interpreter in one_of_each_series() {
        all_are_there(interpreter, &[]);
    }
}

#[test]
fn nothing_need_be_stopped_for_it() {
    let _turn = crate::turn();
    let all = one_of_each_series();
    all_are_there(all[all.len() - 1], &["--nonblocking"]);
}

#[test]
fn each_format_keeps_the_processes_apart() {
    let interpreter = one_of_each_series()[0];
    let source = "import os, time\npid = os.fork()\ndef f():\n  while time.process_time() < 0.5: pass\nf()\nif pid: os.waitpid(pid, 0)";
    for format in ["speedscope", "chrometrace", "flamegraph"] {
        let mut command = py_spy(&["record", "-s", "-f", format, "-o", "-", "--"]);
        let output = command.arg(&interpreter.program).args(["-c", source]).output().expect("py-spy starts");
        assert_eq!(output.status.code(), Some(0), "{format}: {}", stderr(&output));
        let text = stdout(&output);
        if format == "flamegraph" {
            assert_eq!(text.matches("<title>process ").count(), 2, "{text}");
            continue;
        }
        let json: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let mut pids: Vec<String> = Vec::new();
        if format == "speedscope" {
            for profile in json["profiles"].as_array().expect("a list") {
                let name = profile["name"].as_str().expect("text");
                let (pid, rest) = name.strip_prefix("Process ").and_then(|rest| rest.split_once(' ')).expect(name);
                // A forked process's only thread has its number.
                assert!(rest.starts_with(&format!("Thread {pid} ")), "{name}");
                assert_eq!(profile["startValue"], 0.0);
                pids.push(pid.to_owned());
            }
        } else {
            let mut open: BTreeMap<(u64, u64), i64> = BTreeMap::new();
            for event in json.as_array().expect("a list") {
                let key = (event["pid"].as_u64().expect("a number"), event["tid"].as_u64().expect("a number"));
                let depth = open.entry(key).or_default();
                match event["ph"].as_str() {
                    Some("B") => *depth += 1,
                    Some("E") => *depth -= 1,
                    _ if event["name"] == "process_name" => pids.push(key.0.to_string()),
                    _ => {}
                }
                assert!(*depth >= 0, "an end without a begin: {event}");
            }
            assert!(open.values().all(|depth| *depth == 0), "{open:?}");
        }
        pids.sort();
        pids.dedup();
        assert_eq!(pids.len(), 2, "{format}: {pids:?}");
    }
}

/// What has ended while it was looked at has no stack: that is a look that came too late and no error, else a pool whose
/// processes each live for one task has as many errors as processes.
#[test]
fn processes_that_end_are_no_errors() {
    let _turn = crate::turn();
    let interpreter = one_of_each_series()[0];
    let source = "import os, time\ndef brief():\n  until = time.process_time() + 0.03\n  while time.process_time() < until: pass\n\
                  for _ in range(40):\n  pid = os.fork()\n  if not pid:\n    brief()\n    os._exit(0)\n  os.waitpid(pid, 0)";
    let mut command = py_spy(&["record", "-s", "-r", "2000", "--max-overhead", "99", "-f", "raw", "-o", "-", "--"]);
    let output = command.arg(&interpreter.program).args(["-c", source]).output().expect("py-spy starts");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let stacks = stacks("ends", stdout(&output));
    // A busy machine may hide some.
    assert!(counts(&stacks, "brief").len() >= 10, "{stacks:?}");
    assert!(stderr(&output).contains(" Errors: 0"), "{}", stderr(&output));
}
