//! The one place where errors of the core become Python exceptions.

use hydra_core::payload;
use hydra_core::uuid7::NoRandomness;
use hydra_core::watchdog::WatchdogError;
use pyo3::PyErr;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};

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
