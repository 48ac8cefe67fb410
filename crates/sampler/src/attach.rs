//! Finding CPython in a process, and saying why when it can not be done.

mod permission;

use std::sync::Arc;

use py_spy_address_space::{Fault, FaultKind, Image, modules};
use py_spy_python::{Binary, NotPython, Python, find};
use py_spy_target::{Live, ProcessError, Target};

use crate::{AttachError, Later, images};

/// The symbols by which CPython is found, and the section that holds the first of them where there is no symbol.
const RUNTIME: &str = "_PyRuntime";
const VERSION: &str = "Py_Version";
const INITIALIZE: &str = "Py_Initialize";
const RUNTIME_SECTION: &str = ".PyRuntime";

/// The symbols by which a CPython is found that has no `_PyRuntime` (up to 3.6).
const INTERPRETERS: &str = "interp_head";
const INTERPRETERS_GETTER: &str = "PyInterpreterState_Head";
const CURRENT_THREAD: &str = "_PyThreadState_Current";

/// The process with this id.
pub(crate) fn process(pid: u32) -> Result<Target, AttachError> {
    Target::find(pid).map_err(|why| no_process(&why))
}

/// Opens a process and finds its CPython.
pub(crate) fn attach(target: Target) -> Result<(Target, Live, Python), AttachError> {
    let pid = target.pid;
    let mappings = target.mappings().map_err(|why| match why.kind() {
        std::io::ErrorKind::PermissionDenied => denied(&target),
        _ => gone(pid, &format!("its memory map could not be read: {why}")),
    })?;
    let probe = mappings.iter().find(|mapping| mapping.read && mapping.file.1 != 0);
    let Some(probe) = probe else {
        // The map of a process of another user is empty; so is that of a process that is just ending.
        return Err(if target.permission().can_trace { gone(pid, "it has no memory") } else { denied(&target) });
    };
    let memory = Live::open(pid, probe.range.start).map_err(|fault| unreadable(&target, fault))?;
    let binaries = binaries(&target, &modules(&mappings));
    match find(&memory, &binaries) {
        Ok(python) => Ok((target, memory, python)),
        Err(why) => Err(not_python(&target, &why)),
    }
}

/// The mapped files that may be CPython: those named so first, all others only when there are none.
fn binaries(target: &Target, modules: &[py_spy_address_space::Module]) -> Vec<Binary> {
    let exe = target.executable().unwrap_or_default();
    // Its extension modules have names like `math.cpython-311-x86_64-linux-gnu.so`.
    let named =
        |path: &str| path.rsplit('/').next().is_some_and(|name| name.contains("python") && !name.contains(".cpython-"));
    let (likely, other): (Vec<_>, Vec<_>) =
        modules.iter().partition(|module| named(&module.path) || exe.as_os_str() == module.path.as_str());
    for group in [likely, other] {
        let found: Vec<Binary> = group.into_iter().filter_map(|module| binary(target, module)).collect();
        if !found.is_empty() {
            return found;
        }
    }
    Vec::new()
}

fn image(target: &Target, module: &py_spy_address_space::Module, symbols: &[&str]) -> Option<Arc<Image>> {
    target
        .open_module(module)
        .map_err(|why| why.to_string())
        .and_then(|file| images::read(file, symbols))
        .inspect_err(|why| log::info!("{}: {why}", module.path))
        .ok()
}

fn binary(target: &Target, module: &py_spy_address_space::Module) -> Option<Binary> {
    let image = image(target, module, &[RUNTIME, VERSION, INITIALIZE])?;
    let bias = image.load_bias(module)?;
    let address = |name: &str| image.symbol(name).map(|symbol| symbol.address.wrapping_add(bias));
    let section = || image.section(RUNTIME_SECTION).map(|(address, _)| address.wrapping_add(bias));
    let mut binary = Binary {
        path: module.path.clone(),
        runtime: address(RUNTIME).or_else(section),
        version: address(VERSION),
        initialize: image.symbol(INITIALIZE).is_some(),
        data: module.mappings.iter().filter(|m| m.write && m.read).map(|m| m.range.clone()).collect(),
        ..Binary::default()
    };
    log::info!("{}: {RUNTIME} at {:x?}, {VERSION} at {:x?}", binary.path, binary.runtime, binary.version);
    if binary.runtime.is_none() && binary.initialize {
        add_old_symbols(target, module, bias, &mut binary);
    }
    // A library that is not CPython and has none of its symbols is not worth a search.
    let found = binary.runtime.is_some() || binary.initialize;
    let exe = target.executable().is_ok_and(|exe| exe.as_os_str() == module.path.as_str());
    (found || exe).then_some(binary)
}

