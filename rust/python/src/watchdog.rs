//! The heartbeat and the lifeline for Python.

use std::os::fd::RawFd;

use hydra_core::watchdog::{self, lifeline, process};
use pyo3::prelude::*;

use crate::errors::watchdog_error;

type EventTuple = (i64, i64, u64, u64, u64);

#[pyclass(frozen, module = "hydra._core")]
pub struct Watchdog {
    inner: watchdog::Watchdog,
}

#[pymethods]
impl Watchdog {
    #[classattr]
    const SILENT: i64 = watchdog::SILENT;
    #[classattr]
    const STALLED: i64 = watchdog::STALLED;
    #[classattr]
    const OVERDUE: i64 = watchdog::OVERDUE;
    #[classattr]
    const MAX_SLOTS_PER_WORKER: i64 = watchdog::MAX_SLOTS_PER_WORKER;

    #[new]
    fn new() -> PyResult<Self> {
        Ok(Self { inner: watchdog::Watchdog::new().map_err(watchdog_error)? })
    }

    fn start(&self) -> PyResult<()> {
        self.inner.start().map_err(watchdog_error)
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.close()).map_err(watchdog_error)
    }

    fn fileno(&self) -> PyResult<RawFd> {
        self.inner.fileno().map_err(watchdog_error)
    }

    fn arm(&self, kind: i64, key: i64, due_ns: u64) -> PyResult<()> {
        self.inner.arm(kind, key, due_ns).map_err(watchdog_error)
    }

    fn disarm(&self, kind: i64, key: i64) -> PyResult<()> {
        self.inner.disarm(kind, key).map_err(watchdog_error)
    }

    fn due(&self) -> PyResult<Vec<EventTuple>> {
        let events = self.inner.due().map_err(watchdog_error)?;
        Ok(events.iter().map(|event| (event.kind, event.key, event.token, event.due_ns, event.fired_ns)).collect())
    }

    fn watch(&self, worker: i64, page_fd: RawFd, silent_after_ns: u64, stalled_after_ns: u64) -> PyResult<()> {
        self.inner.watch(worker, page_fd, silent_after_ns, stalled_after_ns).map_err(watchdog_error)
    }

    fn unwatch(&self, worker: i64) -> PyResult<()> {
        self.inner.unwatch(worker).map_err(watchdog_error)
    }

    fn lateness(&self) -> PyResult<(u64, u64, u64)> {
        let lateness = self.inner.lateness().map_err(watchdog_error)?;
        Ok((lateness.fired_count, lateness.max_ns, lateness.total_ns))
    }
}

#[pyclass(frozen, module = "hydra._core")]
pub struct Lifeline;

#[pymethods]
impl Lifeline {
    #[new]
    fn new(lifeline_fd: RawFd, page_fd: RawFd) -> PyResult<Self> {
        lifeline::start(lifeline_fd, page_fd).map_err(watchdog_error)?;
        Ok(Self)
    }
}

#[pyfunction]
pub fn boottime_ns() -> u64 {
    watchdog::boottime_ns()
}

#[pyfunction]
pub fn set_child_subreaper() -> PyResult<()> {
    process::set_child_subreaper().map_err(watchdog_error)
}

#[pyfunction]
pub fn set_parent_death_signal(signal: i32) -> PyResult<()> {
    process::set_parent_death_signal(signal).map_err(watchdog_error)
}
