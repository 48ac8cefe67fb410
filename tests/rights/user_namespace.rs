//! Root in a user namespace is nobody outside of it.

use py_spy_test_programs::one_of_each_series;

use crate::common::{BUSY, Running, may, python};
use crate::{Copy, ptrace_scope};

#[test]
fn root_of_a_user_namespace_is_told_that_the_process_is_outside() {
    let words = ["unshare", "--user", "--map-root-user"];
    if !may(&words) {
        return;
    }
    let copy = Copy::new();
    let all = one_of_each_series();
    let interpreter = all[all.len() - 1];
    let mut target = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", BUSY]));
    assert_eq!(target.line(), "1");
    let pid = target.id_text();
    let part = if ptrace_scope() == 3 { "next boot" } else { "user namespace" };
    copy.is_refused(&words, &pid, &format!("Error: no permission to read the memory of process {pid} ("), &[part]);
    target.goes_on();
}
