//! What became of the ticks of some time.

use py_spy_address_space::Addr;
use py_spy_native::NativeFrame;
use py_spy_python::RawFrame;

use crate::moment::NativeStack;
use crate::roster::Member;

/// What came of some time.
#[derive(Debug, Default)]
pub(crate) struct Ticked {
    pub(crate) frames: Vec<RawFrame>,
    pub(crate) stacks: Vec<TickedStack>,
    /// Native frames, where those are wanted.
    pub(crate) native_frames: Vec<NativeFrame>,
    /// Addresses of the kernel's frames, where those are wanted.
    pub(crate) kernel_frames: Vec<Addr>,
    /// Of threads that run no Python, where those are wanted.
    pub(crate) strangers: Vec<Stranger>,
    /// Ticks that found no room in the ring.
    pub(crate) missed: u64,
    /// Ticks of threads whose state could not be told.
    pub(crate) dropped: u64,
}

/// One tick's stack.
#[derive(Debug)]
pub(crate) struct TickedStack {
    pub(crate) member: Member,
    /// The frames, innermost first, as a range of [`Ticked::frames`].
    pub(crate) first: usize,
    pub(crate) end: usize,
    pub(crate) holds_gil: bool,
    /// Frames inside of the first one are not known.
    pub(crate) moving: bool,
    /// When it was, ns of the monotonic clock.
    pub(crate) time: u64,
    /// The CPU time that one sample of it stands for, ns.
    pub(crate) period: u64,
    /// How many samples it is.
    pub(crate) samples: u32,
    /// Its native frames, if they could be had.
    pub(crate) native: Option<NativeStack>,
    /// Where it was in the kernel, innermost first, as a range of [`Ticked::kernel_frames`].
    pub(crate) kernel: (usize, usize),
}

/// One tick of a thread that has no thread state.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) native: NativeStack,
    /// As those of a [`TickedStack`].
    pub(crate) kernel: (usize, usize),
    pub(crate) time: u64,
    pub(crate) samples: u32,
}

impl Ticked {
    pub(super) fn clear(&mut self) {
        self.frames.clear();
        self.stacks.clear();
        self.native_frames.clear();
        self.kernel_frames.clear();
        self.strangers.clear();
        (self.missed, self.dropped) = (0, 0);
    }
}
