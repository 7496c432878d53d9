//! How objects of a user's class are written: worked out once per class.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hydra_core::payload::{tag, writer::Writer};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use crate::types::Types;

/// Programs that make classes without end must not fill memory: past this many the plans are made anew.
const PLAN_COUNT_MAX: usize = 4096;

pub struct ClassPlan {
    pub shape: Shape,
    /// `{"$tag":["module:Name",`, to be closed by `]}`.
    pub opening: Vec<u8>,
    /// Keeps the class alive, so that its address stays its own.
    _class: Py<PyType>,
}

pub enum Shape {
    Enumeration,
    NamedTuple,
    /// Dataclass or msgspec Struct: each field's name and its `"name":`.
    Fields(Vec<(Py<PyString>, Vec<u8>)>),
    /// A pydantic model, which may also carry fields of its own making.
    Model(Vec<(Py<PyString>, Vec<u8>)>),
    Unknown,
}

static PLANS: PyOnceLock<Mutex<HashMap<usize, Arc<ClassPlan>>>> = PyOnceLock::new();

pub fn plan_of(class: &Bound<'_, PyType>, types: &Types) -> PyResult<Arc<ClassPlan>> {
    let plans = PLANS.get_or_init(class.py(), || Mutex::new(HashMap::new()));
    let address = class.as_ptr() as usize;
    if let Some(plan) = plans.lock().unwrap_or_else(PoisonError::into_inner).get(&address) {
        return Ok(Arc::clone(plan));
    }
    // Making a plan runs Python code, which may come back here: so not under the lock.
    let plan = Arc::new(make(class, types)?);
    let mut plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
    let dropped = if plans.len() >= PLAN_COUNT_MAX { std::mem::take(&mut *plans) } else { HashMap::new() };
    plans.insert(address, Arc::clone(&plan));
    std::mem::drop(plans);
    std::mem::drop(dropped);
    Ok(plan)
}

fn make(class: &Bound<'_, PyType>, types: &Types) -> PyResult<ClassPlan> {
    let py = class.py();
    let (tag, shape) = if class.is_subclass(types.enumeration.bind(py))? {
        (tag::ENUM, Shape::Enumeration)
    } else if class.is_subclass_of::<PyTuple>()? && class.hasattr(intern!(py, "_fields"))? {
        (tag::NAMEDTUPLE, Shape::NamedTuple)
    } else if class.hasattr(intern!(py, "__struct_fields__"))? {
        (tag::OBJECT, Shape::Fields(rendered(&class.getattr(intern!(py, "__struct_fields__"))?)?))
    } else if class.hasattr(intern!(py, "__pydantic_validator__"))? && class.hasattr(intern!(py, "model_fields"))? {
        (tag::OBJECT, Shape::Model(rendered(&class.getattr(intern!(py, "model_fields"))?)?))
    } else if class.hasattr(intern!(py, "__dataclass_fields__"))? {
        let names = types.dataclass_fields.bind(py).call1((class,))?.try_iter()?;
        let names: Vec<_> = names.map(|field| field?.getattr(intern!(py, "name"))).collect::<PyResult<_>>()?;
        (tag::OBJECT, Shape::Fields(rendered(PyTuple::new(py, names)?.as_any())?))
    } else {
        ("", Shape::Unknown)
    };
    let mut writer = Writer::default();
    writer.open_tag(tag);
    writer.byte(b'[');
    writer.string(&format!("{}:{}", class.module()?, class.qualname()?));
    writer.byte(b',');
    Ok(ClassPlan { shape, opening: writer.buffer, _class: class.clone().unbind() })
}

fn rendered(names: &Bound<'_, PyAny>) -> PyResult<Vec<(Py<PyString>, Vec<u8>)>> {
    let one = |name: PyResult<Bound<'_, PyAny>>| {
        let name = name?.cast_into::<PyString>()?;
        let mut writer = Writer::default();
        writer.string(name.to_str()?);
        writer.byte(b':');
        Ok((name.unbind(), writer.buffer))
    };
    names.try_iter()?.map(one).collect()
}

/// A pydantic model's extra fields, if it has any.
pub fn extra_fields<'py>(value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let extra = value.getattr(intern!(value.py(), "__pydantic_extra__"))?;
    Ok(extra.cast_into::<PyDict>().ok().filter(|extra| !extra.is_empty()))
}
