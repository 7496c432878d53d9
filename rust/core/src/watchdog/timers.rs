//! A heap of timers that can be replaced and taken back. Pure: time is passed in.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

/// Replaced timers stay in the heap until they surface; past this many (and half the heap) it is built again.
const MAX_STALE_COUNT: usize = 1024;

#[derive(Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    armed: HashMap<(i64, i64), (u64, u64)>,
    sequence: u64,
}

/// Ordered by time, then by when it was armed.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    due_ns: u64,
    sequence: u64,
    name: (i64, i64),
}

impl Timers {
    /// True if the earliest instant came closer, so that a sleeper must look again.
    pub fn arm(&mut self, kind: i64, key: i64, due_ns: u64) -> bool {
        let is_earliest = self.heap.peek().is_none_or(|Reverse(entry)| due_ns < entry.due_ns);
        self.sequence += 1;
        self.armed.insert((kind, key), (due_ns, self.sequence));
        self.heap.push(Reverse(Entry { due_ns, sequence: self.sequence, name: (kind, key) }));
        self.drop_stale();
        is_earliest
    }

    pub fn disarm(&mut self, kind: i64, key: i64) {
        self.armed.remove(&(kind, key));
        self.drop_stale();
    }

    /// The next timer that is due by `now_ns`, in order of time.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<(i64, i64, u64)> {
        while self.heap.peek().is_some_and(|Reverse(entry)| entry.due_ns <= now_ns) {
            let Reverse(entry) = self.heap.pop()?;
            if self.is_current(&entry) {
                self.armed.remove(&entry.name);
                return Some((entry.name.0, entry.name.1, entry.due_ns));
            }
        }
        None
    }

    pub fn next_due_ns(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse(entry)| entry.due_ns)
    }

    fn is_current(&self, entry: &Entry) -> bool {
        self.armed.get(&entry.name) == Some(&(entry.due_ns, entry.sequence))
    }

    fn drop_stale(&mut self) {
        let stale = self.heap.len() - self.armed.len();
        if stale > MAX_STALE_COUNT && stale > self.heap.len() / 2 {
            let heap = std::mem::take(&mut self.heap);
            self.heap = heap.into_iter().filter(|Reverse(entry)| self.is_current(entry)).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_fire_in_order_of_time_then_of_arming() {
        let mut timers = Timers::default();
        assert!(timers.arm(0, 1, 20));
        assert!(timers.arm(0, 2, 10));
        assert!(!timers.arm(1, 2, 10));
        assert_eq!(timers.pop_due(9), None);
        assert_eq!(timers.pop_due(20), Some((0, 2, 10)));
        assert_eq!(timers.pop_due(20), Some((1, 2, 10)));
        assert_eq!(timers.pop_due(20), Some((0, 1, 20)));
        assert_eq!(timers.pop_due(20), None);
    }

    #[test]
    fn a_timer_armed_again_fires_once_at_its_last_instant() {
        let mut timers = Timers::default();
        timers.arm(0, 1, 10);
        timers.arm(0, 1, 30);
        timers.arm(0, 1, 20);
        assert_eq!(timers.pop_due(15), None);
        assert_eq!(timers.pop_due(40), Some((0, 1, 20)));
        assert_eq!(timers.pop_due(40), None);
    }

    #[test]
    fn a_disarmed_timer_does_not_fire() {
        let mut timers = Timers::default();
        timers.arm(0, 1, 10);
        timers.disarm(0, 1);
        assert_eq!(timers.pop_due(40), None);
    }

    #[test]
    fn arming_one_timer_forever_does_not_fill_memory() {
        let mut timers = Timers::default();
        for due_ns in 0..100_000 {
            timers.arm(0, 1, due_ns);
        }
        assert!(timers.heap.len() <= 2 * MAX_STALE_COUNT);
        assert_eq!(timers.pop_due(u64::MAX), Some((0, 1, 99_999)));
    }
}
