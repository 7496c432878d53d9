//! Payloads of Python values: walk them with the GIL, finish them without it when they are large.

use hydra_core::payload::{self, canonical, envelope, writer::Writer};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::payload_error;
use crate::types::types;
use crate::walk::Encoder;

const DEFAULT_MAX_BYTES: usize = 16 << 20;
/// Below this, letting other threads in costs more than it gives them.
const DETACH_FROM_BYTES: usize = 64 << 10;

#[pyfunction]
#[pyo3(signature = (value, max_bytes = DEFAULT_MAX_BYTES))]
pub fn encode<'py>(value: &Bound<'py, PyAny>, max_bytes: usize) -> PyResult<Bound<'py, PyBytes>> {
    let py = value.py();
    let body = body_of(value)?.buffer;
    let sealed = apart(py, body.len(), || envelope::seal(body, max_bytes)).map_err(payload_error)?;
    Ok(PyBytes::new(py, &sealed))
}

#[pyfunction]
#[pyo3(signature = (value, max_bytes = DEFAULT_MAX_BYTES))]
pub fn encode_with_digest<'py>(value: &Bound<'py, PyAny>, max_bytes: usize) -> PyResult<Encoded<'py>> {
    let py = value.py();
    let body = body_of(value)?;
    let (sealed, digest) = apart(py, body.buffer.len(), || finish(body, max_bytes)).map_err(payload_error)?;
    Ok((PyBytes::new(py, &sealed), PyBytes::new(py, &digest)))
}

#[pyfunction]
#[pyo3(signature = (values, max_bytes = DEFAULT_MAX_BYTES))]
pub fn encode_many<'py>(values: &Bound<'py, PyAny>, max_bytes: usize) -> PyResult<Vec<Encoded<'py>>> {
    let py = values.py();
    let bodies: Vec<Writer> = values.try_iter()?.map(|value| body_of(&value?)).collect::<PyResult<_>>()?;
    let finished: Result<Vec<_>, _> = py.detach(|| bodies.into_iter().map(|body| finish(body, max_bytes)).collect());
    let finished = finished.map_err(payload_error)?;
    Ok(finished.iter().map(|(sealed, digest)| (PyBytes::new(py, sealed), PyBytes::new(py, digest))).collect())
}

type Encoded<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);
type Finished = Result<(Vec<u8>, [u8; canonical::DIGEST_BYTES]), payload::PayloadError>;

fn finish(body: Writer, max_bytes: usize) -> Finished {
    let digest = canonical::digest(&body.buffer[envelope::HEADER_BYTES..], body.needs_canonical);
    Ok((envelope::seal(body.buffer, max_bytes)?, digest))
}

fn apart<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> T + Send) -> T {
    if size < DETACH_FROM_BYTES { work() } else { py.detach(work) }
}

fn body_of(value: &Bound<'_, PyAny>) -> PyResult<Writer> {
    let mut writer = Writer::with_capacity(512);
    writer.raw(&[0; envelope::HEADER_BYTES]);
    Encoder::new(types(value.py())?, writer).write(value).map_err(|refusal| refusal.into_error(value.py()))
}
