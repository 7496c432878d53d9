//! The clock of a node's shared page, `hydra.clock.LeasePage`: a worker reads it several times a step.

use std::sync::atomic::{AtomicI64, Ordering};

use hydra_core::watchdog;
use pyo3::prelude::*;

const DEADLINE_WORD: usize = 0;
const OFFSET_WORD: usize = 1;

#[pyclass(frozen, module = "hydra._core")]
pub struct LeaseClock {
    words: Py<PyAny>,
    tolerance_us: i64,
    last_us: AtomicI64,
}

#[pymethods]
impl LeaseClock {
    #[new]
    fn new(words: Py<PyAny>, tolerance_us: i64) -> Self {
        Self { words, tolerance_us, last_us: AtomicI64::new(0) }
    }

    fn may_start(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(boottime_ns() < self.word(py, DEADLINE_WORD)?)
    }

    /// As `hydra.clock.onward` has it: readings differ a little, and time does not go back for that.
    fn now(&self, py: Python<'_>) -> PyResult<i64> {
        let now_us = (boottime_ns() / 1_000).saturating_add(self.word(py, OFFSET_WORD)?);
        let last_us = self.last_us.load(Ordering::Relaxed);
        let is_near = now_us < last_us && last_us <= now_us.saturating_add(self.tolerance_us);
        let told_us = if is_near { last_us } else { now_us };
        self.last_us.store(told_us, Ordering::Relaxed);
        Ok(told_us)
    }
}

impl LeaseClock {
    fn word(&self, py: Python<'_>, index: usize) -> PyResult<i64> {
        self.words.bind(py).get_item(index)?.extract()
    }
}

fn boottime_ns() -> i64 {
    i64::try_from(watchdog::boottime_ns()).unwrap_or(i64::MAX)
}
