//! `ps`: the Python processes that can be seen.

use std::fmt::Write;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use py_spy_profile::for_terminal;
use py_spy_sampler::{Build, Surveyed, survey};
use py_spy_target::all_processes;
use serde::Serialize;

use crate::say;

const ID: Style = AnsiColor::Yellow.on_default().bold();
const TITLE: Style = Style::new().bold();
const TROUBLE: Style = AnsiColor::Red.on_default();

/// Lists them.
pub(crate) fn run(json: bool) -> anyhow::Result<ExitCode> {
    let mut pids = all_processes();
    pids.sort_unstable();
    let found: Vec<Surveyed> = pids.into_iter().flat_map(survey).collect();
    if json {
        let processes: Vec<_> = found.iter().map(Process::new).collect();
        say::print((serde_json::to_string_pretty(&processes)? + "\n").as_bytes())?;
    } else if found.is_empty() {
        say::line("no Python process can be seen");
    } else {
        say::print(table(&found).as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Debug, Serialize)]
struct Process<'a> {
    pid: u32,
    version: Option<&'a str>,
    free_threaded: Option<bool>,
    debug: Option<bool>,
    jit: Option<bool>,
    gil: Option<bool>,
    threads: usize,
    executable: Option<&'a str>,
    command_line: &'a [String],
    error: Option<&'a str>,
    hint: Option<&'a str>,
}

impl<'a> Process<'a> {
    fn new(process: &'a Surveyed) -> Process<'a> {
        let build = process.python.as_ref().ok();
        let error = process.python.as_ref().err();
        Process {
            pid: process.pid,
            version: build.map(|build| build.version.as_str()),
            free_threaded: build.map(|build| build.free_threaded),
            debug: build.map(|build| build.debug),
            jit: build.map(|build| build.jit),
            gil: build.and_then(|build| build.gil),
            threads: process.threads,
            executable: Some(process.executable.as_str()).filter(|path| !path.is_empty()),
            command_line: &process.command,
            error: error.map(|error| error.message.as_str()),
            hint: error.and_then(|error| error.hint.as_deref()),
        }
    }
}

/// With colours; whoever prints it takes them out where they are not wanted.
fn table(found: &[Surveyed]) -> String {
    let rows: Vec<[String; 6]> = found.iter().map(row).collect();
    let titles = ["PID", "PYTHON", "BUILD", "THREADS", "GIL", "COMMAND"];
    let widths: Vec<usize> = (0..titles.len())
        .map(|column| {
            rows.iter().map(|row| row[column].chars().count()).chain([titles[column].len()]).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    // Writing to a `String` can not fail.
    let mut line = |style: Style, cells: [&str; 6]| {
        let [pid, version, build, threads, gil, command] = cells;
        let [w0, w1, w2, w3, w4, _] = widths[..] else { return };
        let _ = writeln!(
            text,
            "{style}{pid:>w0$}{style:#}  {version:<w1$}  {build:<w2$}  {threads:>w3$}  {gil:<w4$}  {command}"
        );
    };
    line(TITLE, titles);
    for row in &rows {
        line(ID, row.each_ref().map(String::as_str));
    }
    for process in found {
        if let Err(error) = &process.python {
            let message = for_terminal(&error.message);
            let _ = writeln!(text, "{TROUBLE}{}{TROUBLE:#} can not be attached to: {message}", process.pid);
            for hint in error.hint.iter().flat_map(|hint| hint.lines()) {
                let _ = writeln!(text, "hint: {}", for_terminal(hint));
            }
        }
    }
    text
}

fn row(process: &Surveyed) -> [String; 6] {
    let command = for_terminal(&process.command.join(" ")).into_owned();
    let (version, build, gil) = match &process.python {
        Ok(build) => (build.version.clone(), kind(build), build.gil),
        Err(_) => ("?".to_owned(), String::new(), None),
    };
    let gil = gil.map_or("?", |gil| if gil { "yes" } else { "no" }).to_owned();
    [process.pid.to_string(), version, build, process.threads.to_string(), gil, command]
}

fn kind(build: &Build) -> String {
    let kinds = [(build.debug, "debug"), (build.free_threaded, "free-threaded"), (build.jit, "jit")];
    let kinds: Vec<_> = kinds.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
    if kinds.is_empty() { "release".to_owned() } else { kinds.join(",") }
}

#[cfg(test)]
mod tests {
    use py_spy_sampler::{AttachError, Later};

    use super::*;

    fn example() -> [Surveyed; 2] {
        let build = Build { version: "3.14.0".into(), free_threaded: true, debug: true, jit: false, gil: Some(false) };
        let good = Surveyed {
            pid: 7,
            command: vec!["python".into(), "a\n.py".into()],
            executable: "/usr/bin/python3.14td".into(),
            threads: 12,
            python: Ok(build),
        };
        let error = AttachError { message: "no permission".into(), hint: Some("sudo".into()), later: Later::No };
        let bad = Surveyed { pid: 12345, executable: String::new(), threads: 1, python: Err(error), ..good.clone() };
        [good, bad]
    }

    #[test]
    fn the_table_has_what_is_known_and_says_what_is_not() {
        let plain = anstream::adapter::strip_str(&table(&example())).to_string();
        let expected = r"  PID  PYTHON  BUILD                THREADS  GIL  COMMAND
    7  3.14.0  debug,free-threaded       12  no   python a\n.py
12345  ?                                  1  ?    python a\n.py
12345 can not be attached to: no permission
hint: sudo
";
        assert_eq!(plain, expected);
    }

    #[test]
    fn json_has_all_keys() {
        let [good, bad] = example();
        let text = serde_json::to_string(&[Process::new(&good), Process::new(&bad)]).expect("JSON");
        let expected = concat!(
            r#"[{"pid":7,"version":"3.14.0","free_threaded":true,"debug":true,"jit":false,"gil":false,"threads":12,"#,
            r#""executable":"/usr/bin/python3.14td","command_line":["python","a\n.py"],"error":null,"hint":null},"#,
            r#"{"pid":12345,"version":null,"free_threaded":null,"debug":null,"jit":null,"gil":null,"threads":1,"#,
            r#""executable":null,"command_line":["python","a\n.py"],"error":"no permission","hint":"sudo"}]"#
        );
        assert_eq!(text, expected);
    }
}
