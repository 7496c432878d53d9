//! A worker's page: shared memory in which it says that it lives and what it runs, and the watch over it.
//!
//! ```text
//! word 0  magic 0x68796472          slot s at 128 + 256 s:
//! word 1  native beat counter         token u64 (0 = free), started_ns u64, deadline_ns u64 (0 = none),
//! word 3  the token of a body that holds the hub up for too long (0 = none)
//! word 2  hub busy since, boottime    and what only `hydra.worker.page` reads, which says how
//!         ns (0 = idle)
//! word 4  payload encoded or decoded
//!         at the last beat (0 = none)
//! ```
//!
//! All little-endian. `hydra.worker.page` writes it, and lets it grow; a dead worker's page still tells which steps it
//! was in.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;

use super::{Event, MAX_SLOTS_PER_WORKER, OVERDUE, SCAN_INTERVAL_NS, SILENT, STALLED};

pub const MAGIC: u64 = 0x6879_6472;
pub const BEAT_OFFSET: usize = 8;
const BUSY_OFFSET: usize = 16;
pub const WORK_OFFSET: usize = 32;
pub const HEADER_BYTES: usize = 128;
pub const SLOT_BYTES: usize = 256;
pub const DEADLINE_OFFSET: usize = 16;
/// A watcher that was itself held up (or asleep with the machine) learned nothing meanwhile about anyone.
const MAX_GAP_COUNTED_NS: u64 = 3 * SCAN_INTERVAL_NS;

pub type Watches = BTreeMap<i64, Watch>;

pub struct Watch {
    file: File,
    bytes: Vec<u8>,
    silence: Condition,
    stall: Condition,
    /// One payload takes too long, on whichever thread: the hub may be waiting for the interpreter meanwhile.
    work: Condition,
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
        let slots = slot_count(&file)?;
        let mut bytes = vec![0; HEADER_BYTES + slots * SLOT_BYTES];
        file.read_exact_at(&mut bytes, 0).ok()?;
        (word(&bytes, 0) == MAGIC).then(|| Self {
            silence: Condition::new(silent_after_ns, word(&bytes, BEAT_OFFSET)),
            stall: Condition::new(stalled_after_ns, word(&bytes, BUSY_OFFSET)),
            work: Condition::new(stalled_after_ns, word(&bytes, WORK_OFFSET)),
            overdue: vec![0; slots],
            scanned_ns: now_ns,
            file,
            bytes,
        })
    }

    /// Reads the page and queues what is new.
    pub fn scan(&mut self, worker: i64, now_ns: u64, events: &mut Vec<Event>) {
        if let Some(slots) = slot_count(&self.file).filter(|slots| *slots > self.overdue.len()) {
            self.bytes.resize(HEADER_BYTES + slots * SLOT_BYTES, 0);
            self.overdue.resize(slots, 0);
        }
        if self.file.read_exact_at(&mut self.bytes, 0).is_err() {
            // A page that cannot be read says nothing about the worker.
            return;
        }
        let elapsed_ns = now_ns.saturating_sub(self.scanned_ns).min(MAX_GAP_COUNTED_NS);
        self.scanned_ns = now_ns;
        let mut report = |kind, key, token, due_ns| {
            events.push(Event { kind, key, token, due_ns, fired_ns: now_ns });
        };
        if let Some(overrun_ns) = self.silence.overrun_ns(word(&self.bytes, BEAT_OFFSET), elapsed_ns) {
            report(SILENT, worker, 0, now_ns.saturating_sub(overrun_ns));
        }
        for (condition, offset) in [(&mut self.stall, BUSY_OFFSET), (&mut self.work, WORK_OFFSET)] {
            let since = word(&self.bytes, offset);
            if since == 0 {
                *condition = Condition::new(condition.after_ns, 0);
            } else if let Some(overrun_ns) = condition.overrun_ns(since, elapsed_ns) {
                report(STALLED, worker, 0, now_ns.saturating_sub(overrun_ns));
            }
        }
        for slot in 0..self.overdue.len() {
            let at = HEADER_BYTES + slot * SLOT_BYTES;
            let (token, deadline_ns) = (word(&self.bytes, at), word(&self.bytes, at + DEADLINE_OFFSET));
            if token == 0 || deadline_ns == 0 || deadline_ns > now_ns || self.overdue[slot] == deadline_ns {
                continue;
            }
            if self.still_holds(at, token, deadline_ns) {
                self.overdue[slot] = deadline_ns;
                report(OVERDUE, worker * MAX_SLOTS_PER_WORKER + slot as i64, token, deadline_ns);
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

/// None if it is no page, or too large for one.
fn slot_count(file: &File) -> Option<usize> {
    let size = usize::try_from(file.metadata().ok()?.len()).ok()?;
    let slots = size.checked_sub(HEADER_BYTES)? / SLOT_BYTES;
    (i64::try_from(slots).ok()? <= MAX_SLOTS_PER_WORKER).then_some(slots)
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(word)
}
