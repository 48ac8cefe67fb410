use super::Link::{Base, Function, Shim};
use super::Merged::{Cut, Native, Python};
use super::*;

/// Native frames of these kinds, each 0x100 bytes long.
fn frames(kinds: &[Kind]) -> Vec<(NativeFrame, Kind)> {
    (1..).zip(kinds).map(|(at, kind)| (NativeFrame { at, top: at * 0x100 }, *kind)).collect()
}

const LOOP: Kind = Kind::Loop;
const C: Kind = Kind::Other;
const ENTERED: Link = Function(true);
const CALLED: Link = Function(false);

fn merged(kinds: &[Kind], whole: bool, python: &[Link]) -> Result<Vec<Merged>, Mismatch> {
    let mut into = Vec::new();
    merge(&frames(kinds), whole, python, &mut into).map(|()| into)
}

/// In the frame with this index.
fn shim(index: u64) -> Link {
    Shim((index + 1) * 0x100 + 0x80)
}

#[test]
fn each_loop_is_what_it_runs() {
    // sort(key=f) called from a function that the module's code has called: f | list.sort | g, <module> | main
    let native = [C, C, LOOP, C, LOOP, C];
    let expected = vec![Native(0), Native(1), Python(0), Native(3), Python(1), Python(2), Native(5)];
    assert_eq!(merged(&native, true, &[ENTERED, CALLED, ENTERED]), Ok(expected));
    // One frame each.
    let expected = vec![Native(0), Native(1), Python(0), Native(3), Python(1), Native(5)];
    assert_eq!(merged(&native, true, &[ENTERED, ENTERED]), Ok(expected));
}

#[test]
fn the_innermost_loop_may_have_no_frame_yet() {
    let native = [C, LOOP, C, LOOP, C];
    assert_eq!(merged(&native, true, &[ENTERED]), Ok(vec![Native(0), Native(2), Python(0), Native(4)]));
    assert_eq!(merged(&[LOOP], true, &[]), Ok(vec![]));
    assert_eq!(merged(&[C], true, &[]), Ok(vec![Native(0)]));
    assert_eq!(merged(&[C, C, LOOP, C, LOOP, C], true, &[ENTERED]).map(|merged| merged.len()), Ok(5));
    // A loop that has called more functions has begun: which frame is whose can not be told.
    assert_eq!(merged(&[C, C, C, LOOP, C, LOOP, C], true, &[ENTERED]), Err(Mismatch { loops: 2, entries: 1 }));
}

#[test]
fn what_does_not_fit_is_not_guessed() {
    for (native, python, loops, entries) in [
        (&[LOOP, LOOP][..], &[][..], 2, 0),
        (&[LOOP], &[ENTERED, ENTERED], 1, 2),
        (&[], &[ENTERED], 0, 1),
        (&[LOOP], &[CALLED], 1, 0),
        (&[LOOP, LOOP], &[ENTERED, CALLED], 2, 1),
        // The shim lies in no frame, or one shim's frame is not outside of the other's.
        (&[C, LOOP, C], &[CALLED, Shim(0x80)], 1, 1),
        (&[C, LOOP, C, LOOP], &[CALLED, shim(3), CALLED, shim(1)], 2, 2),
        // Nobody runs the outermost frame.
        (&[C, LOOP, C], &[CALLED, shim(1), CALLED], 1, 1),
        // A loop between two, which is nobody's.
        (&[C, LOOP, C, LOOP, C, LOOP], &[CALLED, shim(1), CALLED, shim(5)], 3, 2),
    ] {
        assert_eq!(merged(native, true, python), Err(Mismatch { loops, entries }), "{native:?} {python:?}");
    }
}

#[test]
fn a_shim_tells_its_loop_whatever_its_name() {
    let python = [CALLED, CALLED, shim(2), CALLED, shim(4), Base];
    let expected = vec![Native(0), Native(1), Python(0), Python(1), Native(3), Python(3), Native(5)];
    assert_eq!(merged(&[C, C, Kind::Nameless, C, LOOP, C], true, &python), Ok(expected));
    // A call that is just beginning is inside of all that have shims; one that is ending may still run what it leaves behind.
    assert_eq!(merged(&[LOOP, C, LOOP, C], true, &[CALLED, shim(2)]), Ok(vec![Native(1), Python(0), Native(3)]));
    let ending = [CALLED, shim(1), shim(3), CALLED, shim(5)];
    let expected = vec![Native(0), Python(0), Native(2), Native(4), Python(3)];
    assert_eq!(merged(&[C, LOOP, C, LOOP, C, LOOP], true, &ending), Ok(expected));
}

#[test]
fn what_a_loop_jumps_to_is_part_of_it() {
    // Functions of single instructions, with and without names, and code of the interpreter's own JIT.
    for part in [&[LOOP][..], &[Kind::Nameless], &[Kind::Made], &[Kind::Made, LOOP]] {
        let mut native = vec![C];
        native.extend(part);
        native.extend([Kind::SplitLoop, C]);
        let call = native.len() - 2;
        let python = [CALLED, shim(call as u64)];
        assert_eq!(merged(&native, true, &python), Ok(vec![Native(0), Python(0), Native(call + 1)]), "{part:?}");
    }
    // And what Python has made to call a loop, and nothing else.
    let native = [C, LOOP, Kind::Made, C, Kind::Made, C];
    let expected = vec![Native(0), Python(0), Native(3), Native(4), Native(5)];
    assert_eq!(merged(&native, true, &[CALLED, shim(1)]), Ok(expected));
    // But not whatever a loop calls that has its instructions inside.
    let native = [C, Kind::Nameless, LOOP, C];
    assert_eq!(merged(&native, true, &[CALLED, shim(2)]), Ok(vec![Native(0), Native(1), Python(0), Native(3)]));
}

#[test]
fn a_greenlets_stack_ends_where_it_begins() {
    let native = [C, LOOP, Kind::Start, C, LOOP, C];
    for python in [&[ENTERED][..], &[CALLED, shim(1)]] {
        assert_eq!(merged(&native, true, python), Ok(vec![Native(0), Python(0), Native(2)]));
        assert_eq!(merged(&native, false, python), Ok(vec![Native(0), Python(0), Native(2)]));
    }
    // Where its library has no names, what is outside of the outermost shim is shown up to the next loop.
    let native = [C, LOOP, C, C, LOOP, C];
    let expected = vec![Native(0), Python(0), Native(2), Native(3)];
    assert_eq!(merged(&native, true, &[CALLED, shim(1)]), Ok(expected));
}

#[test]
fn of_a_stack_that_is_cut_the_inner_part_is_known() {
    let expected = vec![Native(0), Native(1), Native(2), Python(0), Native(4), Cut, Python(1)];
    assert_eq!(merged(&[C, C, C, LOOP, C], false, &[ENTERED, ENTERED]), Ok(expected));
    let expected = vec![Native(0), Python(0), Native(2), Cut, Python(2)];
    assert_eq!(merged(&[C, LOOP, C], false, &[CALLED, shim(1), CALLED, shim(7)]), Ok(expected));
    // Where the last frame ends is not known.
    assert_eq!(merged(&[C, LOOP], false, &[CALLED, shim(1)]), Ok(vec![Native(0), Cut, Python(0)]));
    assert_eq!(merged(&[C], false, &[ENTERED]), Ok(vec![Native(0), Cut, Python(0)]));
    // It may be one that is just beginning.
    assert_eq!(merged(&[LOOP, C], false, &[ENTERED]), Err(Mismatch { loops: 1, entries: 1 }));
}
