//! Argument values with a meaning and bounds of their own.

use std::str::FromStr;
use std::time::Duration;

/// A process id, decimal or hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId(pub u32);

impl FromStr for ProcessId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => text.parse(),
        };
        match number {
            // Process ids are positive numbers of a signed type.
            Ok(pid) if pid > 0 && i32::try_from(pid).is_ok() => Ok(ProcessId(pid)),
            _ => Err("a process id is a positive number, decimal or hexadecimal with 0x".to_owned()),
        }
    }
}

/// Samples a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate(f64);

impl Rate {
    /// The most that can be asked for; what can be reached depends on the machine and the program.
    pub(crate) const MAX: f64 = 1_000_000.0;
    /// The least: one sample in about a quarter of an hour.
    pub(crate) const MIN: f64 = 0.001;

    /// Samples a second.
    pub(crate) fn per_second(self) -> f64 {
        self.0
    }

    /// Time between two samples.
    pub(crate) fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match number(text) {
            Some(rate) if (Self::MIN..=Self::MAX).contains(&rate) => Ok(Rate(rate)),
            Some(rate) if rate > Self::MAX => Err(format!("at most {} samples a second can be asked for", Self::MAX)),
            _ => Err(format!("a rate is a number of samples a second, at least {}", Self::MIN)),
        }
    }
}

/// A share of the time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percent(f64);

impl Percent {
    /// Less than this is no sampling at all.
    const MIN: f64 = 0.001;

    /// As a number from 0 to 1.
    pub(crate) fn share(self) -> f64 {
        self.0 / 100.0
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match number(text.strip_suffix('%').unwrap_or(text)) {
            Some(percent) if (Self::MIN..=100.0).contains(&percent) => Ok(Percent(percent)),
            _ => Err(format!("a share of the time is a number of per cent from {} to 100", Self::MIN)),
        }
    }
}

/// How long to record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit(pub Option<Duration>);

impl Limit {
    /// A hundred years: more can only be a slip of the keyboard.
    const MAX: f64 = 100.0 * 365.0 * 24.0 * 3600.0;
    /// Nothing can be learned in less.
    const MIN: f64 = 0.001;
    /// Longer units first: `ms` also ends with `s`.
    const UNITS: [(&'static str, f64); 5] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "unlimited" {
            return Ok(Limit(None));
        }
        let seconds = Self::UNITS.iter().find_map(|(unit, factor)| Some(number(text.strip_suffix(unit)?)? * factor));
        match seconds {
            Some(seconds) if seconds > Self::MAX => Err("that is more than a hundred years; try unlimited".to_owned()),
            Some(seconds) if seconds >= Self::MIN => Ok(Limit(Some(Duration::from_secs_f64(seconds)))),
            Some(_) => Err("a duration must be at least 1ms".to_owned()),
            None => Err("a duration is a number of seconds, a number with ms, s, m or h, or unlimited".to_owned()),
        }
    }
}

/// Seconds between two refreshes of a live view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delay(pub Duration);

impl Delay {
    /// A terminal can not be read faster.
    const MIN: f64 = 0.01;
    const MAX: f64 = 3600.0;
}

impl FromStr for Delay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match number(text) {
            Some(seconds) if (Self::MIN..=Self::MAX).contains(&seconds) => Ok(Delay(Duration::from_secs_f64(seconds))),
            _ => Err(format!("a delay is a number of seconds from {} to {}", Self::MIN, Self::MAX)),
        }
    }
}

/// A number without sign, exponent or names such as `inf`, all of which `f64` would take.
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.') && text.bytes().any(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn durations() {
        let milliseconds = |text: &str| text.parse::<Limit>().map(|limit| limit.0.unwrap().as_millis());
        for (text, expected) in [
            ("2", 2000),
            ("1.5", 1500),
            (".5", 500),
            ("30s", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0.5h", 1_800_000),
            ("500ms", 500),
            ("1ms", 1),
            ("1000000000", 1_000_000_000_000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
        assert_eq!("unlimited".parse(), Ok(Limit(None)));
        for text in ["0", "0.0", "0s", "-1", "-1s", "+1", "", "s", "ms", ".", "1.2.3", "1e3", "inf", "nan", "2 m", "2d"]
        {
            assert!(milliseconds(text).is_err(), "{text}");
        }
        for text in ["99999999999999999999", "1000000h", &"9".repeat(400)] {
            assert!(milliseconds(text).unwrap_err().contains("hundred years"), "{text}");
        }
    }

    #[test]
    fn rates() {
        let nanoseconds = |text: &str| text.parse::<Rate>().map(|rate| rate.interval().as_nanos());
        for (text, expected) in
            [("100", 10_000_000), ("1", 1_000_000_000), ("0.5", 2_000_000_000), ("1000000", 1000), ("3", 333_333_333)]
        {
            assert_eq!(nanoseconds(text), Ok(expected), "{text}");
        }
        for text in ["0", "0.0", "-1", "", "fast", "1e3", "inf", "nan", "1000001", "0.0001", &"9".repeat(400)] {
            assert!(nanoseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn process_ids() {
        let pid = |text: &str| text.parse::<ProcessId>().map(|pid| pid.0);
        assert_eq!(pid("12345"), Ok(12345));
        assert_eq!(pid("0x1F"), Ok(31));
        assert_eq!(pid("0X1f"), Ok(31));
        for text in ["0", "-1", "", "0x", "1F", "python", "1.5", "2147483648", "99999999999999"] {
            assert!(pid(text).is_err(), "{text}");
        }
    }

    #[test]
    fn delays() {
        let milliseconds = |text: &str| text.parse::<Delay>().map(|delay| delay.0.as_millis());
        assert_eq!(milliseconds("1.0"), Ok(1000));
        assert_eq!(milliseconds("0.25"), Ok(250));
        for text in ["0", "-1", "x", "3601", "0.001"] {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }
}
