//! A process that is closed to its own user, as setuid programs are.

use crate::common::{BUSY, Running, behind, may, python};
use crate::{AS_NOBODY, Copy, interpreter_that_can, is_root, ptrace_scope};

/// `prctl(PR_SET_DUMPABLE, 0)`.
const CLOSE: &str = "import ctypes; assert ctypes.CDLL(None).prctl(4, 0, 0, 0, 0) == 0";

#[test]
fn only_root_may_look_into_a_process_that_has_closed_itself() {
    if !is_root("a process that has closed itself") || !may(&AS_NOBODY) {
        return;
    }
    let Some(interpreter) = interpreter_that_can(&AS_NOBODY, CLOSE) else { return };
    let copy = Copy::new();
    let mut command = behind(&AS_NOBODY, python(interpreter).args(["-c", &format!("{CLOSE}\n{BUSY}")]));
    let mut target = Running::start(&interpreter.to_string(), command.current_dir("/"));
    assert_eq!(target.line(), "1");
    let pid = target.id_text();
    let parts: &[&str] = if ptrace_scope() == 3 { &["next boot"] } else { &["PR_SET_DUMPABLE", "sudo env"] };
    copy.is_refused(&AS_NOBODY, &pid, &format!("Error: no permission to read the memory of process {pid} ("), parts);
    if ptrace_scope() < 3 {
        copy.is_allowed(&["env"], &pid);
    }
    target.goes_on();
}
