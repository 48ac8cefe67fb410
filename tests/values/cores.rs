//! Core files say what the living process says.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use py_spy_test_programs::{Interpreter, Program, all_interpreters, one_of_each_series_that_runs, turn};

use tempfile::TempDir;

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

pub(super) fn dump_core(core: &Path, options: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_py-spy"));
    let done = command.args(["dump", "--core"]).arg(core).args(options).output().expect("the profiler runs");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).expect("it is text")
}

/// A core file of a living process.
pub(super) struct LivingCore {
    pub(super) path: PathBuf,
    folder: TempDir,
}

/// What gdb writes of a process that goes on; `None` where it is not installed.
pub(super) fn gcore(program: &Program) -> Option<LivingCore> {
    let folder = tempfile::tempdir().expect("a folder");
    let mut gcore = Command::new("gcore");
    gcore.arg("-o").arg(folder.path().join("core")).arg(program.id().to_string());
    let Ok(done) = gcore.output() else {
        eprintln!("SKIPPED: cores of gcore: it is not installed");
        return None;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Some(LivingCore { path: folder.path().join(format!("core.{}", program.id())), folder })
}

/// What is said of frames and their variables.
fn frames(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("    ")).collect()
}

/// A core file that the kernel writes; `None` where it gives them to a program.
fn of_the_kernel(interpreter: &Interpreter, script: &str, folder: &Path) -> Option<PathBuf> {
    let pattern = std::fs::read_to_string("/proc/sys/kernel/core_pattern").ok()?;
    if pattern.starts_with('|') || pattern.starts_with('/') {
        eprintln!("SKIPPED: cores of the kernel: they go to {pattern}");
        return None;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited && exec \"$0\" -c \"$1\""]).arg(&interpreter.program).arg(script);
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
        let Some(core) = of_the_kernel(interpreter, DIES, folder.path()) else { return };
        let text = dump_core(&core, &["-l"]);
        assert!(text.starts_with("Signal 11 (SIGSEGV): "), "{interpreter}: {text}");
        let first = text.split("\nThread ").nth(1).expect("a thread");
        let gil = if interpreter.free_threaded { "" } else { " (gil)" };
        let head = format!("{gil}: \"MainThread\"\n    State: hit by signal 11 (SIGSEGV)\n    dies (<string>:");
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
    let turn = turn();
    let mut tested = 0;
    for interpreter in all_interpreters().iter().filter(|interpreter| interpreter.environment.is_empty()) {
        let program = Program::start(&turn, interpreter, "values", &[]);
        let living = dump(&program, &["-l", "--full-filenames"]);
        let Some(LivingCore { path: core, folder }) = gcore(&program) else { return };
        let text = dump_core(&core, &["-l"]);
        assert_eq!(without_signal(&text), frames(&living), "{interpreter}");
        natives(interpreter, &program, &core, &[]);

        // On another machine its files are elsewhere.
        let root = folder.path().join("root");
        copy_mapped(program.id(), &root);
        let sysroot = ["--sysroot", root.to_str().expect("UTF-8")];
        drop(program);
        let moved = dump_core(&core, &["-l", sysroot[0], sysroot[1]]);
        assert_eq!(moved, text, "{interpreter}");
        let [here, there] = [&[][..], &sysroot].map(|more| dump_core(&core, &[&["--native"], more].concat()));
        assert_eq!(there, here, "{interpreter}");
        tested += 1;
    }
    eprintln!("{tested} interpreters");
}

/// The native frames in a core file are those of the living process, wherever those can be had.
fn natives(interpreter: &Interpreter, program: &Program, core: &Path, options: &[&str]) {
    let of_core = dump_core(core, &[&["--native"], options].concat());
    let living = dump(program, &["--native", "--full-filenames"]);
    let plain = dump(program, &["--full-filenames"]);
    let of_core = without_signal(&of_core);
    let mut rest = of_core.iter();
    assert!(frames(&plain).iter().all(|frame| rest.any(|found| found == frame)), "{interpreter}: {of_core:#?}");
    let living = frames(&living);
    if living.contains(&"    (cut)") {
        // Of a thread that sleeps not all registers are known; of a dead one they are.
        let mut rest = of_core.iter();
        let mut known = living.iter().filter(|frame| **frame != "    (cut)");
        assert!(known.all(|frame| rest.any(|found| found == frame)), "{interpreter}: {of_core:#?} {living:#?}");
    } else {
        assert_eq!(of_core, living, "{interpreter}");
    }
    assert!(of_core.len() > frames(&plain).len(), "{interpreter}: {of_core:#?}");
}

