//! Root whose right to trace was taken away, as in most containers.

use py_spy_test_programs::one_of_each_series;

use crate::common::{BUSY, Running, may, python};
use crate::{Copy, is_root};

#[test]
fn root_without_the_capability_is_told_about_it() {
    // Whoever has all rights that the target has may trace it: it has one that we lack.
    let less = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-all"];
    if !is_root("root without CAP_SYS_PTRACE") || !may(&less) {
        return;
    }
    let copy = Copy::new();
    let all = one_of_each_series();
    for interpreter in [all[0], all[all.len() - 1]] {
        let mut target = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", BUSY]));
        assert_eq!(target.line(), "1");
        let pid = target.id_text();
        copy.is_refused(&less, &pid, &format!("Error: no permission to read the memory of process {pid} ("), &[]);
        target.goes_on();
    }
}

#[test]
fn in_a_container_root_may_look_at_what_has_no_more_rights() {
    let less = ["setpriv", "--bounding-set=-sys_ptrace,-sys_admin", "--inh-caps=-all"];
    if !is_root("what root in a container may do") || !may(&less) {
        return;
    }
    let copy = Copy::new();
    let all = one_of_each_series();
    for interpreter in [all[0], all[all.len() - 1]] {
        let mut command = crate::common::behind(&less, python(interpreter).args(["-c", BUSY]));
        let mut target = Running::start(&interpreter.to_string(), &mut command);
        assert_eq!(target.line(), "1");
        if crate::ptrace_scope() == 0 {
            copy.is_allowed(&less, &target.id_text());
        } else {
            copy.is_refused(&less, &target.id_text(), "Error: no permission", &["hint: "]);
        }
        target.goes_on();
    }
}
