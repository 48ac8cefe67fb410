//! What the program leaves of a tick.

use py_spy_address_space::Addr;

/// Words before the frames' words.
pub(crate) const HEADER: usize = 15;

/// Where in a record each word of the header is, bytes.
pub(crate) mod field {
    pub(crate) const TID: i16 = 0;
    pub(crate) const TIME: i16 = 8;
    pub(crate) const FIRST: i16 = 16;
    pub(crate) const STATE: i16 = 24;
    pub(crate) const INTERPRETER: i16 = 32;
    pub(crate) const THREAD: i16 = 40;
    pub(crate) const NATIVE: i16 = 48;
    pub(crate) const BASE: i16 = 56;
    pub(crate) const INNERMOST: i16 = 64;
    pub(crate) const HOLDER: i16 = 72;
    pub(crate) const LOCKED: i16 = 80;
    pub(crate) const COUNT: i16 = 88;
    pub(crate) const REST: i16 = 96;
    pub(crate) const CHAIN: i16 = 104;
    pub(crate) const CFRAME: i16 = 112;
}

/// Words of a native stack's record before the stack.
pub(crate) const STACK_HEADER: usize = 9 + REGISTERS;

/// Addresses in the kernel that it has at most, where they are wanted.
pub(crate) const KERNEL_FRAMES: usize = 64;

/// Registers that it has: those of x86-64 and the instruction pointer.
pub(crate) const REGISTERS: usize = 17;

/// Is added to the thread's id in a native stack's record, to tell it from others.
pub(crate) const STACK: u64 = 1 << 32;

/// Where in a native stack's record each word of the header is, bytes.
pub(crate) mod stack_field {
    pub(crate) const TID: i16 = 0;
    pub(crate) const TIME: i16 = 8;
    pub(crate) const FROM: i16 = 16;
    pub(crate) const LENGTH: i16 = 24;
    pub(crate) const WANTED: i16 = 32;
    pub(crate) const KERNEL: i16 = 40;
    pub(crate) const PARTS: i16 = 48;
    pub(crate) const MISSING: i16 = 56;
    pub(crate) const READ: i16 = 64;
    pub(crate) const FIRST_REGISTER: i16 = 72;
}

/// What a record has the frames of: the numbers in [`field::CHAIN`].
pub(crate) mod chain {
    /// Those that the thread state leads to.
    pub(crate) const OWN: i32 = 0;
    /// Those that a register of a torn tick leads to.
    pub(crate) const OFFERED: i32 = 1;
    /// None: of a torn tick, after all that its registers led to.
    pub(crate) const TORN: i32 = 2;
}

/// Which frames a tick has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chain {
    /// Those of its thread.
    Own,
    /// It was in the middle of an update that cuts the chain, and one of its registers led to these, which reach a root. More may
    /// follow, and then one that is [`Chain::Torn`], all of the same thread and time.
    Offered,
    /// None; see [`Chain::Offered`].
    Torn,
}

/// A tick of one thread.
#[derive(Debug)]
pub struct Tick<'a> {
    /// The thread's id as its own PID namespace counts.
    pub own_tid: u32,
    /// When it was, ns of the monotonic clock.
    pub time: u64,
    /// The period of the thread's timer, ns, if this was the first tick of all that the thread had.
    pub(crate) first: Option<u64>,
    /// The thread state; 0 if it was not found.
    pub state: Addr,
    /// The interpreter that the state names.
    pub interpreter: Addr,
    /// The thread's id, and its native id where there is one, as the state has them.
    pub thread: u64,
    /// See above; where the layout has none it is the thread's own id if the state was looked for and found, else 0.
    pub native: u64,
    /// Where the outermost frame must be, where the state says so.
    pub base: Addr,
    /// The innermost frame.
    pub innermost: Addr,
    /// It held the GIL.
    pub holds_gil: bool,
    /// Each frame's words, the innermost frame first.
    pub words: &'a [u64],
    /// Whose frames they are.
    pub chain: Chain,
    /// Why there are no more frames.
    pub missing: Option<Missing>,
}

/// A thread's native stack at a tick. The tick itself comes after it, of the same thread and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackCopy<'a> {
    /// See [`Tick::own_tid`].
    pub own_tid: u32,
    /// See [`Tick::time`].
    pub time: u64,
    /// Of x86-64 in DWARF's order: rax, rdx, rcx, rbx, rsi, rdi, rbp, rsp, r8 to r15, rip. Those that the program has, also where the
    /// tick was within a system call.
    pub registers: [u64; REGISTERS],
    /// What lies on the stack from this address on; less than there is where it is long.
    pub from: Addr,
    /// See above.
    pub bytes: &'a [u8],
    /// Pages of it that were not there, and of which there are only zeroes in `bytes`: a bit for each, the lowest for that of `from`.
    pub missing: u64,
    /// Where it was in the kernel, innermost first: 8 bytes each.
    pub(crate) kernel: &'a [u8],
}

