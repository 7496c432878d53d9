//! Timers and the watch over worker processes, on a native thread that no Python code can hold up.
//!
//! ```text
//!  arm, disarm, watch ──► [ state ] ◄── thread: sleeps on a timerfd (CLOCK_BOOTTIME), fires timers,
//!  due ◄── eventfd ───────    ▲          reads every worker's page 25 times a second
//!                             └── a control eventfd wakes the thread when the earliest instant changes
//! ```
//!
//! Importing starts nothing; the thread belongs to the process that called `start`.

pub mod lifeline;
pub mod page;
pub mod process;
pub mod timers;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use thiserror::Error;

use page::Watches;
use timers::Timers;

/// A worker's beat word moved too long ago.
pub const SILENT: i64 = -1;
/// A worker's hub has been busy with one thing for too long.
pub const STALLED: i64 = -2;
/// A step ran past its deadline; the event's key is `worker * MAX_SLOTS_PER_WORKER + slot`.
pub const OVERDUE: i64 = -3;
pub const MAX_SLOTS_PER_WORKER: i64 = 1 << 16;
/// How often the workers' pages are read.
pub const SCAN_INTERVAL_NS: u64 = 40_000_000;

const NS_PER_SECOND: u64 = 1_000_000_000;

#[derive(Debug, Error)]
pub enum WatchdogError {
    #[error("this watchdog belongs to process {0}; make a new one after a fork")]
    Forked(u32),
    #[error("timers have kinds from 0 on; {0} is one of the watchdog's own")]
    ReservedKind(i64),
    #[error("descriptor {0} is not a worker's page")]
    NotAPage(RawFd),
    #[error("descriptor {0} cannot be kept: {1}")]
    Descriptor(RawFd, String),
    #[error("{0} is not a signal")]
    UnknownSignal(i32),
    #[error("the operating system refused: {0}")]
    System(#[from] std::io::Error),
}

impl From<Errno> for WatchdogError {
    fn from(error: Errno) -> Self {
        Self::System(error.into())
    }
}

/// Something that came due. Timers have token 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub kind: i64,
    pub key: i64,
    pub token: u64,
    pub due_ns: u64,
    pub fired_ns: u64,
}

/// How late timers fired, in total and at worst.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    pub fired_count: u64,
    pub max_ns: u64,
    pub total_ns: u64,
}

/// Nanoseconds since the machine started, time asleep included.
pub fn boottime_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * NS_PER_SECOND + now.tv_nsec as u64
}

pub struct Watchdog {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    pid: u32,
}

struct Shared {
    state: Mutex<State>,
    /// Readable while something is due.
    ready: OwnedFd,
    /// Wakes the thread.
    control: OwnedFd,
    timer: OwnedFd,
}

#[derive(Default)]
struct State {
    timers: Timers,
    watches: Watches,
    due: Vec<Event>,
    lateness: Lateness,
    next_scan_ns: u64,
    stopping: bool,
}

