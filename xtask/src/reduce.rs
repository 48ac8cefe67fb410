//! Recordings of memory without what does not matter: small, and silent about the machine that they were made on.

use anyhow::{Result, ensure};
use py_spy_address_space::{Addr, PAGE, Recording};

use crate::padded::Padded;

/// Bytes that are kept or not as a whole.
const GRAIN: usize = 8;

/// Leaves out all bytes whose being zero makes no difference for `same`.
pub(crate) fn reduce(mut padded: Padded, same: impl Fn(&Padded) -> bool) -> Result<Recording> {
    ensure!(same(&padded), "the recording does not give what it was made from");
    let pages: Vec<Addr> = padded.pages.keys().copied().collect();
    for page in pages {
        // Halves that do not matter are cleared, others are halved again.
        let mut parts = vec![(0, PAGE)];
        while let Some((first, len)) = parts.pop() {
            let old = padded.page(page)[first..first + len].to_vec();
            if old.iter().all(|&byte| byte == 0) {
                continue;
            }
            padded.page(page)[first..first + len].fill(0);
            if same(&padded) {
                continue;
            }
            padded.page(page)[first..first + len].copy_from_slice(&old);
            if len > GRAIN {
                parts.extend([(first, len / 2), (first + len / 2, len / 2)]);
            }
        }
    }
    let mut reduced = Recording::default();
    for (&at, page) in &padded.clone().pages {
        if page.iter().all(|&byte| byte == 0) {
            padded.pages.remove(&at);
            if same(&padded) {
                continue;
            }
            // That it is there is what matters.
            padded.page(at);
            reduced.put(at, &page[..GRAIN]);
        }
        for (grain, at) in page.chunks(GRAIN).zip((at..).step_by(GRAIN)) {
            if grain.iter().any(|&byte| byte != 0) {
                reduced.put(at, grain);
            }
        }
    }
    ensure!(same(&Padded::new(&reduced)), "the reduced recording does not give what it was made from");
    Ok(reduced)
}
