//! uuid7 for Python.

use hydra_core::uuid7 as generator;
use pyo3::prelude::*;

use crate::errors::no_randomness;

// Neither detaches the GIL: so no other thread can hold the generator's lock while this process forks.

#[pyfunction]
pub fn uuid7() -> PyResult<String> {
    let ids = generator::generate(1).map_err(no_randomness)?;
    Ok(ids.first().map(|id| generator::format(*id)).unwrap_or_default())
}

#[pyfunction]
pub fn uuid7_many(count: usize) -> PyResult<Vec<String>> {
    let ids = generator::generate(count).map_err(no_randomness)?;
    Ok(ids.into_iter().map(generator::format).collect())
}
