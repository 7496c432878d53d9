//! Why a value cannot be encoded: one sentence with the path to it.

use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use crate::errors::{PayloadError, PayloadTooLarge};

/// A longer path to a value is shown without its middle.
const PATH_STEPS_MAX: usize = 20;

/// Why a value cannot be encoded, and the way to it, innermost step first.
pub struct Refusal {
    error: PyErr,
    path: Vec<String>,
}

impl Refusal {
    pub fn because(message: String) -> Box<Self> {
        Box::new(Self { error: PayloadError::new_err(message), path: Vec::new() })
    }

    pub fn under(mut self: Box<Self>, step: impl FnOnce() -> String) -> Box<Self> {
        self.path.push(step());
        self
    }

    pub fn into_error(self, py: Python<'_>) -> PyErr {
        let is_too_large = self.error.is_instance_of::<PayloadTooLarge>(py);
        if is_too_large || !self.error.is_instance_of::<PyException>(py) {
            return self.error;
        }
        let mut steps: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        if steps.len() > PATH_STEPS_MAX {
            steps.splice(PATH_STEPS_MAX / 2..steps.len() - PATH_STEPS_MAX / 2, ["…"]);
        }
        let path = steps.concat();
        let error = PayloadError::new_err(format!("at ${path}: {}", self.error.value(py)));
        if !self.error.is_instance_of::<PayloadError>(py) {
            error.set_cause(py, Some(self.error));
        }
        error
    }
}

impl From<PyErr> for Box<Refusal> {
    fn from(error: PyErr) -> Self {
        Box::new(Refusal { error, path: Vec::new() })
    }
}

pub fn path_step(key: &Bound<'_, PyAny>) -> String {
    match key.extract::<String>() {
        Ok(name) if name.chars().all(|c| c.is_alphanumeric() || c == '_') => format!(".{name}"),
        _ => key.repr().map_or_else(|_| "[?]".to_owned(), |repr| format!("[{}]", repr.to_string_lossy())),
    }
}

pub fn type_name(value: &Bound<'_, PyAny>) -> String {
    let class = value.get_type();
    class.fully_qualified_name().map_or_else(|_| "?".to_owned(), |name| name.to_string_lossy().into_owned())
}

pub fn unsupported(value: &Bound<'_, PyAny>) -> Box<Refusal> {
    Refusal::because(format!(
        "object of type `{}` cannot be encoded; hydra takes None, bool, int, float, Decimal, str, bytes, datetime, date, \
         time, timedelta, UUID, list, tuple, set, frozenset, dict, Enum, dataclasses, msgspec Structs and pydantic models",
        type_name(value)
    ))
}
