//! How objects of a user's class are written: worked out once per class, by `hydra.values.classes`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hydra_core::payload::{tag, writer::Writer};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

use crate::types::Types;

/// Programs that make classes without end must not fill memory: past this many the plans are made again.
const MAX_PLAN_COUNT: usize = 4096;

pub struct ClassPlan {
    pub shape: Shape,
    /// Why objects of the class cannot be written.
    pub refusal: Option<String>,
    /// Why objects of the class come back only where an annotation names it.
    pub is_local: Option<String>,
    /// Whether the class's own code decides if an object comes back.
    pub is_to_prove: bool,
    /// `{"$tag":["module:Name",`, to be closed by `]}`.
    pub opening: Vec<u8>,
    /// Keeps the class alive, so that its address stays its own.
    _class: Py<PyType>,
}

pub enum Shape {
    Enumeration,
    NamedTuple,
    /// Dataclass or msgspec Struct: each field's name and its `"name":`; what gives an object's state beside them.
    Fields {
        names: Vec<(Py<PyString>, Vec<u8>)>,
        state: Option<Py<PyAny>>,
    },
    /// A pydantic model: its fields' names; what gives an object's fields, and its state beside them.
    Model {
        names: Vec<(Py<PyString>, Vec<u8>)>,
        fields_of: Py<PyAny>,
        state: Py<PyAny>,
    },
    /// A class of Python's own: what gives the plain parts it is made from.
    Known(Py<PyAny>),
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
    if plan.is_local.is_some() {
        // A class may be found later under its name: in the middle of an import it is not yet.
        return Ok(plan);
    }
    let mut plans = plans.lock().unwrap_or_else(PoisonError::into_inner);
    let dropped = if plans.len() >= MAX_PLAN_COUNT { std::mem::take(&mut *plans) } else { HashMap::new() };
    plans.insert(address, Arc::clone(&plan));
    std::mem::drop(plans);
    std::mem::drop(dropped);
    Ok(plan)
}

fn make(class: &Bound<'_, PyType>, types: &Types) -> PyResult<ClassPlan> {
    let py = class.py();
    let said = types.describe_class.bind(py).call1((class,))?;
    let text = |name: &Bound<'_, PyString>| -> PyResult<String> { said.getattr(name)?.extract() };
    let path = text(intern!(py, "path"))?;
    let state = said.getattr(intern!(py, "state_of"))?;
    let parts_of = said.getattr(intern!(py, "parts_of"))?.unbind();
    let refusal = text(intern!(py, "refusal"))?;
    let (tag, shape) = match text(intern!(py, "kind"))?.as_str() {
        "enum" => (tag::ENUM, Shape::Enumeration),
        "namedtuple" => (tag::NAMEDTUPLE, Shape::NamedTuple),
        "model" => (
            tag::OBJECT,
            Shape::Model {
                names: rendered(&said.getattr(intern!(py, "names"))?)?,
                fields_of: parts_of,
                state: state.unbind(),
            },
        ),
        "known" => (tag::KNOWN, Shape::Known(parts_of)),
        _ => {
            let names = rendered(&said.getattr(intern!(py, "names"))?)?;
            (tag::OBJECT, Shape::Fields { names, state: (!state.is_none()).then(|| state.unbind()) })
        }
    };
    let mut writer = Writer::default();
    writer.open_tag(tag);
    writer.byte(b'[');
    writer.string(&path);
    writer.byte(b',');
    let local = text(intern!(py, "local"))?;
    Ok(ClassPlan {
        shape,
        refusal: (!refusal.is_empty()).then_some(refusal),
        is_local: (!local.is_empty()).then_some(local),
        is_to_prove: said.getattr(intern!(py, "is_to_prove"))?.is_truthy()?,
        opening: writer.buffer,
        _class: class.clone().unbind(),
    })
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

/// Whether a pydantic model holds its fields, all of them set, and nothing else.
pub fn is_plain_model(value: &Bound<'_, PyAny>, field_count: usize) -> PyResult<bool> {
    let py = value.py();
    let is_empty = |name| value.getattr(name).and_then(|part| Ok(part.is_none() || part.len()? == 0));
    Ok(value.getattr(intern!(py, "__pydantic_fields_set__"))?.len()? == field_count
        && value.getattr(intern!(py, "__dict__"))?.len()? == field_count
        && is_empty(intern!(py, "__pydantic_private__"))?
        && is_empty(intern!(py, "__pydantic_extra__"))?)
}
