//! The doorbell for Python.

use std::os::fd::{IntoRawFd, RawFd};
use std::path::PathBuf;

use hydra_core::bell;
use pyo3::prelude::*;

#[pyfunction]
pub fn listen(path: PathBuf) -> PyResult<RawFd> {
    Ok(bell::listen(&path)?.into_raw_fd())
}
