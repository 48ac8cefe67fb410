//! `top` of the program.

use crate::Pair;
use crate::common::terminal::Top;

/// The table has these lines, and ends when it is told to.
pub(crate) fn one(pair: &Pair, options: &[&str], lines: &[&str]) {
    let pid = pair.pid();
    let mut top = Top::start(&[&["--pid", &pid, "--delay", "0.2"], options].concat());
    for line in lines {
        top.wait_for_table(line);
    }
    top.press("q");
    let (code, printed) = top.finish();
    assert_eq!(code, 0, "{} top {options:?}: {printed}", pair.name);
}
