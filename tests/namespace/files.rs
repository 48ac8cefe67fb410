//! A mount namespace has other files at the same paths: names are shortened by those that the process sees.

use serde_json::Value;

use crate::common::{BUSY, behind, few, good, may, python, run};
use crate::{Inner, PID_NAMESPACE};

/// Makes a package in a folder of which the host sees nothing, bound to a second place and with an absolute link to it.
const PRIVATE: &str = r#"
set -e
mount -t tmpfs none "$PLACE"
mkdir "$PLACE/package" "$PLACE/bound"
: > "$PLACE/package/__init__.py"
printf '%s' "$SOURCE" > "$PLACE/package/program.py"
mount --bind "$PLACE/package" "$PLACE/bound"
ln -s "$PLACE/package" "$PLACE/link"
exec "$@"
"#;

#[test]
fn file_names_are_those_of_the_process() {
    let own_mounts = ["unshare", "--mount"];
    if !may(&own_mounts) {
        return;
    }
    let words = [&own_mounts[..], &PID_NAMESPACE[1..], &["sh", "-c", PRIVATE, "sh"]].concat();
    for interpreter in few() {
        for folder in ["package", "bound", "link"] {
            let name = format!("{interpreter} {folder}");
            let place = tempfile::tempdir().expect("a folder");
            let program = place.path().join(folder).join("program.py");
            let mut command = behind(&words, python(interpreter).arg(&program));
            let Some(inner) = Inner::start(&name, command.env("PLACE", place.path()).env("SOURCE", BUSY)) else {
                return;
            };
            assert!(!program.exists(), "{name}: the host sees it");
            let output = run(&["dump", "--json", "--pid", &inner.pid.to_string()]);
            let threads: Value = serde_json::from_str(good(&name, &output)).expect("JSON");
            let frames = threads.as_array().expect("a list").iter().filter_map(|thread| thread["frames"].as_array());
            let frame = frames.flatten().find(|frame| frame["name"] == "busy").expect("the busy function");
            assert_eq!(frame["filename"].as_str(), program.to_str(), "{name}");
            assert_eq!(frame["short_filename"], format!("{folder}/program.py"), "{name}");
        }
    }
}
