//! Why a value cannot be encoded: one sentence with the path to it.

use pyo3::prelude::*;

use crate::errors::{LocalClass, PayloadError, PayloadTooLarge, is_interruption};

/// A longer path to a value is shown without its middle.
const MAX_PATH_STEPS: usize = 20;

/// Why a value cannot be encoded, and the way to it, innermost step first.
pub struct Refusal {
    error: PyErr,
    path: Vec<String>,
    /// No refusal: a key came that makes pairs of a dict whose deep values are written already.
    pub is_late_key: bool,
}

impl Refusal {
    pub fn because(message: String) -> Box<Self> {
        Box::new(Self { error: PayloadError::new_err(message), path: Vec::new(), is_late_key: false })
    }

    /// A class that only an annotation can find again.
    pub fn local_class(message: String) -> Box<Self> {
        Box::new(Self { error: LocalClass::new_err(message), path: Vec::new(), is_late_key: false })
    }

    pub fn late_key() -> Box<Self> {
        let message = "the dict's keys changed while it was being encoded".to_owned();
        Box::new(Self { is_late_key: true, ..*Self::because(message) })
    }

    pub fn under(mut self: Box<Self>, step: impl FnOnce() -> String) -> Box<Self> {
        if !self.is_late_key {
            self.path.push(step());
        }
        self
    }

    pub fn into_error(self, py: Python<'_>) -> PyErr {
        let is_too_large = self.error.is_instance_of::<PayloadTooLarge>(py);
        if is_too_large || is_interruption(py, &self.error) {
            return self.error;
        }
        let mut steps: Vec<&str> = self.path.iter().rev().map(String::as_str).collect();
        if steps.len() > MAX_PATH_STEPS {
            steps.splice(MAX_PATH_STEPS / 2..steps.len() - MAX_PATH_STEPS / 2, ["…"]);
        }
        let path = steps.concat();
        let message = format!("at ${path}: {}", self.error.value(py));
        if self.error.is_instance_of::<LocalClass>(py) {
            return LocalClass::new_err(message);
        }
        let error = PayloadError::new_err(message);
        if !self.error.is_instance_of::<PayloadError>(py) {
            error.set_cause(py, Some(self.error));
        }
        error
    }
}

impl From<PyErr> for Box<Refusal> {
    fn from(error: PyErr) -> Self {
        Box::new(Refusal { error, path: Vec::new(), is_late_key: false })
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
