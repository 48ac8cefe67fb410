//! The same in Rust.

mod inner {
    use std::sync::atomic::{AtomicU64, Ordering};

    static DONE: AtomicU64 = AtomicU64::new(0);

    pub struct Worker;

    impl Worker {
        #[inline(never)]
        pub fn work(&self, back: extern "C" fn()) {
            back();
            DONE.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn alpha_(back: extern "C" fn()) {
    inner::Worker.work(back);
    std::hint::black_box(0);
}
