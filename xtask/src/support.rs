//! The table of what was tested, made from what the tests say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// The tests that say it, in lines of the form `tested: INTERPRETER | WAY | HOW`.
const TESTS: [&[&str]; 2] = [
    &["test", "--package", "py-spy", "--test", "matrix", "--", "--nocapture"],
    &["test", "--package", "py-spy-python", "--tests", "--", "--nocapture"],
];

/// The columns.
const WAYS: [&str; 7] =
    ["dump", "record", "top", "`--nonblocking`", "`--sampler kernel`", "`--subprocesses`", "`--native`"];

/// What is said in a cell of which nothing was said.
const NOT_TESTED: &str = "-";

/// How a thing was tested, the best first.
const HOWS: [&str; 3] = ["live", "recorded", "made up"];

/// Where the table is in the page.
const BEGIN: &str = "<!-- What follows is written by `cargo xtask support`. -->\n";
const END: &str = "<!-- Up to here. -->\n";

/// A version's numbers, as it is sorted by, and what else there is to say of the interpreter.
type Row = (Vec<u32>, String);

type Table = BTreeMap<Row, BTreeMap<String, String>>;

/// Runs the tests and writes the table into docs/support.md.
pub(crate) fn write() -> Result<()> {
    let mut table = Table::new();
    for words in TESTS {
        let output = Command::new(env!("CARGO")).args(words).stderr(Stdio::inherit()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "cargo {}: {}\n{said}", words.join(" "), output.status);
        said.lines()
            .filter_map(|line| line.split_once("tested: "))
            .try_for_each(|(_, cell)| enter(&mut table, cell))?;
    }
    leave_out_what_is_live(&mut table);
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/support.md");
    let page = std::fs::read_to_string(&path)?;
    let (head, rest) = page.split_once(BEGIN).context("docs/support.md has no place for the table")?;
    let (_, tail) = rest.split_once(END).context("docs/support.md has no end of the table")?;
    std::fs::write(&path, format!("{head}{BEGIN}{}{END}{tail}", markdown(&table)))?;
    Ok(())
}

fn enter(table: &mut Table, cell: &str) -> Result<()> {
    let [label, way, how] = cell.split(" | ").collect::<Vec<_>>()[..] else {
        anyhow::bail!("can not be read: {cell:?}");
    };
    ensure!(WAYS.contains(&way) && HOWS.contains(&how), "no such way: {cell:?}");
    let (version, _) = label.split_once([',', ' ']).unwrap_or((label, ""));
    let numbers = version.split('.').map(str::parse).collect::<Result<_, _>>().with_context(|| label.to_owned())?;
    table.entry((numbers, label.to_owned())).or_default().insert(way.to_owned(), how.to_owned());
    Ok(())
}

/// A recording of a series whose interpreter is here says no more than that.
fn leave_out_what_is_live(table: &mut Table) {
    let kind = |(numbers, label): &Row| (numbers[..2].to_vec(), label.contains("free-threaded"));
    let is_live = |ways: &BTreeMap<String, String>| ways.values().any(|how| how == HOWS[0]);
    let live: BTreeSet<_> = table.iter().filter(|(_, ways)| is_live(ways)).map(|(row, _)| kind(row)).collect();
    table.retain(|row, ways| is_live(ways) || !live.contains(&kind(row)));
}

fn markdown(table: &Table) -> String {
    let head = format!("| CPython | {} |\n|{}\n", WAYS.join(" | "), " --- |".repeat(1 + WAYS.len()));
    let row = |((_, label), ways): (&Row, &BTreeMap<String, String>)| {
        let cells = WAYS.map(|way| ways.get(way).map_or(NOT_TESTED, String::as_str));
        format!("| {label} | {} |\n", cells.join(" | "))
    };
    head + &table.iter().map(row).collect::<String>()
}
