//! Samples that the kernel takes, where it may, and what is done and said where it may not.

use py_spy_test_programs::{Interpreter, one_of_each_series};

use crate::common::{BUSY, Running, behind, good, may, py_spy, python, stderr};
use crate::is_root;

const RECORD: [&str; 8] = ["record", "--sampler", "kernel", "-f", "raw", "-o", "-", "--pid"];

fn busy(interpreter: &Interpreter) -> Running {
    let mut target = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", BUSY]));
    assert_eq!(target.line(), "1", "{interpreter}");
    target
}

#[test]
fn who_may_has_it_take_them() {
    if !is_root("samples that the kernel takes") {
        return;
    }
    for interpreter in one_of_each_series() {
        let mut target = busy(interpreter);
        let pid = target.id_text();
        let words = [&RECORD[..], &[&pid, "-d", "1"]].concat();
        let output = py_spy(&words).output().expect("it starts");
        let name = interpreter.to_string();
        assert!(good(&name, &output).contains("busy ("), "{name}: {output:?}");
        if stderr(&output).contains("does not take the samples") {
            // A container may lack the rights, and a kernel what it needs.
            eprintln!("SKIPPED: {}", stderr(&output));
            return;
        }
        assert!(stderr(&output).contains("; sampler: kernel; "), "{name}: {output:?}");
        target.goes_on();
    }
}

#[test]
fn without_the_right_they_are_taken_by_stopping() {
    let less = ["setpriv", "--bounding-set=-bpf,-perfmon,-sys_admin", "--inh-caps=-all"];
    if !is_root("root without CAP_BPF") || !may(&less) {
        return;
    }
    let all = one_of_each_series();
    for interpreter in [all[0], all[all.len() - 1]] {
        let mut target = busy(interpreter);
        let pid = target.id_text();
        let words = [&RECORD[..], &[&pid, "-d", "1"]].concat();
        let output = behind(&less, &py_spy(&words)).output().expect("it starts");
        let name = interpreter.to_string();
        assert!(good(&name, &output).contains("busy ("), "{name}: {output:?}");
        let text = stderr(&output);
        assert!(
            text.contains("the kernel does not take the samples: maps are not allowed (CAP_BPF)"),
            "{name}: {text}"
        );
        assert!(text.contains("; sampler: stop; "), "{name}: {text}");
        target.goes_on();
    }
}
