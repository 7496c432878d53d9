//! Whether this process encodes or decodes, for the native thread that watches it: such work holds the interpreter, so
//! that no Python code could tell of it.

use std::sync::atomic::{AtomicU64, Ordering};

static BEGUN_COUNT: AtomicU64 = AtomicU64::new(0);
static UNDER_WAY: AtomicU64 = AtomicU64::new(0);

/// Work under way, until it is dropped. Where several go on at once the last to begin stands for all.
pub struct Work;

pub fn begin() -> Work {
    UNDER_WAY.store(BEGUN_COUNT.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
    Work
}

impl Drop for Work {
    fn drop(&mut self) {
        UNDER_WAY.store(0, Ordering::Relaxed);
    }
}

/// The number of the piece of work under way; 0 when there is none.
pub fn under_way() -> u64 {
    UNDER_WAY.load(Ordering::Relaxed)
}