/// gdb stops a thread by a signal of its own, which is told.
fn without_signal(text: &str) -> Vec<&str> {
    frames(text).into_iter().filter(|line| !line.starts_with("    State: ")).collect()
}

/// Copies each file that a process has mapped to the same path below another root.
fn copy_mapped(pid: u32, root: &Path) {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("its map");
    for path in maps.lines().filter_map(|line| Some(&line[line.find('/')?..])) {
        let to = root.join(path.trim_start_matches('/'));
        if !to.exists() {
            std::fs::create_dir_all(to.parent().expect("it is below")).expect("a folder");
            std::fs::copy(path, &to).expect("a copy");
        }
    }
}

/// Calls C that calls Python that dies, while another thread sleeps.
const SORTS: &str = "
import os, signal, threading, time
started = threading.Event()
def sleeps():
    started.set()
    time.sleep(1000)
def dies(number):
    os.kill(os.getpid(), signal.SIGSEGV)
    time.sleep(1000)
t = threading.Thread(target=sleeps)
t.daemon = True
t.start()
started.wait()
[1, 2].sort(key=dies)
";

#[test]
fn cores_of_the_kernel_have_native_frames() {
    for interpreter in one_of_each_series_that_runs("values") {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(core) = of_the_kernel(interpreter, SORTS, folder.path()) else { return };
        let text = dump_core(&core, &["--native"]);
        let first = text.split("\nThread ").nth(1).expect("a thread");
        let names: Vec<&str> = frames(first).iter().map(|line| line.trim().split(" (").next().unwrap_or("")).collect();
        let at = |name: &str| names.iter().position(|found| *found == name);
        let kill = names.iter().position(|name| name.ends_with("kill"));
        let (dies, module) = (at("dies").expect("it died"), at("<module>").expect("its caller"));
        assert!(kill.is_some_and(|kill| kill < dies), "{interpreter}: {text}");
        if names.iter().any(|name| name.starts_with("(native frames between")) {
            eprintln!("{interpreter}: the interpreter's loop can not be told");
            assert_eq!(module, dies + 1, "{interpreter}: {text}");
        } else {
            assert!(module > dies + 1, "{interpreter}: nothing sorts: {text}");
        }
    }
}

/// A thread that C has made dies; the only one of Python waits.
const STRANGER: &str = "
import ctypes, threading
libc = ctypes.CDLL(None)
made = ctypes.c_ulong()
libc.pthread_create(ctypes.byref(made), None, libc.abort, None)
threading.Event().wait()
";

/// Calls what is no function.
const NOWHERE: &str = "
import ctypes
def calls():
    ctypes.CFUNCTYPE(None)(16)()
calls()
";

#[test]
fn a_thread_without_python_and_a_call_to_nowhere_are_told() {
    let interpreters = one_of_each_series_that_runs("values").into_iter();
    let has_ctypes = |interpreter: &&Interpreter| {
        Command::new(&interpreter.program)
            .args(["-c", "import ctypes; ctypes.CDLL(None).abort"])
            .status()
            .is_ok_and(|done| done.success())
    };
    let mut tested = 0;
    for interpreter in interpreters.filter(has_ctypes).filter(|interpreter| interpreter.environment.is_empty()) {
        let folder = tempfile::tempdir().expect("a folder");
        let Some(core) = of_the_kernel(interpreter, STRANGER, folder.path()) else { return };
        let text = dump_core(&core, &["--native"]);
        let first = text.split("\nThread ").nth(1).expect("a thread");
        assert!(text.starts_with("Signal 6 (SIGABRT): "), "{interpreter}: {text}");
        assert!(first.contains("    State: hit by signal 6 (SIGABRT); it runs no Python\n"), "{interpreter}: {text}");
        assert!(first.contains("abort ("), "{interpreter}: {text}");
        assert!(text.contains("    <module> (<string>:"), "{interpreter}: {text}");

        let folder = tempfile::tempdir().expect("a folder");
        let Some(core) = of_the_kernel(interpreter, NOWHERE, folder.path()) else { return };
        let text = dump_core(&core, &["--native"]);
        assert!(
            text.contains("    State: hit by signal 11 (SIGSEGV)\n    0x10, where no code is\n"),
            "{interpreter}: {text}"
        );
        let lines = frames(&text);
        let at = |what: &str| lines.iter().position(|line| line.contains(what));
        let (calls, call) = (at("    calls (<string>:4)"), at("PyCFuncPtr_call").or(at("ffi_call")));
        assert!(call.is_some() && call < calls, "{interpreter}: {text}");
        tested += 1;
    }
    eprintln!("{tested} interpreters");
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