impl<'a> StackCopy<'a> {
    /// From a record, with places in the kernel or without; `None` when it is of another kind.
    pub(crate) fn parse(record: &'a [u8], kernel_frames: bool) -> Option<StackCopy<'a>> {
        let (header, rest) = record.split_at_checked(8 * STACK_HEADER)?;
        let (kernel, bytes) = rest.split_at_checked(if kernel_frames { 8 * KERNEL_FRAMES } else { 0 })?;
        let word = |at: i16| header[at as usize..].first_chunk().map_or(0, |word| u64::from_ne_bytes(*word));
        let own_tid = u32::try_from(word(stack_field::TID).checked_sub(STACK)?).ok()?;
        let length = usize::try_from(word(stack_field::LENGTH)).ok()?;
        let registers = std::array::from_fn(|number| word(stack_field::FIRST_REGISTER + 8 * number as i16));
        let (time, from) = (word(stack_field::TIME), word(stack_field::FROM));
        // Of what could not be had there is a number below 0.
        let in_kernel = usize::try_from(word(stack_field::KERNEL)).unwrap_or(0).min(kernel.len());
        // The last part's bit is the lowest one there.
        let parts = u32::try_from(word(stack_field::PARTS)).ok().filter(|&parts| parts <= u64::BITS)?;
        let missing = word(stack_field::MISSING).reverse_bits().checked_shr(u64::BITS - parts).unwrap_or(0);
        let (bytes, kernel) = (bytes.get(..length)?, &kernel[..in_kernel]);
        Some(StackCopy { own_tid, time, registers, from, bytes, missing, kernel })
    }

    /// The addresses of the kernel's frames, if they are wanted and the tick was within the kernel: innermost first, of callers that of
    /// the instruction after the call.
    pub fn kernel(&self) -> impl Iterator<Item = Addr> + use<'a> {
        self.kernel.chunks_exact(8).filter_map(|word| word.first_chunk()).map(|word| u64::from_ne_bytes(*word))
    }
}

/// Why a tick has not the whole chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// There are more than are followed.
    Deeper,
    /// A frame could not be read.
    Unreadable,
}

impl<'a> Tick<'a> {
    /// From a record's words; `None` when they are none of ours.
    pub(crate) fn parse(record: &'a [u64], words: usize, most: u32) -> Option<Tick<'a>> {
        let (header, frames) = record.split_at_checked(HEADER)?;
        let at = |field: i16| header[field as usize / 8];
        let (state, holder) = (at(field::STATE), at(field::HOLDER));
        let count = usize::try_from(at(field::COUNT)).ok()?;
        let missing = match at(field::REST) {
            0 => None,
            _ if count >= most as usize => Some(Missing::Deeper),
            _ => Some(Missing::Unreadable),
        };
        let chain = match at(field::CHAIN) {
            kind if kind == chain::OWN as u64 => Chain::Own,
            kind if kind == chain::OFFERED as u64 => Chain::Offered,
            _ => Chain::Torn,
        };
        Some(Tick {
            own_tid: u32::try_from(at(field::TID)).ok()?,
            time: at(field::TIME),
            first: Some(at(field::FIRST)).filter(|&period| period != 0),
            state,
            interpreter: at(field::INTERPRETER),
            thread: at(field::THREAD),
            native: at(field::NATIVE),
            base: at(field::BASE),
            innermost: at(field::INNERMOST),
            holds_gil: state != 0 && holder == state && at(field::LOCKED) != 0,
            words: frames.get(..count.checked_mul(words)?)?,
            chain,
            missing,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_says_why_it_ends() {
        let mut record = vec![0_u64; HEADER + 6];
        record[0] = 7;
        record[field::COUNT as usize / 8] = 2;
        let tick = Tick::parse(&record, 3, 2).expect("a record");
        assert_eq!((tick.own_tid, tick.words.len(), tick.missing, tick.holds_gil), (7, 6, None, false));
        record[field::REST as usize / 8] = 0x1000;
        assert_eq!(Tick::parse(&record, 3, 2).expect("a record").missing, Some(Missing::Deeper));
        assert_eq!(Tick::parse(&record, 3, 9).expect("a record").missing, Some(Missing::Unreadable));
    }

    #[test]
    fn a_stack_is_told_from_a_tick() {
        let mut words = vec![0_u64; STACK_HEADER + 1];
        (words[0], words[1], words[2], words[3], words[25]) = (STACK + 7, 5, 0x1000, 3, 0x40);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let stack = StackCopy::parse(&bytes, false).expect("a stack");
        assert_eq!((stack.own_tid, stack.time, stack.from, stack.bytes.len()), (7, 5, 0x1000, 3));
        assert_eq!((stack.registers[0], stack.registers[16]), (0, 0x40));
        assert!(Tick::parse(&words, 3, 2).is_none());
        let with = |parts: u64, missing: u64| {
            let mut words = words.clone();
            (words[6], words[7]) = (parts, missing);
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
            StackCopy::parse(&bytes, false).map(|stack| stack.missing)
        };
        assert_eq!([with(0, 0), with(3, 0b110), with(64, 1), with(65, 0)], [Some(0), Some(0b011), Some(1 << 63), None]);
        assert!(StackCopy::parse(&bytes[..bytes.len() - 9], false).is_none());
        for (word, value) in [(0, 7), (0, 1 << 33), (3, 9), (3, u64::MAX)] {
            let mut other = bytes.clone();
            other[8 * word..8 * word + 8].copy_from_slice(&u64::to_ne_bytes(value));
            assert!(StackCopy::parse(&other, false).is_none(), "{word}: {value}");
        }
    }

    #[test]
    fn other_words_are_no_record() {
        assert!(Tick::parse(&[0; HEADER - 1], 3, 2).is_none());
        for count in [1, 5, u64::MAX] {
            let mut record = vec![0; HEADER];
            record[field::COUNT as usize / 8] = count;
            assert!(Tick::parse(&record, 3, 2).is_none());
        }
    }
}
