//! What can be said of a process without sampling it: whether it is Python, and which.

use py_spy_address_space::{LAST, Window};
use py_spy_python::{Python, Reader, interpreters};
use py_spy_target::{Live, Target, Tasks};

use crate::attach::Attached;
use crate::binaries::Binaries;
use crate::{AttachError, Later, attach};

/// Functions that only debug builds have (`Objects/object.c`, under `Py_REF_DEBUG`).
const OF_DEBUG_BUILDS: [&str; 3] = ["_Py_NegativeRefcount", "_Py_GetGlobalRefTotal", "_PyInterpreterState_GetRefTotal"];

/// Functions that only builds with a JIT have (`Python/jit.c`).
const OF_JIT_BUILDS: [&str; 2] = ["_PyJIT_Compile", "_PyJIT_Free"];

/// A process that is Python.
#[derive(Debug, Clone)]
pub struct Surveyed {
    /// Process id.
    pub pid: u32,
    /// The command line's words.
    pub command: Vec<String>,
    /// The executable's path as the process sees it; empty where we may not know.
    pub executable: String,
    /// The system's threads.
    pub threads: usize,
    /// Which Python it is, or why it can not be attached to.
    pub python: Result<Build, AttachError>,
}

/// Which Python it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its version, as in `3.12.1`.
    pub version: String,
    /// It can run without a GIL.
    pub free_threaded: bool,
    /// It is a debug build. Where the symbols are stripped that may not be known, and is false.
    pub debug: bool,
    /// It has a JIT, on or off. Where the symbols are stripped that may not be known, and is false.
    pub jit: bool,
    /// A GIL is in force; `None` when that can not be read.
    pub gil: Option<bool>,
}

/// Looks at a process, without stopping it. Nothing when it is no Python, as far as one can see; several entries when it has
/// several Pythons.
pub fn survey(pid: u32) -> Vec<Surveyed> {
    let pythons: Vec<Result<Build, AttachError>> = match attach::process(pid).and_then(attach::attach) {
        Ok(Attached { target, pythons }) => {
            pythons.iter().map(|(memory, python)| Ok(build(&target, memory, python))).collect()
        }
        Err(error) if error.later == Later::Perhaps => return Vec::new(),
        Err(error) => vec![Err(error)],
    };
    let Ok(target) = Target::find(pid) else { return Vec::new() };
    let command = target.command();
    // Of what may not be read only the name is known, and of all the other programs too.
    let named = |text: &str| text.rsplit('/').next().is_some_and(|name| name.to_ascii_lowercase().contains("python"));
    let unknown = pythons.iter().all(Result::is_err);
    if unknown && !named(&target.name()) && !command.first().is_some_and(|word| named(word)) {
        return Vec::new();
    }
    let executable = target.executable().map(|path| path.display().to_string()).unwrap_or_default();
    let threads = Tasks::of(pid).map_or(0, |tasks| tasks.len());
    let surveyed = |python| Surveyed { pid, command: command.clone(), executable: executable.clone(), threads, python };
    pythons.into_iter().map(surveyed).collect()
}

fn build(target: &Target, memory: &Live, python: &Python) -> Build {
    let mut window = Window::new(1);
    let mut reader = Reader::new(&mut window, memory, LAST);
    let all = interpreters(&mut reader, &python.layout, python.runtime).ok();
    let mappings = target.mappings().unwrap_or_default();
    let binaries = Binaries::of(target, memory, &mappings);
    let has = |symbols: &[&str]| binaries.has_any(python.runtime, symbols);
    Build {
        version: python.version.to_string(),
        free_threaded: python.free_threaded,
        debug: has(&OF_DEBUG_BUILDS),
        jit: has(&OF_JIT_BUILDS),
        gil: all.map(|all| all.iter().any(|interpreter| interpreter.gil.is_some())),
    }
}
