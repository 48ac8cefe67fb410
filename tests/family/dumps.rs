//! `dump` of a process and all that come from it.

use py_spy_test_programs::one_of_each_series;
use serde_json::Value;

use crate::common::{Running, good, one_error, python, run};

/// A child with a child of its own, both forked; a sleeping program that is no Python, and a process that has ended.
/// All but that wait for the end of standard input.
const PROGRAM: &str = "
import os, subprocess
def wait(name):
    os.write(1, b'%s %d\\n' % (name, os.getpid()))
    os.read(0, 1)
def grandchild(): wait(b'grandchild')
def child():
    if os.fork() == 0:
        grandchild()
    else:
        wait(b'child')
sleeper = subprocess.Popen(['cat'])
ended = os.fork()
if ended == 0:
    os._exit(0)
# It has ended, and is not reaped.
os.waitid(os.P_PID, ended, os.WEXITED | os.WNOWAIT)
if os.fork() == 0:
    child()
else:
    os.write(1, b'sleeper %d\\n' % sleeper.pid)
    wait(b'root')
    sleeper.kill()
";

#[test]
fn a_dump_has_all_that_come_from_a_process() {
    for interpreter in one_of_each_series() {
        let name = interpreter.to_string();
        let mut program = Running::start(&name, python(interpreter).args(["-c", PROGRAM]));
        let mut pids = std::collections::BTreeMap::new();
        for _ in 0..4 {
            let line = program.line();
            let (who, pid) = line.split_once(' ').expect("who and its id");
            pids.insert(who.to_owned(), pid.to_owned());
        }
        let order = ["root", "child", "grandchild"].map(|who| pids[who].clone());
        let output = run(&["dump", "-s", "--pid", &pids["root"]]);
        let text = good(&name, &output);
        let headers: Vec<&str> = text.lines().filter(|line| line.starts_with("Process ")).collect();
        let expected = order.each_ref().map(|pid| format!("Process {pid}: "));
        assert!(headers.len() == 3 && headers.iter().zip(&expected).all(|(a, b)| a.starts_with(b)), "{name}: {text}");
        let parents: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("Parent Process ")).collect();
        assert!(parents[0].starts_with(&pids["root"]) && parents[1].starts_with(&pids["child"]), "{name}: {text}");
        assert_eq!(text.lines().filter(|line| *line == "-".repeat(80)).count(), 2, "{name}: {text}");
        for who in ["child (", "grandchild ("] {
            assert!(text.contains(who), "{name}: {text}");
        }

        let output = run(&["dump", "-s", "-j", "--pid", &pids["root"]]);
        let threads: Value = serde_json::from_str(good(&name, &output)).expect("JSON");
        let threads = threads.as_array().expect("a list");
        let seen: Vec<String> = threads.iter().map(|thread| thread["pid"].to_string()).collect();
        assert_eq!(seen, order, "{name}");
        let parent = &threads[2]["process_info"]["parent"];
        assert_eq!(
            (parent["pid"].to_string(), parent["parent"]["pid"].to_string()),
            (order[1].clone(), order[0].clone())
        );
        assert_eq!(threads[0]["process_info"], Value::Null, "{name}");

        // Several processes, each for itself; and nothing that is no Python.
        let both = format!("{},{}", pids["grandchild"], pids["root"]);
        let output = run(&["dump", "--pid", &both]);
        assert_eq!(good(&name, &output).matches("Process ").count(), 2, "{name}");
        let output = run(&["dump", "-s", "--pid", &pids["sleeper"]]);
        one_error(&name, &output, "is not a Python program");
        assert!(!program.id_text().is_empty());
        program.is_unharmed();
    }
}

#[test]
fn the_first_process_need_be_no_python() {
    let interpreter = one_of_each_series()[0];
    let program = interpreter.program.to_str().expect("UTF-8");
    let source = "import os; os.write(1, b'%d\\n' % os.getpid()); os.read(0, 1)";
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "\"$0\" -c \"$1\"; true", program, source]);
    let mut shell = Running::start("sh", &mut shell);
    let pid = shell.line();
    let output = run(&["dump", "-s", "--pid", &shell.id_text()]);
    assert!(good("sh", &output).starts_with(&format!("Process {pid}: ")), "{output:?}");
    shell.say_no_more();
    shell.wait();
}
