//! Core files say what the living process says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use py_spy_test_programs::{Interpreter, Program, all_interpreters, one_of_each_series_that_runs, turn};

use super::dump;

/// Dies in a function with two variables, while another thread waits.
const DIES: &str = "
import os, signal, threading
started = threading.Event()
def waits(number):
    started.set()
    threading.Event().wait()
def dies(word, other=7):
    os.kill(os.getpid(), signal.SIGSEGV)
    threading.Event().wait()
t = threading.Thread(target=waits, args=(1,))
t.daemon = True
t.start()
started.wait()
dies('x')
";

fn dump_core(core: &Path, options: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
    let done = command.args(["dump", "--core"]).arg(core).args(options).output().expect("the profiler runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("it is text")
}

/// What is said of frames and their variables.
fn frames(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("    ")).collect()
}

/// A core file that the kernel writes; `None` where it gives them to a program.
fn of_the_kernel(interpreter: &Interpreter, folder: &Path) -> Option<PathBuf> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    if pattern.starts_with('|') || pattern.starts_with('/') {
        eprintln!("SKIPPED: cores of the kernel: they go to {pattern}");
        return None;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$0\" -c \"$1\""]).arg(&interpreter.program).arg(DIES);
    shell.envs(interpreter.environment.iter().copied()).current_dir(folder).stderr(Stdio::null());
    shell.status().expect("a shell");
    let mut files = std::fs::read_dir(folder).expect("our folder").flatten().map(|entry| entry.path());
    let core = files.next();
    if core.is_none() {
        eprintln!("SKIPPED: cores of the kernel: the hard limit forbids them");
    }
    core
}

#[test]
fn cores_of_the_kernel_have_the_faulting_thread_first() {
    for interpreter in one_of_each_series_that_runs("values") {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(core) = of_the_kernel(interpreter, folder.path()) else { return };
        let text = dump_core(&core, &["-l"]);
        assert!(text.starts_with("Signal 11: "), "{interpreter}: {text}");
        let first = text.split("\nThread ").nth(1).expect("a thread");
        let gil = if interpreter.free_threaded { "" } else { " (gil)" };
        let head = format!("{gil}: \"MainThread\"\n    State: hit by signal 11\n    dies (<string>:");
        assert!(first.contains(&head), "{interpreter}: {text}");
        assert!(first.contains("            word: 'x'\n            other: 7\n"), "{interpreter}: {text}");
        assert!(text.contains("    waits (<string>:"), "{interpreter}: {text}");
        // The same when it is compressed.
        let done = Command::new("gzip").arg(&core).status().expect("gzip");
        assert!(done.success());
        let packed = core.with_file_name(format!("{}.gz", core.file_name().expect("a name").to_string_lossy()));
        assert_eq!(frames(&dump_core(&packed, &["-l"])), frames(&text), "{interpreter}");
    }
}

#[test]
fn cores_of_gcore_say_what_the_living_process_says() {
    if Command::new("gcore").arg("--help").output().is_err() {
        eprintln!("SKIPPED: cores of gcore: it is not installed");
        return;
    }
    let turn = turn();
    for interpreter in all_interpreters().iter().filter(|interpreter| interpreter.environment.is_empty()) {
        let program = Program::start(&turn, interpreter, "values", &[]);
        let folder = tempfile::tempdir().expect("a folder");
        let living = dump(&program, &["-l", "--full-filenames"]);
        let mut gcore = Command::new("gcore");
        gcore.arg("-o").arg(folder.path().join("core")).arg(program.id().to_string());
        let done = gcore.output().expect("gcore runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let text = dump_core(&folder.path().join(format!("core.{}", program.id())), &["-l"]);
        let (of_core, of_living) = (frames(&text), frames(&living));
        // gdb stops a thread by a signal of its own, which is told.
        let of_core: Vec<_> = of_core.into_iter().filter(|line| !line.starts_with("    State: ")).collect();
        assert_eq!(of_core, of_living, "{interpreter}");
    }
}

#[test]
fn what_is_no_core_file_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let header = |kind: u8| {
        let mut header = vec![0; 64];
        header[..6].copy_from_slice(b"\x7fELF\x02\x01");
        header[16] = kind;
        header
    };
    let mut endless = header(4);
    endless[32..64].fill(0xff);
    for (name, bytes) in [
        ("empty", Vec::new()),
        ("text", vec![b'x'; 100]),
        ("program", header(2)),
        ("nothing", header(4)),
        ("endless", endless),
    ] {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).expect("a file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
        let done = command.args(["dump", "--core"]).arg(&path).output().expect("the profiler runs");
        assert_eq!(done.status.code(), Some(1), "{name}: {}", String::from_utf8_lossy(&done.stderr));
        assert!(String::from_utf8_lossy(&done.stderr).starts_with("Error: "), "{name}");
    }
}
