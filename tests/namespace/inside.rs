//! py-spy in the same namespaces as the program, where ids are the inner ones.

use crate::common::{BUSY, behind, few, good, is_by_kernel, may, py_spy, python};

/// Runs what follows when a Python beside it is ready.
const BESIDE: &str = r#"
mkfifo "$PLACE/word" "$PLACE/answer"
exec 3<> "$PLACE/word" 4<> "$PLACE/answer"
"$@" < "$PLACE/answer" > "$PLACE/word" &
read -r word <&3
"$PY_SPY" dump --pid $! && "$PY_SPY" record -d 0.3 -f raw -o - --pid $! && "$PY_SPY" ps &&
"$PY_SPY" record --sampler kernel --native -d 0.5 -f raw -o "$PLACE/kernel" --pid $! && sed 's/^/by the kernel: /' "$PLACE/kernel"
code=$?
kill -9 $!
exit $code
"#;

#[test]
fn a_program_beside_us_in_namespaces_is_seen() {
    let ways: [&[&str]; 3] = [
        &["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
        &["unshare", "-Ur"],
        &["unshare", "-Ur", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
    ];
    for words in ways.into_iter().filter(|words| may(words)) {
        for interpreter in few() {
            let name = format!("{} {interpreter}", words.join(" "));
            let place = tempfile::tempdir().expect("a folder");
            let words = [words, &["sh", "-c", BESIDE, "sh"]].concat();
            let mut command = behind(&words, python(interpreter).args(["-c", BUSY]));
            command.env("PLACE", place.path()).env("PY_SPY", env!("CARGO_BIN_EXE_py-spy")).env_remove("RUST_LOG");
            let output = command.output().expect("it starts");
            let text = good(&name, &output);
            for part in ["): \"worker\"\n    busy (", ";busy (", "  PID  PYTHON"] {
                assert!(text.contains(part.trim_start()), "{name}: {part:?} is not in {text}");
            }
            let by_kernel = |line: &str| line.starts_with("by the kernel: ") && line.contains(";busy (");
            assert!(text.lines().any(by_kernel), "{name}: {text}");
            // In a user namespace of its own nobody has the rights for that.
            is_by_kernel(&name, &output);
        }
    }
}

#[test]
fn a_program_that_we_start_in_namespaces_is_seen() {
    let source = "import time\ndef short():\n  while time.process_time() < 0.3: pass\nshort()";
    let words = ["unshare", "-Ur", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];
    for interpreter in few().into_iter().filter(|_| may(&words)) {
        let program = interpreter.program.to_str().expect("UTF-8");
        let recording = py_spy(&["record", "-f", "raw", "-o", "-", "--", program, "-c", source]);
        let output = behind(&words, &recording).output().expect("it starts");
        let name = interpreter.to_string();
        assert!(good(&name, &output).contains(";short ("), "{name}");
    }
}
