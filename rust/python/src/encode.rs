//! Payloads of Python values: walk them with the GIL, finish them without it when they are large.

use hydra_core::payload::{self, MAX_BODY_BYTES, canonical, envelope, writer::Writer};
use hydra_core::work;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::errors::payload_error;
use crate::types::types;
use crate::walk::{Encoder, Limits};

const MAX_DEFAULT_BYTES: usize = 16 << 20;
/// Below this, letting other threads in costs more than it gives them.
const DETACH_FROM_BYTES: usize = 64 << 10;

#[pyfunction]
#[pyo3(signature = (value, max_bytes = MAX_DEFAULT_BYTES, takes_local_classes = false))]
pub fn encode<'py>(
    value: &Bound<'py, PyAny>,
    max_bytes: usize,
    takes_local_classes: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let _work = work::begin();
    let py = value.py();
    let (body, is_to_prove) = body_of(value, Limits { body_bytes: max_bytes, takes_local_classes })?;
    let body = body.buffer;
    let sealed = apart(py, body.len(), || envelope::seal(body, max_bytes)).map_err(payload_error)?;
    proven(PyBytes::new(py, &sealed), is_to_prove)
}

#[pyfunction]
#[pyo3(signature = (value, max_bytes = MAX_DEFAULT_BYTES, takes_local_classes = false))]
pub fn encode_with_digest<'py>(
    value: &Bound<'py, PyAny>,
    max_bytes: usize,
    takes_local_classes: bool,
) -> PyResult<Encoded<'py>> {
    let _work = work::begin();
    let py = value.py();
    let (body, is_to_prove) = body_of(value, Limits { body_bytes: max_bytes, takes_local_classes })?;
    let (sealed, digest) = apart(py, body.buffer.len(), || finish(body, max_bytes)).map_err(payload_error)?;
    Ok((proven(PyBytes::new(py, &sealed), is_to_prove)?, PyBytes::new(py, &digest)))
}

/// The digest of a call's arguments, as `encode_with_digest` has it of `{"args": list(args), "kwargs": kwargs}`, and
/// whether none of them can be changed in place. Makes no payload but where only that can show that they come back.
#[pyfunction]
#[pyo3(signature = (args, kwargs, max_bytes = MAX_DEFAULT_BYTES))]
pub fn digest_of_call<'py>(
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
    max_bytes: usize,
) -> PyResult<(Bound<'py, PyBytes>, bool)> {
    let _work = work::begin();
    let py = args.py();
    let encoder = encoder(py, Limits { body_bytes: max_bytes, takes_local_classes: true })?;
    let (body, written) = encoder.write_call(args, kwargs).map_err(|refusal| refusal.into_error(py))?;
    let digest = if written.is_to_prove {
        let (sealed, digest) = apart(py, body.buffer.len(), || finish(body, max_bytes)).map_err(payload_error)?;
        proven(PyBytes::new(py, &sealed), true)?;
        digest
    } else {
        envelope::check_size(&body.buffer[envelope::HEADER_BYTES..], max_bytes).map_err(payload_error)?;
        apart(py, body.buffer.len(), || digest_of(&body))
    };
    Ok((PyBytes::new(py, &digest), written.is_fixed))
}

#[pyfunction]
#[pyo3(signature = (values, max_bytes = MAX_DEFAULT_BYTES, takes_local_classes = false))]
pub fn encode_many<'py>(
    values: &Bound<'py, PyAny>,
    max_bytes: usize,
    takes_local_classes: bool,
) -> PyResult<Vec<Encoded<'py>>> {
    let py = values.py();
    let limits = Limits { body_bytes: max_bytes, takes_local_classes };
    let mut are_to_prove = Vec::new();
    let mut bodies = Vec::new();
    for value in values.try_iter()? {
        let _work = work::begin();
        let (body, is_to_prove) = body_of(&value?, limits)?;
        bodies.push(body);
        are_to_prove.push(is_to_prove);
    }
    let finished: Result<Vec<_>, _> = py.detach(|| bodies.into_iter().map(|body| finish(body, max_bytes)).collect());
    let finished = finished.map_err(payload_error)?.into_iter().zip(are_to_prove);
    finished
        .map(|((sealed, digest), is_to_prove)| {
            Ok((proven(PyBytes::new(py, &sealed), is_to_prove)?, PyBytes::new(py, &digest)))
        })
        .collect()
}

type Encoded<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>);
type Finished = Result<(Vec<u8>, [u8; canonical::DIGEST_BYTES]), payload::PayloadError>;

/// The payload, once it was seen to decode, where only that can show it.
fn proven(payload: Bound<'_, PyBytes>, is_to_prove: bool) -> PyResult<Bound<'_, PyBytes>> {
    if is_to_prove {
        types(payload.py())?.prove.bind(payload.py()).call1((&payload,))?;
    }
    Ok(payload)
}

fn finish(body: Writer, max_bytes: usize) -> Finished {
    let digest = digest_of(&body);
    Ok((envelope::seal(body.buffer, max_bytes)?, digest))
}

fn digest_of(body: &Writer) -> [u8; canonical::DIGEST_BYTES] {
    canonical::digest(&body.buffer[envelope::HEADER_BYTES..], body.needs_canonical)
}

fn apart<T: Send>(py: Python<'_>, size: usize, work: impl FnOnce() -> T + Send) -> T {
    if size < DETACH_FROM_BYTES { work() } else { py.detach(work) }
}

fn body_of(value: &Bound<'_, PyAny>, limits: Limits) -> PyResult<(Writer, bool)> {
    let py = value.py();
    let (body, written) = encoder(py, limits)?.write(value).map_err(|refusal| refusal.into_error(py))?;
    Ok((body, written.is_to_prove))
}

fn encoder(py: Python<'_>, mut limits: Limits) -> PyResult<Encoder<'_>> {
    let mut writer = Writer::with_capacity(512);
    writer.raw(&[0; envelope::HEADER_BYTES]);
    limits.body_bytes = limits.body_bytes.min(MAX_BODY_BYTES).saturating_add(envelope::HEADER_BYTES);
    Ok(Encoder::new(types(py)?, writer, limits))
}
