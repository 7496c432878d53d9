//! Inside a worker: a native thread that beats into the worker's page and ends the worker with its supervisor.
//!
//! It needs nothing of Python, so it works while user code holds the interpreter.

use std::fs::File;
use std::io::Read;
use std::os::fd::RawFd;
use std::os::unix::fs::FileExt;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, kill_current_process_group};
use rustix::time::Timespec;

use super::page::{BEAT_OFFSET, MAGIC, WORK_OFFSET};
use super::{WatchdogError, duplicate};
use crate::work;

const BEAT_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

/// Starts the thread. It runs until the process ends: a lifeline must not hang on anyone's reference to it.
///
/// `lifeline_fd` is the read end of a pipe (or a socket) whose other end only the supervisor holds.
pub fn start(lifeline_fd: RawFd, page_fd: RawFd) -> Result<(), WatchdogError> {
    let lifeline = duplicate(lifeline_fd)?;
    let page = duplicate(page_fd)?;
    let mut magic = [0; 8];
    if page.read_exact_at(&mut magic, 0).is_err() || u64::from_le_bytes(magic) != MAGIC {
        return Err(WatchdogError::NotAPage(page_fd));
    }
    let builder = std::thread::Builder::new().name("hydra-lifeline".to_owned());
    builder.spawn(move || run(lifeline, &page))?;
    Ok(())
}

fn run(mut lifeline: File, page: &File) {
    let mut beat = 0_u64;
    loop {
        beat += 1;
        // A beat that cannot be written is one that the supervisor misses: that is what it is for.
        let _ = page.write_all_at(&beat.to_le_bytes(), BEAT_OFFSET as u64);
        // Encoding and decoding hold the interpreter: nobody else can say in whose hands it has been for long.
        let _ = page.write_all_at(&work::under_way().to_le_bytes(), WORK_OFFSET as u64);
        if has_ended(&mut lifeline) {
            // The group holds what user code started, too. Should the kernel refuse, the next turn tries again.
            let _ = kill_current_process_group(Signal::KILL);
        }
    }
}

/// Waits one beat; true once the other end is closed.
fn has_ended(lifeline: &mut File) -> bool {
    let mut waited = [PollFd::new(lifeline, PollFlags::IN)];
    if !matches!(poll(&mut waited, Some(&BEAT_INTERVAL)), Ok(1..)) {
        return false;
    }
    let seen = waited[0].revents();
    if seen.contains(PollFlags::IN) {
        // Whatever is said on the line has no meaning; only its end has.
        return matches!(lifeline.read(&mut [0; 64]), Ok(0));
    }
    seen.intersects(PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL)
}
