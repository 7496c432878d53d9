use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use rustix::fs::{MemfdFlags, memfd_create};

use super::page::{MAGIC, Watch};
use super::*;

const MS: u64 = 1_000_000;

fn page(slots: u64) -> File {
    let file = File::from(memfd_create("page", MemfdFlags::CLOEXEC).unwrap());
    file.set_len(128 + 256 * slots).unwrap();
    file.write_all_at(&MAGIC.to_le_bytes(), 0).unwrap();
    file
}

fn put(file: &File, at: u64, word: u64) {
    file.write_all_at(&word.to_le_bytes(), at).unwrap();
}

/// Scans as often as the thread would, and returns what was reported.
fn scans(watch: &mut Watch, now_ns: &mut u64, span_ns: u64, mut between: impl FnMut()) -> Vec<(i64, i64, u64)> {
    let mut events = Vec::new();
    let end_ns = *now_ns + span_ns;
    while *now_ns < end_ns {
        *now_ns += SCAN_INTERVAL_NS;
        between();
        watch.scan(3, *now_ns, &mut events);
    }
    events.iter().map(|event| (event.kind, event.key, event.token)).collect()
}

fn wait(heartbeat: &Watchdog) {
    let timeout = Timespec { tv_sec: 10, tv_nsec: 0 };
    let mut waited = [PollFd::new(&heartbeat.shared.ready, PollFlags::IN)];
    assert_eq!(poll(&mut waited, Some(&timeout)), Ok(1));
}

#[test]
fn timers_fire_in_order_and_their_lateness_is_counted() {
    let heartbeat = Watchdog::new().unwrap();
    let now = boottime_ns();
    heartbeat.arm(1, 1, now + 300 * MS).unwrap();
    heartbeat.arm(1, 2, now + 200 * MS).unwrap();
    heartbeat.arm(1, 3, now + 250 * MS).unwrap();
    heartbeat.disarm(1, 3).unwrap();
    heartbeat.start().unwrap();
    heartbeat.arm(1, 4, now + 150 * MS).unwrap();
    let mut keys = Vec::new();
    while keys.len() < 3 {
        wait(&heartbeat);
        for event in heartbeat.due().unwrap() {
            assert!(event.fired_ns >= event.due_ns);
            keys.push(event.key);
        }
    }
    assert_eq!(keys, [4, 2, 1]);
    assert_eq!(heartbeat.lateness().unwrap().fired_count, 3);
    heartbeat.close().unwrap();
}

#[test]
fn an_own_kind_cannot_be_armed() {
    let heartbeat = Watchdog::new().unwrap();
    assert!(matches!(heartbeat.arm(SILENT, 1, 1), Err(WatchdogError::ReservedKind(SILENT))));
}

#[test]
fn a_descriptor_that_is_no_page_is_refused() {
    let heartbeat = Watchdog::new().unwrap();
    let file = File::from(memfd_create("other", MemfdFlags::CLOEXEC).unwrap());
    assert!(matches!(heartbeat.watch(1, file.as_raw_fd(), 1, 1), Err(WatchdogError::NotAPage(_))));
    assert!(matches!(heartbeat.watch(1, 9999, 1, 1), Err(WatchdogError::Descriptor(9999, _))));
}

#[test]
fn a_silent_worker_is_reported_once_until_it_beats_again() {
    let file = page(0);
    let mut now = 1_000 * MS;
    let mut watch = Watch::new(file.try_clone().unwrap(), 200 * MS, u64::MAX, now).unwrap();
    let mut beat = 0;
    let beating = || {
        beat += 1;
        put(&file, 8, beat);
    };
    assert_eq!(scans(&mut watch, &mut now, 2_000 * MS, beating), []);
    assert_eq!(scans(&mut watch, &mut now, 100 * MS, || ()), []);
    assert_eq!(scans(&mut watch, &mut now, 2_000 * MS, || ()), [(SILENT, 3, 0)]);
    put(&file, 8, 77);
    assert_eq!(scans(&mut watch, &mut now, 2_000 * MS, || ()), [(SILENT, 3, 0)]);
}

#[test]
fn a_watcher_that_slept_does_not_blame_the_worker() {
    let file = page(0);
    let mut now = 1_000 * MS;
    let mut watch = Watch::new(file, 500 * MS, 500 * MS, now).unwrap();
    now += 3_600_000 * MS;
    assert_eq!(scans(&mut watch, &mut now, SCAN_INTERVAL_NS, || ()), []);
}

#[test]
fn a_stalled_hub_is_reported_once_until_its_word_changes() {
    let file = page(0);
    let mut now = 1_000 * MS;
    let mut watch = Watch::new(file.try_clone().unwrap(), u64::MAX, 200 * MS, now).unwrap();
    assert_eq!(scans(&mut watch, &mut now, 1_000 * MS, || ()), []);
    put(&file, 16, 5);
    assert_eq!(scans(&mut watch, &mut now, 160 * MS, || ()), []);
    assert_eq!(scans(&mut watch, &mut now, 1_000 * MS, || ()), [(STALLED, 3, 0)]);
    put(&file, 16, 0);
    assert_eq!(scans(&mut watch, &mut now, 1_000 * MS, || ()), []);
    put(&file, 16, 6);
    assert_eq!(scans(&mut watch, &mut now, 1_000 * MS, || ()), [(STALLED, 3, 0)]);
}

#[test]
fn each_try_of_a_step_past_its_deadline_is_reported_once() {
    let file = page(4);
    let mut now = 1_000 * MS;
    let mut watch = Watch::new(file.try_clone().unwrap(), u64::MAX, u64::MAX, now).unwrap();
    let slot = 128 + 256 * 2;
    put(&file, slot + 16, now + 100 * MS);
    put(&file, slot, 41);
    assert_eq!(scans(&mut watch, &mut now, 80 * MS, || ()), []);
    assert_eq!(scans(&mut watch, &mut now, 800 * MS, || ()), [(OVERDUE, 3 * MAX_SLOTS_PER_WORKER + 2, 41)]);
    put(&file, slot + 16, now + 100 * MS);
    assert_eq!(scans(&mut watch, &mut now, 800 * MS, || ()), [(OVERDUE, 3 * MAX_SLOTS_PER_WORKER + 2, 41)]);
    put(&file, slot, 0);
    assert_eq!(scans(&mut watch, &mut now, 800 * MS, || ()), []);
}

#[test]
fn the_thread_scans_and_unwatching_forgets() {
    let heartbeat = Watchdog::new().unwrap();
    let file = page(0);
    heartbeat.start().unwrap();
    heartbeat.watch(7, file.as_raw_fd(), MS, u64::MAX).unwrap();
    wait(&heartbeat);
    let kinds: Vec<_> = heartbeat.due().unwrap().iter().map(|event| (event.kind, event.key)).collect();
    assert_eq!(kinds, [(SILENT, 7)]);
    put(&file, 8, 1);
    wait(&heartbeat);
    heartbeat.unwatch(7).unwrap();
    assert_eq!(heartbeat.due().unwrap(), []);
}

#[test]
fn a_lifeline_beats_while_the_other_end_lives() {
    let file = page(0);
    // The writing end stays open for good: were it closed, the lifeline would end this process.
    let (reader, writer) = std::io::pipe().unwrap();
    lifeline::start(reader.as_raw_fd(), file.as_raw_fd()).unwrap();
    std::mem::forget(writer);
    let mut word = [0; 8];
    while u64::from_le_bytes(word) < 2 {
        file.read_exact_at(&mut word, 8).unwrap();
        std::thread::yield_now();
    }
}
