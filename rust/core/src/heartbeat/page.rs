//! A worker's page: shared memory in which it says that it lives and what it runs, and the watch over it.
//!
//! ```text
//! word 0  magic 0x68796472          slot s at 128 + 256 s:
//! word 1  native beat counter         token u64 (0 = free), started_ns u64, deadline_ns u64 (0 = none),
//! word 2  hub busy since, boottime    ordinal u32, attempt u32, branch_len u16, name_len u16, 4 bytes pad,
//!         ns (0 = idle)               216 bytes: branch, then name
//! ```
//!
//! All little-endian. `hydra.worker.page` writes it; a dead worker's page still tells which steps it was in.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{Event, OVERDUE, SCAN_INTERVAL_NS, SILENT, SLOTS_PER_WORKER_MAX, STALLED};

pub const MAGIC: u64 = 0x6879_6472;
pub const BEAT_OFFSET: usize = 8;
const BUSY_OFFSET: usize = 16;
const HEADER_BYTES: usize = 128;
const SLOT_BYTES: usize = 256;
const DEADLINE_OFFSET: usize = 16;
/// A watcher that was itself held up (or asleep with the machine) learned nothing meanwhile about anyone.
const GAP_COUNTED_MAX_NS: u64 = 3 * SCAN_INTERVAL_NS;

pub type Watches = BTreeMap<i64, Watch>;

pub struct Watch {
    file: File,
    bytes: Vec<u8>,
    silence: Condition,
    stall: Condition,
    /// The deadline each slot was last reported to be past; another try of the step has another.
    overdue: Vec<u64>,
    scanned_ns: u64,
}

/// A word that should change within a time; reported once until it does.
struct Condition {
    after_ns: u64,
    word: u64,
    unchanged_ns: u64,
    is_reported: bool,
}

impl Condition {
    fn new(after_ns: u64, word: u64) -> Self {
        Self { after_ns, word, unchanged_ns: 0, is_reported: false }
    }

    /// How long past its time the word is, the first time it is.
    fn overrun_ns(&mut self, word: u64, elapsed_ns: u64) -> Option<u64> {
        if word != self.word {
            *self = Self::new(self.after_ns, word);
            return None;
        }
        self.unchanged_ns += elapsed_ns;
        if self.is_reported || self.unchanged_ns < self.after_ns {
            return None;
        }
        self.is_reported = true;
        Some(self.unchanged_ns - self.after_ns)
    }
}

impl Watch {
    /// None if the file is not a page.
    pub fn new(file: File, silent_after_ns: u64, stalled_after_ns: u64, now_ns: u64) -> Option<Self> {
        let size = usize::try_from(file.metadata().ok()?.len()).ok()?;
        let slots = size.checked_sub(HEADER_BYTES)? / SLOT_BYTES;
        if i64::try_from(slots).ok()? > SLOTS_PER_WORKER_MAX {
            return None;
        }
        let mut bytes = vec![0; HEADER_BYTES + slots * SLOT_BYTES];
        file.read_exact_at(&mut bytes, 0).ok()?;
        (word(&bytes, 0) == MAGIC).then(|| Self {
            silence: Condition::new(silent_after_ns, word(&bytes, BEAT_OFFSET)),
            stall: Condition::new(stalled_after_ns, word(&bytes, BUSY_OFFSET)),
            overdue: vec![0; slots],
            scanned_ns: now_ns,
            file,
            bytes,
        })
    }

    /// Reads the page and queues what is new.
    pub fn scan(&mut self, worker: i64, now_ns: u64, events: &mut Vec<Event>) {
        if self.file.read_exact_at(&mut self.bytes, 0).is_err() {
            // A page that cannot be read says nothing about the worker.
            return;
        }
        let elapsed_ns = now_ns.saturating_sub(self.scanned_ns).min(GAP_COUNTED_MAX_NS);
        self.scanned_ns = now_ns;
        let mut report = |kind, key, token, due_ns| {
            events.push(Event { kind, key, token, due_ns, fired_ns: now_ns });
        };
        if let Some(overrun_ns) = self.silence.overrun_ns(word(&self.bytes, BEAT_OFFSET), elapsed_ns) {
            report(SILENT, worker, 0, now_ns.saturating_sub(overrun_ns));
        }
        let busy_since = word(&self.bytes, BUSY_OFFSET);
        if busy_since == 0 {
            self.stall = Condition::new(self.stall.after_ns, 0);
        } else if let Some(overrun_ns) = self.stall.overrun_ns(busy_since, elapsed_ns) {
            report(STALLED, worker, 0, now_ns.saturating_sub(overrun_ns));
        }
        for slot in 0..self.overdue.len() {
            let at = HEADER_BYTES + slot * SLOT_BYTES;
            let (token, deadline_ns) = (word(&self.bytes, at), word(&self.bytes, at + DEADLINE_OFFSET));
            if token == 0 || deadline_ns == 0 || deadline_ns > now_ns || self.overdue[slot] == deadline_ns {
                continue;
            }
            if self.still_holds(at, token, deadline_ns) {
                self.overdue[slot] = deadline_ns;
                report(OVERDUE, worker * SLOTS_PER_WORKER_MAX + slot as i64, token, deadline_ns);
            }
        }
    }

    /// A second look: the first may have caught the slot half-way from one step to the next.
    fn still_holds(&self, at: usize, token: u64, deadline_ns: u64) -> bool {
        let mut slot = [0; DEADLINE_OFFSET + 8];
        self.file.read_exact_at(&mut slot, at as u64).is_ok()
            && word(&slot, 0) == token
            && word(&slot, DEADLINE_OFFSET) == deadline_ns
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
