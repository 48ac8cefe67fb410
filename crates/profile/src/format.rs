//! The output formats by name.

use std::fmt;
use std::str::FromStr;

/// The output formats of `record`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// An interactive SVG, root on top.
    Flamegraph,
    /// One line a stack: frames joined by `;`, a space, the count.
    Raw,
    /// JSON for speedscope.
    Speedscope,
    /// JSON for `chrome://tracing` and Perfetto.
    Chrometrace,
}

impl Format {
    /// Every format, in the order in which help lists them.
    pub const ALL: [Format; 4] = [Format::Flamegraph, Format::Raw, Format::Speedscope, Format::Chrometrace];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Format::Flamegraph => "flamegraph",
            Format::Raw => "raw",
            Format::Speedscope => "speedscope",
            Format::Chrometrace => "chrometrace",
        }
    }

    /// Other names that are understood.
    pub fn aliases(self) -> &'static [&'static str] {
        match self {
            Format::Flamegraph => &["svg"],
            Format::Raw => &["collapsed"],
            Format::Speedscope | Format::Chrometrace => &[],
        }
    }

    /// The end of a file name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Flamegraph => "svg",
            Format::Raw => "txt",
            Format::Speedscope | Format::Chrometrace => "json",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    /// Reads a name or an alias, in any case.
    fn from_str(text: &str) -> Result<Format, UnknownFormat> {
        let is = |name: &&str| name.eq_ignore_ascii_case(text);
        Format::ALL
            .into_iter()
            .find(|format| is(&format.name()) || format.aliases().iter().any(is))
            .ok_or_else(|| UnknownFormat { text: text.to_owned() })
    }
}

/// A name that is no format's; says which there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownFormat {
    text: String,
}

impl fmt::Display for UnknownFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = Format::ALL.into_iter().map(Format::name).collect();
        write!(f, "unknown format {:?}; there are: {}", self.text, names.join(", "))
    }
}

impl std::error::Error for UnknownFormat {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case() {
        for format in Format::ALL {
            assert_eq!(format.name().parse(), Ok(format));
            assert_eq!(format.to_string().to_uppercase().parse(), Ok(format));
        }
        assert_eq!("SVG".parse(), Ok(Format::Flamegraph));
        assert_eq!("Collapsed".parse(), Ok(Format::Raw));
        let error = "pprof".parse::<Format>().expect_err("there is no such format");
        assert_eq!(error.to_string(), "unknown format \"pprof\"; there are: flamegraph, raw, speedscope, chrometrace");
    }
}
