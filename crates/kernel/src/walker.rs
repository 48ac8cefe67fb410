//! The program that runs at a tick.
//!
//! In words, with the numbers of one [`Layout`] as constants:
//!
//! 1. Who am I? The thread's own id, as its PID namespace counts. Was I met before, and what is my timer's period?
//! 2. Shall this tick count? A timer may come more often than is asked for, so that threads that live shortly have ticks at
//!    all; the dice say which count, so that each stands for the period that was asked for.
//! 3. This CPU's buffer: the record is put together there.
//! 4. The thread state: user space has put it into a map, by the id. A thread that it does not know yet is looked for among
//!    the newest of the interpreter's list, by its native id or by that which the C library keeps, and so is one
//!    whose state of the map says that it is another's: a thread that has ended its Python goes on for a while.
//! 5. From the state: whose it is, where its innermost frame is, where its outermost must be; and the words of the GIL.
//! 6. The frames, one read each: of each the words that [`FrameWords`] names, then on to its caller, until there is none, a
//!    read fails, or there are too many.
//! 7. If the chain did not reach a root, the chains that the thread's registers lead to, each that does as a record ([`crate::torn`]).
//! 8. Where native stacks are wanted: the stack as it is, as a record of its own in front ([`crate::stack_copy`]).
//! 9. The record, as long as it has become, goes into the ring; if there is no room that is counted.
//!
//! It is one bounded loop, one more for the list and one for each register: the verifier follows all to their ends. Nothing is written but the
//! buffer, the ring and the count.

use py_spy_address_space::Addr;
use py_spy_python::layout::Layout;
use py_spy_python::{FrameWords, Gil};

use crate::assembler::Reg::{R0, R1, R2, R3, R4, R6, R7, R8, R9, R10};
use crate::assembler::Width::{Byte, Double, Word};
use crate::assembler::{Assembler, Label, Reg};
use crate::record::{HEADER, field};
use crate::stack_copy::{Stacks, pages_at};
use crate::state::{Fields, find_state, read_state};
use crate::torn::Repair;

/// Functions of the kernel (`include/uapi/linux/bpf.h`).
const MAP_LOOKUP: i32 = 1;
const MAP_UPDATE: i32 = 2;
const CLOCK: i32 = 5;
const RANDOM: i32 = 7;
const CPU: i32 = 8;
pub(crate) const READ_USER: i32 = 112;
const NAMESPACE_IDS: i32 = 120;
pub(crate) const RING_OUTPUT: i32 = 130;

/// For `bpf_ringbuf_output`: nobody is woken up.
pub(crate) const NO_WAKEUP: i32 = 1;

/// In the context (`struct bpf_perf_event_data`, x86-64): the period, after the 168 bytes of `struct pt_regs`.
const CONTEXT_PERIOD: i16 = 168;

/// So many bits of chance decide whether a tick counts: of a period of up to [`MAX_PERIOD`] the product fits 64 bits.
const CHANCE_BITS: i32 = 24;

/// No longer period is asked for, ns: 18 minutes.
pub(crate) const MAX_PERIOD: u64 = 1 << 40;

/// The program's own stack, from its end down: a key, ids, what is read of a frame, what is read of a thread state.
pub(crate) const KEY: i16 = -8;
pub(crate) const IDS: i16 = -16;
pub(crate) const FRAME: i16 = -16 - 256;
pub(crate) const STATE: i16 = FRAME - STATE_SPAN as i16;

/// So many bytes of a thread state are read at most, from the first field that is needed to the last.
pub(crate) const STATE_SPAN: u32 = 232;

/// What the program looks at.
#[derive(Debug)]
pub struct Subject<'a> {
    /// The interpreter's layout.
    pub layout: &'a Layout,
    /// The only interpreter.
    pub interpreter: Addr,
    /// Its lock, if there is one.
    pub gil: Option<Gil>,
    /// The PID namespace that the threads are in: device and inode of `/proc/PID/ns/pid`.
    pub namespace: (u64, u64),
    /// Where the C library keeps a thread's id in what `pthread_self()` points to. Only for states without a native id.
    pub tid_at: u32,
    /// A tick is to stand for so much CPU time, ns; as much as the kernel's shortest period at least.
    pub period: u64,
    /// No more frames of a stack than this are followed.
    pub frames: u32,
    /// Native stacks that are wanted too.
    pub stacks: Option<Stacks>,
}

