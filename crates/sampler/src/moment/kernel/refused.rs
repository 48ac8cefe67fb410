//! Why the kernel takes no samples.

use py_spy_kernel::Unavailable;
use py_spy_python::Unreadable;

/// Why the kernel takes no samples, or none any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoKernel {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error("its threads could not be listed: {0}")]
    Unreadable(#[from] Unreadable),
    #[error("it has several interpreters, and a thread may run in more than one")]
    Interpreters,
    #[error("the kernel's ids of its threads are not known")]
    Ids,
    #[error("a stack is deeper than {0} frames")]
    Deep(u32),
    #[error("it makes and frees code all the time")]
    Codes,
    #[error("its lock was made, or has become another")]
    Lock,
}
