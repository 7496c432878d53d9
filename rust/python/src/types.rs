//! Python's types and constructors, looked up once.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet};
use pyo3::types::{PyString, PyTuple, PyType};

pub struct Types {
    pub decimal: Py<PyType>,
    pub timedelta: Py<PyType>,
    pub timezone: Py<PyType>,
    pub zoneinfo: Py<PyType>,
    pub uuid: Py<PyType>,
    pub date_from_text: Py<PyAny>,
    pub datetime_from_text: Py<PyAny>,
    pub time_from_text: Py<PyAny>,
    /// What Python knows of a class (`hydra.values.classes`), and what makes objects of its own kinds again.
    pub describe_class: Py<PyAny>,
    pub make_known: Py<PyAny>,
    pub prove: Py<PyAny>,
    pub unset: Py<PyAny>,
    pub addresses: Addresses,
    /// An address stays its type's own only while the type lives.
    _kept_alive: [Py<PyType>; 3],
}

/// Addresses of types that live as long as the process, to compare a value's type with.
pub struct Addresses {
    pub string: usize,
    pub int: usize,
    pub float: usize,
    pub boolean: usize,
    pub list: usize,
    pub dict: usize,
    pub tuple: usize,
    pub set: usize,
    pub frozenset: usize,
    pub bytes: usize,
    pub bytearray: usize,
    pub decimal: usize,
    pub date: usize,
    pub datetime: usize,
    pub time: usize,
    pub timedelta: usize,
    pub uuid: usize,
}

static TYPES: PyOnceLock<Types> = PyOnceLock::new();

pub fn types(py: Python<'_>) -> PyResult<&Types> {
    TYPES.get_or_try_init(py, || Types::load(py))
}

fn import_type(py: Python<'_>, module: &str, name: &str) -> PyResult<Py<PyType>> {
    Ok(py.import(module)?.getattr(name)?.cast_into::<PyType>()?.unbind())
}

impl Types {
    fn load(py: Python<'_>) -> PyResult<Self> {
        let decimal = import_type(py, "decimal", "Decimal")?;
        let date = import_type(py, "datetime", "date")?;
        let datetime = import_type(py, "datetime", "datetime")?;
        let time = import_type(py, "datetime", "time")?;
        let timedelta = import_type(py, "datetime", "timedelta")?;
        let uuid = import_type(py, "uuid", "UUID")?;
        let from_text = |class: &Py<PyType>| class.getattr(py, "fromisoformat");
        let addresses = Addresses {
            string: py.get_type::<PyString>().as_ptr() as usize,
            int: py.get_type::<PyInt>().as_ptr() as usize,
            float: py.get_type::<PyFloat>().as_ptr() as usize,
            boolean: py.get_type::<PyBool>().as_ptr() as usize,
            list: py.get_type::<PyList>().as_ptr() as usize,
            dict: py.get_type::<PyDict>().as_ptr() as usize,
            tuple: py.get_type::<PyTuple>().as_ptr() as usize,
            set: py.get_type::<PySet>().as_ptr() as usize,
            frozenset: py.get_type::<PyFrozenSet>().as_ptr() as usize,
            bytes: py.get_type::<PyBytes>().as_ptr() as usize,
            bytearray: py.get_type::<PyByteArray>().as_ptr() as usize,
            decimal: decimal.as_ptr() as usize,
            date: date.as_ptr() as usize,
            datetime: datetime.as_ptr() as usize,
            time: time.as_ptr() as usize,
            timedelta: timedelta.as_ptr() as usize,
            uuid: uuid.as_ptr() as usize,
        };
        Ok(Self {
            timezone: import_type(py, "datetime", "timezone")?,
            zoneinfo: import_type(py, "zoneinfo", "ZoneInfo")?,
            date_from_text: from_text(&date)?,
            datetime_from_text: from_text(&datetime)?,
            time_from_text: from_text(&time)?,
            describe_class: py.import("hydra.values.classes")?.getattr("describe")?.unbind(),
            make_known: py.import("hydra.values.known")?.getattr("make")?.unbind(),
            prove: py.import("hydra.values.rebuild")?.getattr("prove")?.unbind(),
            unset: py.import("msgspec")?.getattr("UNSET")?.unbind(),
            decimal,
            timedelta,
            uuid,
            addresses,
            _kept_alive: [date, datetime, time],
        })
    }
}
