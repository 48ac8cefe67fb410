//! An ordinary user: own children, own processes, and those of others.

use crate::common::{BUSY, Running, behind, good, may, python};
use crate::{AS_NOBODY, Copy, interpreter_that_can, is_root, ptrace_scope};

#[test]
fn own_children_may_always_be_sampled() {
    if !is_root("what an ordinary user may do") || !may(&AS_NOBODY) || ptrace_scope() == 3 {
        return;
    }
    let Some(interpreter) = interpreter_that_can(&AS_NOBODY, "") else { return };
    let copy = Copy::new();
    let program = interpreter.program.to_str().expect("UTF-8");
    let source = "import time\ndef short():\n  while time.process_time() < 0.3: pass\nshort()";
    for options in [&[][..], &["-s"], &["--nonblocking"]] {
        let words = [&["record", "-f", "raw", "-o", "-"], options, &["--", program, "-B", "-c", source]].concat();
        let output = copy.behind(&AS_NOBODY, &words).output().expect("it starts");
        let text = good(&words.join(" "), &output);
        assert!(text.contains("short ("), "{words:?}: {text}");
    }
}

#[test]
fn own_processes_may_be_looked_at_unless_yama_forbids_it() {
    if !is_root("what an ordinary user may do") || !may(&AS_NOBODY) {
        return;
    }
    let Some(interpreter) = interpreter_that_can(&AS_NOBODY, "") else { return };
    let copy = Copy::new();
    let mut command = behind(&AS_NOBODY, python(interpreter).args(["-c", BUSY]));
    let mut target = Running::start(&interpreter.to_string(), command.current_dir("/"));
    assert_eq!(target.line(), "1");
    let pid = target.id_text();
    match ptrace_scope() {
        0 => copy.is_allowed(&AS_NOBODY, &pid),
        1 => copy.is_refused(&AS_NOBODY, &pid, "Error: no permission", &["sudo env", "record -- python"]),
        2 => copy.is_refused(&AS_NOBODY, &pid, "Error: no permission", &["sudo env", "ptrace_scope is 2"]),
        _ => copy.is_refused(&AS_NOBODY, &pid, "Error: no permission", &["next boot"]),
    }
    target.goes_on();
}

#[test]
fn the_processes_of_others_need_root() {
    if !is_root("what another user is told") || !may(&AS_NOBODY) {
        return;
    }
    let copy = Copy::new();
    for interpreter in crate::common::few() {
        let mut target = Running::start(&interpreter.to_string(), python(interpreter).args(["-c", BUSY]));
        assert_eq!(target.line(), "1");
        let pid = target.id_text();
        let message = format!("Error: no permission to read the memory of process {pid} (");
        copy.is_refused(&AS_NOBODY, &pid, &message, &["sudo env \"PATH=$PATH\""]);
        target.goes_on();
    }
}
