//! A Python program that runs beside a test.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::{Interpreter, Rules, Turn};

/// A running Python program; it is killed when this is dropped.
///
/// Its standard output is the line to us: it says when it is where the test wants it, and nobody has to wait and hope.
#[derive(Debug)]
pub struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
    input: ChildStdin,
    name: String,
    rules: Rules,
    said: Vec<String>,
}

/// What a program that stands still says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Truth(pub String);

impl Program {
    /// Starts `programs/SCRIPT.py`, on the CPU that is for programs, and returns when it says that it is ready.
    pub fn start(turn: &Turn, interpreter: &Interpreter, script: &str, arguments: &[&str]) -> Program {
        let mut command = Command::new(&interpreter.program);
        command.arg("-B").arg(folder().join(script).with_extension("py")).args(arguments);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PYTHON") {
                command.env_remove(name);
            }
        }
        command.envs(interpreter.environment.iter().copied()).env("PROGRAM_CPU", turn.program_cpu.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let name = format!("{interpreter} {script}.py {}", arguments.join(" "));
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}"));
        let output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let input = child.stdin.take().expect("it is a pipe");
        let mut program = Program { child, output, input, name, rules: Rules::default(), said: Vec::new() };
        loop {
            let line = program.line();
            if line == "ready" {
                return program;
            }
            if !program.rules.learn(&line) {
                program.said.push(line);
            }
        }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Which stacks it can have.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What it said before it was ready, but for its rules.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// The threads and stacks that it says it has. It stands still since.
    pub fn truth(&self) -> Truth {
        Truth(self.said.iter().flat_map(|line| [line.as_str(), "\n"]).collect())
    }

    /// Tells it to go on.
    pub fn go_on(&mut self) {
        self.input.write_all(b"\n").unwrap_or_else(|error| panic!("{}: {error}", self.name));
    }

    /// The next line that it says.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(length) if length > 0 => line.trim_end_matches('\n').to_owned(),
            other => panic!("{}: ended before it was ready ({other:?})", self.name),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// From which series on a program runs, if that is before 3.8: it says `Runs from 2.7 on.` in its first lines.
pub fn runs_from(script: &str) -> Option<(u8, u8)> {
    let path = folder().join(script).with_extension("py");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let head: Vec<&str> = text.lines().take(6).collect();
    let head = head.join(" ");
    let (series, _) = head.split_once("Runs from ")?.1.split_once(" on.")?;
    let (major, minor) = series.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("programs")
}
