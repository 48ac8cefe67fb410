//! A program that is stopped and let go, and says what it noticed.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Nothing here takes long: who is not done by then hangs.
const LIMIT: Duration = Duration::from_mins(1);

/// A running program; it is killed when this is dropped, or when it hangs.
#[derive(Debug)]
pub(crate) struct Subject {
    child: Child,
    output: BufReader<ChildStdout>,
    input: ChildStdin,
    watched: Option<Sender<()>>,
}

/// The compiled `subject.c`; `None`, and says so, without a C compiler.
pub(crate) fn compiled() -> Option<&'static Path> {
    static PROGRAM: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let built = PROGRAM.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("subject");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stopper/subject.c");
        let built = Command::new("cc").args(["-O1", "-pthread", "-o"]).arg(&program).arg(source).status();
        match built {
            Ok(status) => assert!(status.success(), "subject.c can not be compiled"),
            Err(error) => {
                eprintln!("SKIPPED: no C compiler: {error}");
                return None;
            }
        }
        Some((folder, program))
    });
    built.as_ref().map(|(_, program)| program.as_path())
}

impl Subject {
    /// Starts a program.
    pub(crate) fn start<S: AsRef<OsStr>>(program: &Path, arguments: &[S]) -> Subject {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let input = child.stdin.take().expect("it is a pipe");
        Subject { child, output, input, watched: None }
    }

    /// From now on it has a minute until it is said to hang, and killed. That also wakes us when we wait for it.
    pub(crate) fn must_not_hang(&mut self) {
        let (watched, done) = channel();
        self.watched = Some(watched);
        let pid = self.id();
        std::thread::spawn(move || {
            if done.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("process {pid} hangs: {:#?}", threads(pid));
                kill(Pid::from_raw(pid as i32), Signal::SIGKILL).ok();
            }
        });
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id() as i32), signal).expect("it runs");
    }

    /// The next line that it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let length = self.output.read_line(&mut line).expect("text");
        assert!(length > 0, "process {} has ended", self.id());
        line.trim_end().to_owned()
    }

    /// The number behind `word` in the next line.
    pub(crate) fn number(&mut self, word: &str) -> u32 {
        let line = self.line();
        let number = line.strip_prefix(word).and_then(|rest| rest.trim().parse().ok());
        number.unwrap_or_else(|| panic!("no {word:?} in {line:?}"))
    }

    /// Tells it to go on.
    pub(crate) fn go_on(&mut self) {
        self.input.write_all(b"\n").expect("it reads");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("our child")
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A thread's state as its letter; `None` when it is gone.
pub(crate) fn state(tid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{tid}/stat")).ok()?;
    stat.rsplit(") ").next()?.chars().next()
}

/// What all threads of a process do.
fn threads(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    tasks.map(|task| ["stat", "wchan", "syscall"].map(|name| read(task.path().join(name))).join(" | ")).collect()
}
