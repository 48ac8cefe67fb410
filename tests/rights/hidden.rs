//! A `/proc` that shows each user only the own processes.

use crate::common::{may, one_error};
use crate::{AS_NOBODY, Copy, is_root};

/// Mounts it for a PID namespace of its own, of which this shell is the first process, and root's.
const HIDING: &str = "mount -t proc -o hidepid=2 proc /proc && \"$@\"; code=$?; exit $code";

#[test]
fn a_hidden_process_is_not_said_to_be_none() {
    let hiding = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", HIDING, "sh"];
    if !is_root("a /proc that hides") || !may(&[&hiding[..], &AS_NOBODY].concat()) {
        return;
    }
    let outer = [&hiding[..], &AS_NOBODY].concat();
    let copy = Copy::new();
    copy.is_refused(&outer, "1", "Error: process 1 is hidden from this user", &["hidepid", "sudo env"]);
    let output = copy.behind(&outer, &["dump", "--pid", "4000000"]).output().expect("it starts");
    one_error("nobody", &output, "Error: there is no process 4000000");
}
