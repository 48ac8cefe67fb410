//! A root folder of its own, mostly with another C library than ours.

use std::path::PathBuf;
use std::process::Command;

use py_spy_test_programs::{Interpreter, interpreters};
use serde_json::Value;

use crate::common::{BUSY, behind, few, good, may, py_spy, python, run};
use crate::{Inner, PID_NAMESPACE};

/// Makes a root in which there is an interpreter's installation at the place that it has, and the system's libraries only
/// if it does not start without. It is started through an absolute link, which leads nowhere on the host.
const SMALL_ROOT: &str = r#"
set -e
cd "$PLACE"
mount -t tmpfs none .
cd "$PLACE"
bring() { mkdir -p ".$1"; mount --bind "$1" ".$1"; }
bring "$PREFIX"
mkdir -p proc dev app
mount -t proc proc proc
ln -s "$PROGRAM" app/python
if [ -n "$TOOLS" ]; then bring "$TOOLS"; fi
if [ -n "$TOOLS" ] || ! chroot . /app/python -c '' 2>/dev/null; then
    for folder in /usr /lib /lib64; do
        if [ -d $folder ] && [ "$PREFIX" != $folder ]; then bring $folder; fi
    done
fi
shift
exec chroot . /app/python "$@"
"#;

/// A root for an interpreter; with `tools` their folder is in it too.
pub(crate) struct SmallRoot {
    place: tempfile::TempDir,
    program: PathBuf,
    tools: PathBuf,
}

impl SmallRoot {
    pub(crate) fn of(interpreter: &Interpreter, tools: PathBuf) -> SmallRoot {
        let program = interpreter.program.canonicalize().expect("it is there");
        SmallRoot { place: tempfile::tempdir().expect("a folder"), program, tools }
    }

    /// Python in it, with these arguments.
    pub(crate) fn command(&self, interpreter: &Interpreter, arguments: &[&str]) -> Command {
        let words = [&["unshare", "--mount"], &PID_NAMESPACE[1..], &["sh", "-c", SMALL_ROOT, "sh"]].concat();
        let mut command = behind(&words, python(interpreter).args(arguments));
        let prefix = self.program.ancestors().nth(2).expect("bin has a parent");
        command.env("PLACE", self.place.path()).env("PREFIX", prefix);
        command.env("PROGRAM", &self.program).env("TOOLS", &self.tools);
        command
    }
}

#[test]
fn programs_in_a_root_of_their_own_are_seen_from_outside() {
    if !may(&["unshare", "--mount", "chroot", "/"]) {
        return;
    }
    // Without these rights the files that a process has mapped can be had only by their paths in its root.
    let by_paths = ["setpriv", "--bounding-set=-sys_admin,-checkpoint_restore", "--inh-caps=-all"];
    let by_paths = may(&by_paths).then_some(by_paths);
    for interpreter in interpreters().iter().filter(|known| known.environment.is_empty()) {
        let name = format!("{interpreter} in a small root");
        let root = SmallRoot::of(interpreter, PathBuf::new());
        let Some(mut inner) = Inner::start(&name, &mut root.command(interpreter, &["-c", BUSY])) else { continue };
        inner.is_seen(&name, interpreter);
        if let Some(words) = by_paths {
            let pid = inner.pid.to_string();
            inner.settles(&name);
            let mut command = behind(&words, &py_spy(&["dump", "--json", "--pid", &pid]));
            let output = command.env("RUST_LOG", "info").output().expect("it starts");
            inner.threads_are_known(&name, good(&name, &output), interpreter);
        }
    }
}

#[test]
fn programs_in_a_root_of_their_own_are_seen_from_there() {
    if !may(&["unshare", "--mount", "chroot", "/"]) {
        return;
    }
    let own = PathBuf::from(env!("CARGO_BIN_EXE_py-spy"));
    let folder = own.parent().expect("a folder").to_owned();
    for interpreter in few() {
        let name = format!("{interpreter}, both in a small root");
        let root = SmallRoot::of(interpreter, folder.clone());
        let Some(inner) = Inner::start(&name, &mut root.command(interpreter, &["-c", BUSY])) else { continue };
        let (outer, own) = (inner.pid.to_string(), inner.own_pid());
        let enter = ["nsenter", "--target", &outer, "--mount", "--pid", "--root", "--wd"];
        let there = |words: &[&str]| behind(&enter, &py_spy(words)).output().expect("it starts");
        let output = there(&["dump", "--json", "--pid", &own]);
        let threads: Value = serde_json::from_str(good(&name, &output)).expect("JSON");
        let names = threads.as_array().expect("a list").iter().map(|thread| thread["thread_name"].as_str());
        assert_eq!(names.collect::<Vec<_>>(), [Some("worker"), Some("MainThread")], "{name}");
        let output = there(&["record", "-d", "0.3", "-f", "raw", "-o", "-", "--pid", &own]);
        assert!(good(&name, &output).contains(";busy ("), "{name}");
        let output = there(&["ps"]);
        assert_eq!(good(&name, &output).lines().count(), 2, "{name}: {output:?}");
        let source = "import time\ndef short():\n  while time.process_time() < 0.3: pass\nshort()";
        let output = there(&["record", "-f", "raw", "-o", "-", "--", "/app/python", "-c", source]);
        assert!(good(&name, &output).contains(";short ("), "{name}");
        // From outside it is still there.
        assert_eq!(run(&["dump", "--pid", &outer]).status.code(), Some(0), "{name}");
    }
}
