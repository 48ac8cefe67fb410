//! A process that is made up: an interpreter, its threads and what they run.

use py_spy_address_space::Addr;

use crate::noise::Noise;
use crate::objects::Objects;
use crate::shape::{Shape, Text};

/// A process.
pub(crate) struct Process {
    pub(crate) memory: Noise,
    /// `interp_head`, with `_PyThreadState_Current` behind it.
    pub(crate) head: Addr,
    pub(crate) current: Addr,
    /// The thread states, the oldest first.
    pub(crate) states: Vec<Addr>,
    /// What is to be read, as `look` writes it.
    pub(crate) truth: String,
}

/// A function: its name, file, first line, line table, where it is, and the line that this is.
type Call = (&'static str, &'static str, i32, &'static [u8], i32, u32);

/// Line 310 from byte 14 on in two steps of more than 127 lines; from 18 on 1,000 in three; 300 bytes further 1,001.
const GAPS: &[u8] = &[6, 1, 8, 255, 0, 44, 4, 255, 0, 255, 0, 180, 255, 0, 45, 1];

const MAIN: &[Call] = &[
    ("<module>", "app.py", 1, &[6, 5, 9, 2], 12, 6),
    ("main", "app.py", 10, GAPS, 16, 310),
    ("rest", "app.py", 10, GAPS, 20, 1000),
];
const WORKER: &[Call] = &[
    ("run", "threading.py", 440, &[0, 1], 0, 441),
    ("größe", "café.py", 10, GAPS, 317, 1000),
    ("𠀀名", "名前.py", 10, GAPS, 318, 1001),
    ("begins", "app.py", 77, GAPS, -1, 77),
];
const NAMELESS: &[Call] = &[("f", "", 3, &[], 0, 3)];

const IDS: [u64; 3] = [0x7f12_3456_7740, 0x7f12_3000_1700, 0x7f12_2fff_0700];

impl Process {
    pub(crate) fn new(shape: Shape) -> Process {
        let mut objects = Objects::new(shape);
        let (names, calls) = ([Some("MainThread"), Some("Wörker 1"), None], [MAIN, WORKER, NAMELESS]);
        let modules = modules(&mut objects, &names);
        let version = objects.int(u64::from(shape.version));
        let other = objects.text("2.7");
        let sysdict = objects.namespace(&[("version", other), ("maxunicode", other), ("hexversion", version)], false);
        let interpreter = objects.room(80);
        let [next, interp, frame, id] = shape.thread;
        let mut truths = Vec::new();
        let (mut states, mut newest) = (Vec::new(), 0);
        for ((calls, name), ident) in calls.into_iter().zip(names).zip(IDS) {
            let (innermost, text) = stack(&mut objects, calls);
            let state = objects.room(208);
            for (at, value) in [(next, newest), (interp, interpreter), (frame, innermost), (id, ident)] {
                objects.word(state + at, value);
            }
            newest = state;
            states.push(state);
            truths.push((ident, format!("thread {ident} {}\n{text}", name.unwrap_or("-"))));
        }
        for (at, value) in [(0, 0), (8, newest), (16, modules), (shape.sysdict, sysdict)] {
            objects.word(interpreter + at, value);
        }
        let head = objects.room(16);
        objects.word(head, interpreter);
        objects.word(head + 8, states[1]);
        truths.sort();
        let parts = [24, 16, 8].map(|shift| (shape.version >> shift & 0xff).to_string());
        let mut truth = format!("version {}\n", parts.join("."));
        truth.extend(truths.into_iter().map(|(_, text)| text));
        Process { memory: objects.memory, head, current: head + 8, states, truth }
    }
}

/// `sys.modules`, with `threading` and the names.
fn modules(objects: &mut Objects, names: &[Option<&str>]) -> Addr {
    let mut threads = Vec::new();
    for (&name, ident) in names.iter().zip(IDS) {
        if let Some(name) = name {
            threads.push((objects.int(ident), objects.thread_object(name)));
        }
    }
    let active = objects.dict(&threads, false);
    let namespace = objects.namespace(&[("_limbo", active), ("_active", active)], false);
    let module = objects.object("module", 24);
    objects.word(module + 16, namespace);
    let mut entries = vec![("sys", module), ("threading", module), ("os", module)];
    let more: Vec<String> = (0..30).map(|number| format!("module_{number}")).collect();
    entries.extend(more.iter().map(|name| (name.as_str(), module)));
    objects.namespace(&entries, false)
}

/// A stack, the outermost call first, and how it is written, the innermost first.
fn stack(objects: &mut Objects, calls: &[Call]) -> (Addr, String) {
    let (mut back, mut lines) = (0, Vec::new());
    for &(name, file, first_line, table, position, line) in calls {
        let folder = if file.is_empty() { "" } else { "/srv/app/" };
        let code = (objects.text(name), objects.text(&format!("{folder}{file}")));
        let code = objects.code(code.0, code.1, first_line, table);
        back = objects.frame(back, code, position);
        lines.push(format!("  {name} ({file}:{line})\n"));
    }
    if objects.shape.text == Text::Bytes {
        // A name that is no text.
        let (name, file) = (objects.bytes(b"no \xff\xfe text"), objects.text("app.py"));
        let code = objects.code(name, file, 1, &[]);
        back = objects.frame(back, code, 0);
        lines.push("  no \\xff\\xfe text (app.py:1)\n".to_owned());
    }
    lines.reverse();
    (back, lines.concat())
}
