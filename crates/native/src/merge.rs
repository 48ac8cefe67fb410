//! The interpreter's own native frames replaced by the Python frames that they run.
//!
//! Each call of the interpreter's loop runs the Python frames from one that was entered from C up to the innermost one
//! that it has called itself without leaving the loop; up to 3.10 that is always one. A loop that has just been called, or
//! is just returning, has no frame linked; only the innermost one can be at that. So the two stacks are laid side by side
//! from the root on, and they fit, or nothing is known of how they belong together.

/// A frame of a merged stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// The native frame with this index.
    Native(usize),
    /// The Python frame with this index.
    Python(usize),
}

/// The stacks do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// Calls of the interpreter's loop on the native stack.
    pub loops: usize,
    /// Python frames that were entered from C.
    pub entries: usize,
}

/// Merges a native and a Python stack of one moment, both innermost first.
///
/// `native` says of each native frame whether it is the interpreter's loop, `python` of each Python frame whether it was
/// entered from C. The result is innermost first; on a mismatch `into` is as it was.
///
/// # Errors
/// When there are fewer loops than frames that were entered, or more than one loop without a frame.
pub fn merge(
    native: impl ExactSizeIterator<Item = bool> + DoubleEndedIterator,
    python: &[bool],
    into: &mut Vec<Merged>,
) -> Result<(), Mismatch> {
    let native: Vec<bool> = native.collect();
    let loops = native.iter().filter(|is_loop| **is_loop).count();
    let entries = python.iter().filter(|entry| **entry).count();
    // The frames inside of the innermost one that was entered belong to it; those outside of the outermost one to nobody.
    let rootless = python.last().is_some_and(|entry| !entry);
    if rootless || !(entries..=entries + 1).contains(&loops) {
        return Err(Mismatch { loops, entries });
    }
    // A loop that has no frame is the innermost one.
    let mut without = loops - entries;
    let mut next = 0;
    for (index, is_loop) in native.into_iter().enumerate() {
        if !is_loop {
            into.push(Merged::Native(index));
        } else if without > 0 {
            without -= 1;
        } else {
            let end = next + python[next..].iter().position(|entry| *entry).map_or(0, |at| at + 1);
            into.extend((next..end).map(Merged::Python));
            next = end;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Merged::{Native, Python};
    use super::*;

    fn merged(native: &[bool], python: &[bool]) -> Result<Vec<Merged>, Mismatch> {
        let mut into = Vec::new();
        merge(native.iter().copied(), python, &mut into).map(|()| into)
    }

    #[test]
    fn each_loop_is_what_it_runs() {
        // sort(key=f) called from a function that the module's code has called: f | list.sort | g, <module> | main
        let native = [true, false, true, false];
        assert_eq!(
            merged(&native, &[true, false, true]),
            Ok(vec![Python(0), Native(1), Python(1), Python(2), Native(3)])
        );
        // One frame each.
        assert_eq!(merged(&native, &[true, true]), Ok(vec![Python(0), Native(1), Python(1), Native(3)]));
    }

    #[test]
    fn the_innermost_loop_may_have_no_frame_yet() {
        let native = [false, true, false, true, false];
        assert_eq!(merged(&native, &[true]), Ok(vec![Native(0), Native(2), Python(0), Native(4)]));
        assert_eq!(merged(&[true], &[]), Ok(vec![]));
        assert_eq!(merged(&[false], &[]), Ok(vec![Native(0)]));
    }

    #[test]
    fn what_does_not_fit_is_not_guessed() {
        for (native, python, loops, entries) in [
            (&[true, true][..], &[][..], 2, 0),
            (&[true], &[true, true], 1, 2),
            (&[], &[true], 0, 1),
            (&[true], &[false], 1, 0),
            (&[true, true], &[true, false], 2, 1),
        ] {
            assert_eq!(merged(native, python), Err(Mismatch { loops, entries }), "{native:?} {python:?}");
        }
    }
}
