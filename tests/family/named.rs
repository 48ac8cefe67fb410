//! Several processes that are named by their ids.

use py_spy_test_programs::one_of_each_series;

use crate::common::{Running, good, one_error, program, python, run, stderr};
use crate::{counts, samples, stacks};

#[test]
fn several_processes_are_in_one_profile() {
    // A few: they all run, and want a CPU.
    let all = one_of_each_series();
    let all: Vec<_> = [0, all.len() / 2, all.len() - 1].map(|place| all[place]).into();
    let mut programs: Vec<Running> = all
        .iter()
        .map(|interpreter| {
            let mut running = Running::start(&interpreter.to_string(), python(interpreter).arg(program("counting")));
            assert!(running.line().starts_with("ready "));
            running
        })
        .collect();
    let mut words = vec!["record", "-d", "3", "-f", "raw", "-o", "-", "--stats"];
    let ids: Vec<String> = programs.iter().map(Running::id_text).collect();
    // One that is not there does not keep the others from it.
    let list = ids.join(",") + ",1073741823";
    words.extend(["--pid", &list]);
    let output = run(&words);
    let raw = good("several", &output);
    let messages = stderr(&output);
    let stacks = stacks("several", raw);
    let counts = counts(&stacks, "work");
    assert_eq!(counts.keys().collect::<Vec<_>>().len(), ids.len(), "{counts:?}");
    assert!(counts.values().all(|&count| count >= 10), "{counts:?}");
    assert!(counts.keys().all(|pids| pids.len() == 1 && ids.contains(&pids[0].to_string())), "{counts:?}");
    assert_eq!(stacks.values().sum::<u64>(), samples("several", messages));
    assert!(messages.contains(&format!(" in {} processes in 3.", ids.len())), "{messages}");
    assert!(messages.contains("left out: there is no process 1073741823"), "{messages}");
    assert!(messages.contains("Threads stood still "), "{messages}");
    programs.iter_mut().for_each(Running::goes_on);
}

#[test]
fn the_end_of_one_ends_nothing_the_last_one_all() {
    let interpreter = one_of_each_series()[0];
    let [mut one, mut two] = [1, 2].map(|_| {
        let mut running = Running::start("counting", python(interpreter).arg(program("counting")));
        assert!(running.line().starts_with("ready "));
        running
    });
    let list = format!("{},{}", one.id_text(), two.id_text());
    let recording = std::thread::spawn(move || run(&["record", "-f", "raw", "-o", "-", "--pid", &list]));
    // Both have been stopped for it at some time: then it samples them.
    while [&one, &two].iter().any(|program| !is_sampled(program.id())) {
        std::thread::yield_now();
    }
    one.tell("exit 5\n");
    assert_eq!(one.wait().code(), Some(5));
    two.tell("\n");
    assert!(two.line().parse::<u64>().is_ok());
    assert!(!recording.is_finished(), "the other one goes on");
    two.tell("exit 6\n");
    assert_eq!(two.wait().code(), Some(6));
    let output = recording.join().expect("it does not panic");
    good("both", &output);
    assert!(stderr(&output).contains("Stopped sampling because process exited"), "{output:?}");
}

/// True when somebody has the process's list of threads open.
fn is_sampled(pid: u32) -> bool {
    let wanted = format!("/proc/{pid}/task");
    let processes = std::fs::read_dir("/proc").expect("a list").flatten();
    processes.filter_map(|entry| std::fs::read_dir(entry.path().join("fd")).ok()).any(|files| {
        files
            .flatten()
            .any(|file| std::fs::read_link(file.path()).is_ok_and(|path| path.as_os_str() == wanted.as_str()))
    })
}

#[test]
fn when_none_is_there_that_is_an_error() {
    for verb in ["record", "dump"] {
        let output = run(&[verb, "--pid", "1073741822", "--pid", "1073741823"]);
        one_error(verb, &output, "there is no process 1073741822");
        let output = run(&[verb, "-s", "--pid", "1073741822"]);
        one_error(verb, &output, "there is no process 1073741822");
    }
}
