//! Signals by name.

use nix::sys::signal::Signal;

/// A signal's number with its name, as in `11 (SIGSEGV)`; real-time signals have none.
pub fn signal_name(number: u32) -> String {
    let known = i32::try_from(number).ok().and_then(|number| Signal::try_from(number).ok());
    known.map_or_else(|| number.to_string(), |signal| format!("{number} ({signal})"))
}

#[cfg(test)]
mod tests {
    use super::signal_name;

    #[test]
    fn signals_have_names() {
        let names = [11, 6, 34, 0, u32::MAX].map(signal_name);
        assert_eq!(names, ["11 (SIGSEGV)", "6 (SIGABRT)", "34", "0", "4294967295"]);
    }
}
