//! Threads at rest at all kinds of places, under all kinds of names.

use py_spy_test_programs::{Interpreter, all_interpreters, interpreters, one_of_each_series_that_runs};

use crate::common::{good, run};
use crate::faulthandler;
use crate::judge::{Dumped, Frame, expected_text, json_is_true, short};
use crate::start;

#[test]
fn all_names_lines_threads_and_states_are_those_of_the_program() {
    for interpreter in interpreters() {
        dumps_are_true(interpreter, "places");
    }
}

#[test]
fn so_are_those_of_old_versions() {
    for interpreter in one_of_each_series_that_runs("corners") {
        dumps_are_true(interpreter, "corners");
    }
}

fn dumps_are_true(interpreter: &Interpreter, script: &str) {
    let (mut program, truth) = start(interpreter, script, &[]);
    let (pid, has_gil) = (program.id_text(), !interpreter.free_threaded);
    let dump = |options: &[&str]| {
        let words = [&["dump", "--pid", &pid], options].concat();
        let name = format!("{interpreter} py-spy {}", words.join(" "));
        let text = good(&name, &run(&words)).to_owned();
        program.is_unharmed();
        (name, text)
    };

    let (name, json) = dump(&["--json"]);
    let order = Dumped::parse(&name, &json);
    json_is_true(&name, program.id(), &order, &truth, has_gil, false);
    for frame in order.iter().flat_map(|thread| &thread.frames) {
        assert_eq!(frame.short_filename.as_deref(), Some(short(&frame.filename)), "{name}");
    }

    let (name, json) = dump(&["--json", "--nonblocking"]);
    json_is_true(&name, program.id(), &Dumped::parse(&name, &json), &truth, has_gil, false);

    let (name, json) = dump(&["--json", "--full-stack", "--full-filenames"]);
    let full = Dumped::parse(&name, &json);
    json_is_true(&name, program.id(), &full, &truth, has_gil, true);
    let frames = || full.iter().flat_map(|thread| &thread.frames);
    assert!(frames().all(|frame| frame.short_filename.is_none()), "{name}");
    // From 3.12 on there is a frame of the interpreter's own below each thread's first.
    assert_eq!(frames().any(Frame::is_shim), interpreter.series() >= (3, 12), "{name}");
    // 2.x has none.
    if interpreter.series() >= (3, 3) {
        faulthandler::agrees(&name, &truth.faulthandler, &full);
    }

    let executable = std::fs::read_link(format!("/proc/{pid}/exe")).expect("its executable");
    let command = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("its command line");
    let version = interpreter.version;
    let head = format!(
        "Process {pid}: {}\nPython v{}.{}.{}{} ({})\n",
        command.trim_end_matches('\0').replace('\0', " "),
        version >> 24,
        version >> 16 & 0xff,
        version >> 8 & 0xff,
        level(version),
        executable.display()
    );
    for (options, full_names) in [(&[][..], false), (&["--full-filenames"], true)] {
        let (name, text) = dump(options);
        let expected = expected_text(&head, &order, &truth, has_gil, full_names);
        for (number, (line, expected)) in text.lines().zip(expected.lines()).enumerate() {
            assert_eq!(line, expected, "{name}: line {}", number + 1);
        }
        assert_eq!(text.lines().count(), expected.lines().count(), "{name}");
    }

    program.tell("\n");
    assert_eq!(program.line(), "1", "{interpreter}: it does not go on");
}

/// What a version that is not final has behind its number: `rc1`.
fn level(version: u32) -> String {
    let serial = version & 0xf;
    match version >> 4 & 0xf {
        0xa => format!("a{serial}"),
        0xb => format!("b{serial}"),
        0xc => format!("rc{serial}"),
        _ => String::new(),
    }
}

#[test]
fn a_program_from_the_command_line_has_a_file_that_is_none() {
    for interpreter in all_interpreters() {
        let source = "import os\ndef f():\n  os.write(1, b'x\\n'), os.read(0, 1)\nf()";
        let mut command = crate::common::python(interpreter);
        let mut program = crate::common::Running::start("python -c", command.args(["-c", source]));
        program.line();
        program.wait_for_call(program.id(), crate::READ);
        let name = format!("{interpreter} -c");
        let output = run(&["dump", "-p", &program.id_text()]);
        let text = good(&name, &output);
        let lines: Vec<_> = text.lines().collect();
        // The newlines of the source are in its command line.
        assert!(lines[0].ends_with(r"\ndef f():\n  os.write(1, b'x\n'), os.read(0, 1)\nf()"), "{name}: {text}");
        let thread = format!("Thread {} (idle): \"MainThread\"", program.id());
        let without = format!("Thread {} (idle)", program.id());
        // `threading` is not imported: where it is by itself, the thread has its name.
        assert!(lines[3] == thread || lines[3] == without, "{name}: {text}");
        assert_eq!(lines[4..], ["    f (<string>:3)", "    <module> (<string>:4)"], "{name}");
        program.is_unharmed();
    }
}
