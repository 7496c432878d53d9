//! Selection for Python: lists in, lists out.

use hydra_core::selection::{self, Candidate};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

#[pyfunction]
pub fn select(priorities: Vec<i64>, run_ats: Vec<i64>, groups: Vec<u32>, slots: usize) -> PyResult<Vec<usize>> {
    if priorities.len() != run_ats.len() || priorities.len() != groups.len() {
        return Err(PyValueError::new_err("`priorities`, `run_ats` and `groups` differ in length"));
    }
    let candidates: Vec<Candidate> = priorities
        .into_iter()
        .zip(run_ats)
        .zip(groups)
        .map(|((priority, run_at), group)| Candidate { group, priority, run_at })
        .collect();
    Ok(selection::select(&candidates, slots))
}

#[pyfunction]
pub fn assign(loads: Vec<i64>, limits: Vec<i64>, caps: Vec<i64>) -> PyResult<Vec<i64>> {
    if loads.len() != limits.len() {
        return Err(PyValueError::new_err("`loads` and `limits` differ in length"));
    }
    let workers = selection::assign(&loads, &limits, &caps);
    Ok(workers.into_iter().map(|worker| worker.map_or(-1, |index| index as i64)).collect())
}
