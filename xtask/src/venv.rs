//! Virtual environments in the target folder, with the packages of a file of requirements.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use py_spy_test_programs::interpreters;

use crate::compare::{run_to_end, say};

/// Makes one, if it is not there as it should be, with the first of these series of CPython 3 that is here.
pub(crate) fn install(venv: &Path, requirements: &Path, series: &[u8]) -> Result<()> {
    let (wanted, installed) = (std::fs::read(requirements)?, venv.join("requirements.txt"));
    if std::fs::read(&installed).ok().as_ref() == Some(&wanted) {
        return Ok(());
    }
    let plain = |minor: &u8| {
        let fits = interpreters().iter().filter(move |of| of.series() == (3, *minor) && !of.debug && !of.free_threaded);
        fits.into_iter().find(|of| of.environment.is_empty())
    };
    let python = series.iter().find_map(plain).with_context(|| format!("no CPython of 3.{series:?} is here"))?;
    say(&format!("installing {} for {python}", requirements.display()));
    run_to_end(Command::new(&python.program).args(["-m", "venv", "--clear"]).arg(venv))?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.env("PIP_DISABLE_PIP_VERSION_CHECK", "1").args(["install", "--only-binary=:all:", "-r"]).arg(requirements);
    run_to_end(&mut pip)?;
    Ok(std::fs::write(installed, wanted)?)
}
