//! Waking up in time.

/// The kernel may delay the end of the calling thread's sleeps by so many nanoseconds, to do several at once; 0 would be
/// the default, which is 50 us.
const SLACK: std::ffi::c_ulong = 1;

/// Has the calling thread woken when its time is over, and not up to 50 us later (`PR_SET_TIMERSLACK`, prctl(2)).
pub fn sleep_exactly() {
    if let Err(errno) = nix::sys::prctl::set_timerslack(SLACK) {
        log::debug!("sleeps stay inexact: {errno}");
    }
}