/// Maps that the program uses, by their descriptors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Maps {
    pub(crate) states: i32,
    pub(crate) met: i32,
    pub(crate) buffers: i32,
    pub(crate) ring: i32,
    pub(crate) misses: i32,
    pub(crate) stacks: i32,
    pub(crate) tops: i32,
}

/// The program, of which a tick stands for `period` ns; `None` for a layout that it has no room for.
pub(crate) fn assemble(subject: &Subject<'_>, period: u64, words: &FrameWords, maps: Maps) -> Option<Vec<u64>> {
    let fields = Fields::of(subject.layout)?;
    let mut a = Assembler::default();
    let (output, full, end) = (a.label(), a.label(), a.label());
    throw_dice(&mut a, subject, period, maps, end);
    begin_record(&mut a, maps, full);
    find_state(&mut a, subject, maps, output)?;
    read_state(&mut a, subject, fields, output);
    a.jump_if(R8, 0, output);
    let (whole, unreadable) = (a.label(), a.label());
    follow_frames(&mut a, subject.layout, words, subject.frames, (whole, unreadable))?;
    a.jump(output);
    let repair = Repair { layout: subject.layout, words, ring: maps.ring, output, full };
    repair.assemble(&mut a, (whole, unreadable))?;
    a.place(output);
    if let Some(stacks) = subject.stacks {
        let bounded = a.label();
        a.store(Double, R7, field::COUNT, R9);
        a.store(Double, R7, field::REST, R8);
        stacks.output(&mut a, pages_at(period), maps, full);
        a.load(Double, R8, R7, field::REST);
        a.load(Double, R9, R7, field::COUNT);
        a.jump_if_below(R9, subject.frames as i32 + 1, bounded);
        a.jump(end);
        a.place(bounded);
    }
    output_record(&mut a, words, maps.ring);
    a.jump_if(R0, 0, end);
    a.place(full);
    a.store_constant(R10, KEY, 0);
    look_up(&mut a, maps.misses, KEY);
    a.jump_if(R0, 0, end);
    a.set(R1, 1);
    a.add_atomically(R0, 0, R1);
    a.place(end);
    a.set(R0, 0);
    a.exit();
    a.finish()
}

/// Steps 1 and 2: register 8 is the timer's period if this is the thread's first tick, else 0.
fn throw_dice(a: &mut Assembler, subject: &Subject<'_>, period: u64, maps: Maps, end: Label) {
    a.copy(R6, R1);
    a.set_wide(R1, subject.namespace.0);
    a.set_wide(R2, subject.namespace.1);
    a.store_constant(R10, IDS, 0);
    address(a, R3, IDS);
    a.set(R4, 8);
    a.call(NAMESPACE_IDS);
    a.jump_unless(R0, 0, end);

    let (met, known) = (a.label(), a.label());
    look_up(a, maps.met, IDS);
    a.set(R8, 0);
    a.jump_unless(R0, 0, met);
    a.store_constant(R10, FRAME, 0);
    a.set_map(R1, maps.met);
    address(a, R2, IDS);
    address(a, R3, FRAME);
    a.set(R4, 0);
    a.call(MAP_UPDATE);
    a.load(Double, R9, R6, CONTEXT_PERIOD);
    a.copy(R8, R9);
    a.jump(known);
    a.place(met);
    a.load(Double, R9, R0, 0);
    a.jump_unless(R9, 0, known);
    a.load(Double, R9, R6, CONTEXT_PERIOD);
    a.place(known);

    a.call(RANDOM);
    a.mask(R0, (1 << CHANCE_BITS) - 1);
    a.set_wide(R1, period);
    a.multiply_register(R0, R1);
    a.shift_right(R0, CHANCE_BITS);
    a.jump_unless_below(R0, R9, end);
}

