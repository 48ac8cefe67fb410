//! One thread at one moment.

use crate::{StackId, ThreadId};

/// Nanoseconds since the recording began.
pub type Nanos = u64;

/// One thread at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// When the stack stood so.
    pub at: Nanos,
    /// How long this sample stands for: the sampling interval.
    pub weight: Nanos,
    /// Whose stack it is.
    pub thread: ThreadId,
    /// The stack, root first.
    pub stack: StackId,
}
