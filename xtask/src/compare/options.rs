//! What was typed behind `cargo xtask compare`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};

use super::SECTIONS;

/// How it is used.
pub(crate) const USAGE: &str = "compare [--quick] [--only SECTION] [--out FILE] [--ours PROGRAM] [--python PROGRAM]";

/// What was typed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Few rounds: to see that it works.
    pub(crate) quick: bool,
    /// One section only, which is printed and written nowhere.
    pub(crate) only: Option<String>,
    /// Where the page goes.
    pub(crate) out: Option<PathBuf>,
    /// A built py-spy of this repository.
    pub(crate) ours: Option<PathBuf>,
    /// The interpreter of the program that is looked at.
    pub(crate) python: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments.
    pub(crate) fn parse(arguments: &[&str]) -> Result<Options> {
        let mut options = Options::default();
        let mut rest = arguments.iter();
        while let Some(&argument) = rest.next() {
            if argument == "--quick" {
                options.quick = true;
                continue;
            }
            let value = || -> Result<_> { Ok(*rest.clone().next().with_context(|| format!("{argument} what?"))?) };
            match argument {
                "--only" => options.only = Some(value()?.to_owned()),
                "--out" => options.out = Some(value()?.into()),
                "--ours" => options.ours = Some(value()?.into()),
                "--python" => options.python = Some(value()?.into()),
                _ => bail!("usage: cargo xtask {USAGE}"),
            }
            rest.next();
        }
        if let Some(only) = &options.only {
            let names = SECTIONS.map(|section| section.0);
            ensure!(names.contains(&only.as_str()), "there is no section {only}, but {}", names.join(", "));
        }
        Ok(options)
    }

    /// As it is typed again, without what is of one machine only.
    pub(crate) fn command(&self) -> String {
        let quick = if self.quick { " --quick" } else { "" };
        let only = self.only.as_ref().map(|only| format!(" --only {only}")).unwrap_or_default();
        format!("cargo xtask compare{quick}{only}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_in_any_order() {
        let options = Options::parse(&["--only", "rates", "--quick", "--out", "x.md"]).expect("all known");
        assert_eq!(options.command(), "cargo xtask compare --quick --only rates");
        assert_eq!(options.out, Some("x.md".into()));
        assert!(Options::parse(&["--only"]).is_err() && Options::parse(&["--only", "nothing"]).is_err());
        assert!(Options::parse(&["fast"]).is_err());
    }
}