impl Watchdog {
    pub fn new() -> Result<Self, WatchdogError> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let shared = Shared {
            state: Mutex::default(),
            ready: eventfd(0, flags)?,
            control: eventfd(0, flags)?,
            timer: timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?,
        };
        Ok(Self { shared: Arc::new(shared), thread: Mutex::new(None), pid: std::process::id() })
    }

    /// Starts the thread, once.
    pub fn start(&self) -> Result<(), WatchdogError> {
        self.own_process()?;
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            self.shared.lock().stopping = false;
            let shared = Arc::clone(&self.shared);
            let builder = std::thread::Builder::new().name("hydra-watchdog".to_owned());
            *thread = Some(builder.spawn(move || shared.run())?);
        }
        Ok(())
    }

    /// Stops the thread and waits for it.
    pub fn close(&self) -> Result<(), WatchdogError> {
        self.own_process()?;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            self.shared.lock().stopping = true;
            self.shared.wake_thread();
            // A panic of the thread has been printed already; closing has nothing to add.
            let _ = thread.join();
        }
        Ok(())
    }

    /// The descriptor that is readable while `due` has something to give.
    pub fn fileno(&self) -> Result<RawFd, WatchdogError> {
        self.own_process()?;
        Ok(self.shared.ready.as_raw_fd())
    }

    /// Sets the timer `(kind, key)`, replacing an earlier one.
    pub fn arm(&self, kind: i64, key: i64, due_ns: u64) -> Result<(), WatchdogError> {
        self.own_process()?;
        if kind < 0 {
            return Err(WatchdogError::ReservedKind(kind));
        }
        if self.shared.lock().timers.arm(kind, key, due_ns) {
            self.shared.wake_thread();
        }
        Ok(())
    }

    pub fn disarm(&self, kind: i64, key: i64) -> Result<(), WatchdogError> {
        self.own_process()?;
        self.shared.lock().timers.disarm(kind, key);
        Ok(())
    }

    /// Takes everything that came due, in the order it fired.
    pub fn due(&self) -> Result<Vec<Event>, WatchdogError> {
        self.own_process()?;
        // Cleared before the queue is emptied: what comes in between sets it again.
        drain(&self.shared.ready);
        Ok(std::mem::take(&mut self.shared.lock().due))
    }

    /// Watches a worker's page from now on. The descriptor is duplicated; the caller may close its own.
    pub fn watch(
        &self,
        worker: i64,
        page_fd: RawFd,
        silent_after_ns: u64,
        stalled_after_ns: u64,
    ) -> Result<(), WatchdogError> {
        self.own_process()?;
        let file = duplicate(page_fd)?;
        let watch = page::Watch::new(file, silent_after_ns, stalled_after_ns, boottime_ns());
        let watch = watch.ok_or(WatchdogError::NotAPage(page_fd))?;
        self.shared.lock().watches.insert(worker, watch);
        self.shared.wake_thread();
        Ok(())
    }

    pub fn unwatch(&self, worker: i64) -> Result<(), WatchdogError> {
        self.own_process()?;
        let mut state = self.shared.lock();
        state.watches.remove(&worker);
        // What it had reported is about a process that the caller has done with.
        state.due.retain(|event| match event.kind {
            SILENT | STALLED => event.key != worker,
            OVERDUE => event.key / MAX_SLOTS_PER_WORKER != worker,
            _ => true,
        });
        Ok(())
    }

    pub fn lateness(&self) -> Result<Lateness, WatchdogError> {
        self.own_process()?;
        Ok(self.shared.lock().lateness)
    }

    /// A forked child has neither the thread nor the right to a lock that the thread may have held.
    fn own_process(&self) -> Result<(), WatchdogError> {
        if std::process::id() == self.pid { Ok(()) } else { Err(WatchdogError::Forked(self.pid)) }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // In a forked child there is nothing to stop.
        let _ = self.close();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        loop {
            let mut state = self.lock();
            if state.stopping {
                return;
            }
            let (next_ns, news) = state.advance(boottime_ns());
            drop(state);
            if news {
                notify(&self.ready);
            }
            if self.sleep_until(next_ns).is_err() {
                // Without a timer there is nothing to wait on; the pause keeps the loop from spinning.
                std::thread::sleep(std::time::Duration::from_nanos(SCAN_INTERVAL_NS));
            }
        }
    }

    fn sleep_until(&self, next_ns: Option<u64>) -> Result<(), Errno> {
        // An all-zero instant would disarm the timer, so the past is one nanosecond after the start.
        let instant = next_ns.map_or(0, |ns| ns.max(1));
        let it_value = Timespec { tv_sec: (instant / NS_PER_SECOND) as i64, tv_nsec: (instant % NS_PER_SECOND) as i64 };
        let once = Itimerspec { it_interval: Timespec::default(), it_value };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &once)?;
        let mut waited = [PollFd::new(&self.control, PollFlags::IN), PollFd::new(&self.timer, PollFlags::IN)];
        match poll(&mut waited, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
        drain(&self.control);
        Ok(())
    }

    fn wake_thread(&self) {
        notify(&self.control);
    }
}

impl State {
    /// Fires what is due; says when to come back and whether anything was queued.
    fn advance(&mut self, now_ns: u64) -> (Option<u64>, bool) {
        let queued = self.due.len();
        while let Some((kind, key, due_ns)) = self.timers.pop_due(now_ns) {
            let late_ns = now_ns - due_ns;
            self.lateness.fired_count += 1;
            self.lateness.total_ns += late_ns;
            self.lateness.max_ns = self.lateness.max_ns.max(late_ns);
            self.due.push(Event { kind, key, token: 0, due_ns, fired_ns: now_ns });
        }
        if self.watches.is_empty() {
            return (self.timers.next_due_ns(), self.due.len() > queued);
        }
        if now_ns >= self.next_scan_ns {
            for (worker, watch) in &mut self.watches {
                watch.scan(*worker, now_ns, &mut self.due);
            }
            self.next_scan_ns = now_ns + SCAN_INTERVAL_NS;
        }
        let next_ns = self.timers.next_due_ns().map_or(self.next_scan_ns, |due_ns| due_ns.min(self.next_scan_ns));
        (Some(next_ns), self.due.len() > queued)
    }
}

/// A descriptor of our own for the same open file, made without trusting that the number stays open.
fn duplicate(fd: RawFd) -> Result<File, WatchdogError> {
    let copy = filedescriptor::FileDescriptor::dup(&fd).and_then(|copy| copy.as_file());
    copy.map_err(|error| WatchdogError::Descriptor(fd, error.to_string()))
}

fn notify(eventfd: &OwnedFd) {
    // It fails only when the counter is full, and then the reader is awake already.
    let _ = rustix::io::write(eventfd.as_fd(), &1_u64.to_ne_bytes());
}

fn drain(eventfd: &OwnedFd) {
    let _ = rustix::io::read(eventfd.as_fd(), &mut [0; 8]);
}

#[cfg(test)]
mod tests;
