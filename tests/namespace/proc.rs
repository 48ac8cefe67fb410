//! Where `/proc` is not there, or tells of other processes than those that the ids stand for.

use crate::common::{behind, may, one_error, py_spy};

/// Each of them needs `/proc`; the command would tell if it was started.
const WAYS: [&[&str]; 4] = [
    &["dump", "--pid", "1"],
    &["record", "--pid", "1", "-o", "x"],
    &["ps"],
    &["record", "--", "sh", "-c", "echo started"],
];

fn refused(words: &[&str], message: &str, hint: &str) {
    for way in WAYS {
        let name = format!("{} py-spy {}", words.join(" "), way.join(" "));
        let folder = tempfile::tempdir().expect("a folder");
        let output = behind(words, &py_spy(way)).current_dir(&folder).output().expect("it starts");
        let text = one_error(&name, &output, message);
        let last = text.lines().last().unwrap_or_default();
        assert!(last.starts_with("hint: ") && last.contains(hint), "{name}: {text}");
        assert_eq!(folder.path().read_dir().expect("a folder").count(), 0, "{name}: something is left behind");
    }
}

#[test]
fn without_proc_it_is_said() {
    let hidden = ["unshare", "--mount", "sh", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "sh"];
    if may(&hidden) {
        refused(&hidden, "Error: /proc is not mounted", "mount -t proc proc /proc");
    }
}

#[test]
fn the_proc_of_other_namespaces_is_not_believed() {
    let outer: &[&str] = &["unshare", "--pid", "--fork", "--kill-child"];
    if may(outer) {
        refused(outer, "Error: /proc belongs to another PID namespace", "--mount-proc");
    }
    // Of a namespace in which we are no process at all: that of a child.
    let below =
        ["unshare", "--mount", "sh", "-c", "unshare --pid --fork mount -t proc proc /proc && exec \"$@\"", "sh"];
    if may(&below) {
        refused(&below, "Error: /proc belongs to another PID namespace", "--mount-proc");
    }
}
