//! What must hold for any profile.

use std::io::{self, Write};

use proptest::prelude::*;
use py_spy_profile::{Format, Sample};

use crate::made::{HOSTILE, Made, TICK, hostile, small};
use crate::{chrometrace, raw, speedscope};

/// A profile of up to three threads that jump between stacks of arbitrary names at arbitrary times.
fn profiles() -> impl Strategy<Value = Made> {
    let name = prop_oneof!["[ab]", any::<String>(), proptest::sample::select(HOSTILE).prop_map(str::to_owned)];
    let place = (name.clone(), prop_oneof![Just(String::new()), Just("/x.py".to_owned()), name.clone()], 0..3_u32);
    let stacks = prop::collection::vec(prop::collection::vec(place, 1..6), 1..8);
    let samples = prop::collection::vec((0..3_usize, any::<prop::sample::Index>(), 0..4 * TICK), 0..60);
    (stacks, samples, name, any::<bool>()).prop_map(|(stacks, samples, name, lines)| {
        let mut made = Made::new();
        made.about.lines = lines;
        made.about.title.clone_from(&name);
        let threads = [made.thread(1, 1, Some(&name)), made.thread(1, 2, None), made.thread(2, 2, Some("x"))];
        let stacks: Vec<_> = stacks
            .iter()
            .map(|places| made.stack(places.iter().map(|(name, file, line)| (name.as_str(), file.as_str(), *line))))
            .collect();
        let mut at = 0;
        for (thread, stack, later) in samples {
            at += later;
            made.samples.push(Sample { at, weight: TICK, thread: threads[thread], stack: *stack.get(&stacks) });
        }
        made
    })
}

proptest! {
    #[test]
    fn every_format_can_be_read_back(made in profiles()) {
        raw::check(&made);
        speedscope::check(&made);
        chrometrace::check(&made);
        crate::flamegraph::check(&made);
    }

    #[test]
    fn the_same_samples_give_the_same_bytes(made in profiles()) {
        for format in Format::ALL {
            // A fresh thread each: inferno draws its colours from a sequence that begins with the thread.
            let write = || std::thread::scope(|scope| scope.spawn(|| made.write(format)).join().unwrap());
            prop_assert_eq!(write(), write());
        }
    }
}

/// Takes some bytes and then no more.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_an_error() {
    for made in [small(), hostile(), Made::new()] {
        for format in Format::ALL {
            let length = made.write(format).len();
            for room in [0, length / 2, length.saturating_sub(1)] {
                if room < length {
                    let error = made.write_to(format, &mut Full(room)).unwrap_err();
                    assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{format} {room}");
                }
            }
        }
    }
}

#[test]
fn times_and_weights_at_the_edge_do_no_harm() {
    let mut made = Made::new();
    let main = made.thread(u32::MAX, u64::MAX, None);
    let stack = made.stack([("f", "/x.py", u32::MAX)]);
    for (at, weight) in [(5, 0), (3, u64::MAX), (u64::MAX, 0), (u64::MAX, u64::MAX), (0, 1)] {
        made.samples.push(Sample { at, weight, thread: main, stack });
    }
    for format in Format::ALL {
        assert!(!made.write(format).is_empty());
    }
}