/// Looked for apart: where they are not, the whole table of symbols is searched in vain, and that takes its time.
fn add_old_symbols(target: &Target, module: &py_spy_address_space::Module, bias: u64, binary: &mut Binary) {
    let Some(image) = image(target, module, &[INTERPRETERS, INTERPRETERS_GETTER, CURRENT_THREAD]) else { return };
    let address = |name: &str| image.symbol(name).map(|symbol| symbol.address.wrapping_add(bias));
    binary.interpreters = address(INTERPRETERS);
    binary.interpreters_getter = address(INTERPRETERS_GETTER);
    binary.current_thread = address(CURRENT_THREAD);
    log::info!(
        "{}: {INTERPRETERS} at {:x?}, {INTERPRETERS_GETTER} at {:x?}, {CURRENT_THREAD} at {:x?}",
        binary.path,
        binary.interpreters,
        binary.interpreters_getter,
        binary.current_thread
    );
}

fn error(message: String, hint: Option<String>, later: Later) -> AttachError {
    AttachError { message, hint, later }
}

fn no_process(why: &ProcessError) -> AttachError {
    let hint = match why {
        ProcessError::None(_) => Some("`py-spy ps` lists the Python processes that there are".to_owned()),
        ProcessError::Hidden(_) => Some(
            "/proc is mounted so that it shows only one's own (hidepid): run it as root: `sudo env \"PATH=$PATH\" py-spy ...`"
                .to_owned(),
        ),
        _ => None,
    };
    error(why.to_string(), hint, Later::No)
}

fn gone(pid: u32, why: &str) -> AttachError {
    error(format!("process {pid} is ending: {why}"), None, Later::Soon)
}

fn unreadable(target: &Target, fault: Fault) -> AttachError {
    match fault.why {
        FaultKind::Denied => denied(target),
        FaultKind::Gone | FaultKind::Unmapped => gone(target.pid, &fault.to_string()),
    }
}

fn describe(target: &Target) -> String {
    let exe = target.executable().map(|path| path.display().to_string()).unwrap_or_default();
    let (pid, name) = (target.pid, target.name());
    if exe.is_empty() { format!("process {pid} ({name})") } else { format!("process {pid} ({name}, {exe})") }
}

fn denied(target: &Target) -> AttachError {
    let message = format!("no permission to read the memory of {}", describe(target));
    error(message, Some(permission::hint(&target.permission())), Later::No)
}

fn not_python(target: &Target, why: &NotPython) -> AttachError {
    let what = describe(target);
    let (message, hint, later) = match why {
        NotPython::None => (
            format!("{what} is not a Python program: none of its mapped files is CPython"),
            Some(
                "if it has started a Python, --subprocesses finds that one too; `py-spy ps` lists all that there are"
                    .to_owned(),
            ),
            Later::Perhaps,
        ),
        NotPython::Early => (
            format!("{what} has a CPython that is not initialised"),
            Some("it is just starting or ending: try again".to_owned()),
            Later::Soon,
        ),
        NotPython::Version(version) => (
            format!("{what} is CPython {version}, which is not supported"),
            Some("supported are CPython 2.3 and later".to_owned()),
            Later::No,
        ),
        NotPython::Unusable(unusable) => (format!("{what}: {unusable}"), None, Later::Soon),
        NotPython::Memory(_) => (
            format!("{what}: {why}"),
            Some("if it is just starting, try again; else RUST_LOG=info shows what was found".to_owned()),
            Later::Soon,
        ),
    };
    error(message, hint, later)
}
