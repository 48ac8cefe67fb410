//! Seen from the host: the ids in a program's memory are not those by which we know its threads.

use py_spy_test_programs::one_of_each_series;

use crate::common::{few, may};
use crate::{Inner, PID_NAMESPACE};

#[test]
fn threads_of_another_pid_namespace_are_known_by_our_ids() {
    if !may(&PID_NAMESPACE) {
        return;
    }
    for interpreter in one_of_each_series() {
        let name = interpreter.to_string();
        let mut inner = Inner::busy(&name, &PID_NAMESPACE, interpreter).expect("it starts");
        inner.is_seen(&name, interpreter);
    }
}

#[test]
fn so_are_those_of_other_namespaces() {
    let two_deep = [PID_NAMESPACE, PID_NAMESPACE].concat();
    let ways: [&[&str]; 5] = [
        &two_deep,
        &["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
        &["unshare", "-Ur"],
        &["unshare", "-Ur", "--pid", "--fork", "--kill-child"],
        &["unshare", "--ipc", "--net", "--uts", "--cgroup"],
    ];
    for words in ways.into_iter().filter(|words| may(words)) {
        for interpreter in few() {
            let name = format!("{} {interpreter}", words.join(" "));
            let mut inner = Inner::busy(&name, words, interpreter).expect("it starts");
            inner.is_seen(&name, interpreter);
            inner.is_listed(&name, interpreter);
        }
    }
}