/// Step 3: register 7 is the record from here on, and stays so; its header is zero but for who, when and whether the first.
fn begin_record(a: &mut Assembler, maps: Maps, full: Label) {
    a.call(CPU);
    a.store_constant(R10, KEY, 0);
    a.store(Word, R10, KEY, R0);
    look_up(a, maps.buffers, KEY);
    a.jump_if(R0, 0, full);
    a.copy(R7, R0);
    for index in 0..HEADER as i16 {
        a.store_constant(R7, 8 * index, 0);
    }
    a.load(Word, R1, R10, IDS);
    a.store(Double, R7, field::TID, R1);
    a.call(CLOCK);
    a.store(Double, R7, field::TIME, R0);
    a.store(Double, R7, field::FIRST, R8);
}

/// The frames from the one in register 8 on, which is not 0: register 9 counts them, up to `most`. Goes on at the first label when
/// there is no caller, at the second when a frame can not be read, at what follows when there are too many; register 8 is what
/// would be the next one.
pub(crate) fn follow_frames(
    a: &mut Assembler,
    layout: &Layout,
    words: &FrameWords,
    most: u32,
    (whole, unreadable): (Label, Label),
) -> Option<()> {
    let (frame_first, frame_last) = (*words.offsets().first()?, *words.offsets().last()?);
    let walk = a.label();
    a.set(R9, 0);
    a.place(walk);
    read(a, FRAME, frame_last + 8 - frame_first, R8, frame_first);
    a.jump_unless(R0, 0, unreadable);
    a.copy(R1, R9);
    a.multiply(R1, 8 * words.offsets().len() as i32);
    a.add_register(R1, R7);
    for (index, &at) in (HEADER as i16..).zip(words.offsets()) {
        a.load(Double, R2, R10, FRAME + (at - frame_first) as i16);
        a.store(Double, R1, 8 * index, R2);
    }
    a.load(Double, R8, R10, FRAME + (layout.frame.previous - frame_first) as i16);
    a.add(R9, 1);
    a.jump_if(R8, 0, whole);
    a.jump_if_below(R9, most as i32, walk);
    Some(())
}

/// Where a byte of the last frame that was read is.
pub(crate) fn byte_of_frame(a: &mut Assembler, words: &FrameWords, to: Reg, at: u32) -> Option<()> {
    a.load(Byte, to, R10, FRAME + at.checked_sub(*words.offsets().first()?)? as i16);
    Some(())
}

/// The record goes into the ring; register 0 is 0 when there was room.
pub(crate) fn output_record(a: &mut Assembler, words: &FrameWords, ring: i32) {
    a.store(Double, R7, field::COUNT, R9);
    a.store(Double, R7, field::REST, R8);
    a.set_map(R1, ring);
    a.copy(R2, R7);
    a.copy(R3, R9);
    a.multiply(R3, 8 * words.offsets().len() as i32);
    a.add(R3, 8 * HEADER as i32);
    a.set(R4, NO_WAKEUP);
    a.call(RING_OUTPUT);
}

/// `to =` the address of a place on the program's stack.
pub(crate) fn address(a: &mut Assembler, to: Reg, place: i16) {
    a.copy(to, R10);
    a.add(to, place.into());
}

/// Looks a key up that is on the stack; register 0 is the value's address, or 0.
pub(crate) fn look_up(a: &mut Assembler, map: i32, key: i16) {
    a.set_map(R1, map);
    address(a, R2, key);
    a.call(MAP_LOOKUP);
}

/// Reads so many bytes at `base + offset` of the program that is looked at; register 0 is 0 when it went well.
pub(crate) fn read(a: &mut Assembler, into: i16, length: u32, base: Reg, offset: u32) {
    address(a, R1, into);
    a.set(R2, length as i32);
    a.copy(R3, base);
    a.add(R3, offset as i32);
    a.call(READ_USER);
}
