//! The one place where errors of the core become Python exceptions.

use hydra_core::payload;
use hydra_core::uuid7::NoRandomness;
use hydra_core::watchdog::WatchdogError;
use pyo3::exceptions::{PyException, PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;

mod classes {
    pyo3::import_exception!(hydra.errors, PayloadError);
    pyo3::import_exception!(hydra.errors, PayloadTooLarge);
    pyo3::import_exception!(hydra.errors, LocalClass);
}

pub use classes::{LocalClass, PayloadError, PayloadTooLarge};

pub fn payload_error(error: payload::PayloadError) -> PyErr {
    match error {
        payload::PayloadError::TooLarge { .. } | payload::PayloadError::Unbounded { .. } => {
            PayloadTooLarge::new_err(error.to_string())
        }
        other => PayloadError::new_err(other.to_string()),
    }
}

/// Whether it is for its caller as it is: no error of a value, or what a signal's handler raised meanwhile.
pub fn is_interruption(py: Python<'_>, error: &PyErr) -> bool {
    if !error.is_instance_of::<PyException>(py) {
        return true;
    }
    let is_of_handler = || {
        let check = py.import("hydra.interruptions")?.getattr("is_of_handler")?;
        check.call1((error.clone_ref(py).into_value(py),))?.is_truthy()
    };
    !error.is_instance_of::<PayloadError>(py) && is_of_handler().unwrap_or(false)
}

pub fn no_randomness(error: NoRandomness) -> PyErr {
    PyOSError::new_err(error.to_string())
}

pub fn watchdog_error(error: WatchdogError) -> PyErr {
    match error {
        WatchdogError::Forked(_) => PyRuntimeError::new_err(error.to_string()),
        WatchdogError::System(_) | WatchdogError::Descriptor(..) => PyOSError::new_err(error.to_string()),
        _ => PyValueError::new_err(error.to_string()),
    }
}
