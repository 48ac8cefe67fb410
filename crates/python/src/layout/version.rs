//! CPython's versions.

/// A CPython version, as `PY_VERSION_HEX` has it (`Include/patchlevel.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub u32);

impl Version {
    /// A version of which only the series is known.
    pub const fn series(major: u8, minor: u8) -> Self {
        Version((major as u32) << 24 | (minor as u32) << 16)
    }

    /// 3 of 3.12.1.
    pub const fn major(self) -> u8 {
        (self.0 >> 24) as u8
    }

    /// 12 of 3.12.1.
    pub const fn minor(self) -> u8 {
        (self.0 >> 16) as u8
    }

    /// 1 of 3.12.1.
    pub const fn micro(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Same major and minor number: the same layout.
    pub const fn same_series(self, other: Version) -> bool {
        self.0 >> 16 == other.0 >> 16
    }
}

impl std::fmt::Display for Version {
    /// `3.12.1`, `3.15.0rc2`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major(), self.minor(), self.micro())?;
        let serial = self.0 & 0xf;
        match self.0 >> 4 & 0xf {
            0xa => write!(f, "a{serial}"),
            0xb => write!(f, "b{serial}"),
            0xc => write!(f, "rc{serial}"),
            _ => Ok(()),
        }
    }
}
