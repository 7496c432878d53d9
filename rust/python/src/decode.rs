//! Builds Python values from a body, in one pass over it.

use hydra_core::payload::reader::{Number, Reader, Text};
use hydra_core::payload::{self, MAX_DEPTH, envelope, tag};
use hydra_core::uuid7;
use hydra_core::work;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyType};

use crate::errors::{PayloadError, is_interruption, payload_error};
use crate::types::{Types, types};

/// Below this, letting other threads in costs more than it gives them.
const DETACH_FROM_BYTES: usize = 64 << 10;

/// A value that went in as an object of a class: `kind` is `enum`, `namedtuple`, `object` or `known`, `name` is
/// `module:Class`; `more` is what an object carried beside its fields, or the name of an enum's member.
#[pyclass(frozen, module = "hydra._core")]
pub struct Named {
    #[pyo3(get)]
    kind: Py<PyString>,
    #[pyo3(get)]
    name: Py<PyString>,
    #[pyo3(get)]
    value: Py<PyAny>,
    #[pyo3(get)]
    more: Py<PyAny>,
}

/// Objects come back as their plain values (an enum as its value, a dataclass as a dict). Needs nobody's classes: a set
/// or key that cannot be made without them comes back as a list or as text.
#[pyfunction]
pub fn decode<'py>(payload: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Ok(decode_as(payload, &Objects::Plain)?.0)
}

/// Objects come back as `Named`, for whoever knows their classes.
#[pyfunction]
pub fn decode_named<'py>(payload: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Ok(decode_as(payload, &Objects::Named)?.0)
}

/// Objects come back as what `restore(kind, name, value, more)` makes of them, innermost first. The second answer is
/// whether it gave NotImplemented for some: those come back as `Named`.
#[pyfunction]
pub fn decode_restored<'py>(
    payload: &Bound<'py, PyAny>,
    restore: Bound<'py, PyAny>,
) -> PyResult<(Bound<'py, PyAny>, bool)> {
    decode_as(payload, &Objects::Restored(restore))
}

/// What objects come back as.
enum Objects<'py> {
    Plain,
    Named,
    Restored(Bound<'py, PyAny>),
}

fn decode_as<'py>(payload: &Bound<'py, PyAny>, objects: &Objects<'py>) -> PyResult<(Bound<'py, PyAny>, bool)> {
    let _work = work::begin();
    let py = payload.py();
    let owned;
    let payload = match payload.cast::<PyBytes>() {
        Ok(bytes) => bytes,
        Err(_) => {
            owned = py.get_type::<PyBytes>().call1((payload,))?.cast_into::<PyBytes>()?;
            &owned
        }
    };
    let sealed = payload.as_bytes();
    let body =
        if sealed.len() < DETACH_FROM_BYTES { envelope::open(sealed) } else { py.detach(|| envelope::open(sealed)) };
    let body = body.map_err(payload_error)?;
    let reader = Reader::new(&body).map_err(payload_error)?;
    let mut decoder = Decoder { py, types: types(py)?, reader, objects, is_partial: false, depth: 0 };
    let value = decoder.value().map_err(|error| explained(py, error))?;
    decoder.reader.end().map_err(payload_error)?;
    Ok((value, decoder.is_partial))
}

/// What a constructor of Python's refused (a date in a calendar that has none) is a damaged payload too.
fn explained(py: Python<'_>, error: PyErr) -> PyErr {
    if error.is_instance_of::<PayloadError>(py) || is_interruption(py, &error) {
        return error;
    }
    let clear = PayloadError::new_err(format!("payload holds what Python cannot build: {}", error.value(py)));
    clear.set_cause(py, Some(error));
    clear
}

struct Decoder<'py, 'a> {
    py: Python<'py>,
    types: &'py Types,
    reader: Reader<'a>,
    objects: &'a Objects<'py>,
    /// Whether some object's class was not found.
    is_partial: bool,
    depth: usize,
}

type Decoded<'py> = PyResult<Bound<'py, PyAny>>;

fn damaged(what: &'static str) -> PyErr {
    payload_error(payload::PayloadError::Damaged(what))
}

impl<'py> Decoder<'py, '_> {
    fn value(&mut self) -> Decoded<'py> {
        let py = self.py;
        match self.reader.peek() {
            Some(b'"') => Ok(self.string()?.into_any()),
            Some(b'{') => self.nested(Self::braces),
            Some(b'[') => self.nested(|decoder| Ok(decoder.list()?.into_any())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self
                .literal("true")
                .map(|()| true.into_pyobject(py).map(|b| b.to_owned().into_any()))?
                .map_err(PyErr::from),
            Some(b'f') => self
                .literal("false")
                .map(|()| false.into_pyobject(py).map(|b| b.to_owned().into_any()))?
                .map_err(PyErr::from),
            Some(b'n') => self.literal("null").map(|()| py.None().into_bound(py)),
            _ => Err(damaged("a value is missing")),
        }
    }

    fn nested(&mut self, read: impl FnOnce(&mut Self) -> Decoded<'py>) -> Decoded<'py> {
        if self.depth == MAX_DEPTH {
            return Err(damaged("it is nested too deep"));
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn literal(&mut self, word: &'static str) -> PyResult<()> {
        self.reader.literal(word).map_err(payload_error)
    }

    fn expect(&mut self, byte: u8) -> PyResult<()> {
        self.reader.expect(byte).map_err(payload_error)
    }

    fn number(&mut self) -> Decoded<'py> {
        let py = self.py;
        match self.reader.number().map_err(payload_error)? {
            Number::Int(value) => Ok(value.into_pyobject(py)?.into_any()),
            Number::Float(value) => Ok(PyFloat::new(py, value).into_any()),
            Number::LongInt(digits) => py.get_type::<PyInt>().call1((digits,)),
        }
    }

    fn string(&mut self) -> PyResult<Bound<'py, PyString>> {
        let py = self.py;
        match self.reader.string().map_err(payload_error)? {
            Text::Plain(text) => Ok(PyString::new(py, text)),
            Text::Unescaped(text) => Ok(PyString::new(py, &text)),
            Text::Surrogates(wtf8) => {
                let bytes = PyBytes::new(py, &wtf8);
                let text = bytes.call_method1(intern!(py, "decode"), ("utf-8", "surrogatepass"))?;
                Ok(text.cast_into::<PyString>()?)
            }
        }
    }

    fn list(&mut self) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(self.py);
        self.elements(|decoder| list.append(decoder.value()?))?;
        Ok(list)
    }

    fn elements(&mut self, mut element: impl FnMut(&mut Self) -> PyResult<()>) -> PyResult<()> {
        self.expect(b'[')?;
        if self.reader.take(b']') {
            return Ok(());
        }
        loop {
            element(self)?;
            if !self.reader.take(b',') {
                return self.expect(b']');
            }
        }
    }

    /// A plain object, or a tag.
    fn braces(&mut self) -> Decoded<'py> {
        self.expect(b'{')?;
        if let Some(tag) = self.reader.tag().map_err(payload_error)? {
            let value = self.tagged(tag)?;
            self.expect(b'}')?;
            return Ok(value);
        }
        Ok(self.entries()?.into_any())
    }

    /// The entries of an object whose `{` has been read.
    fn entries(&mut self) -> PyResult<Bound<'py, PyDict>> {
        let dict = PyDict::new(self.py);
        if self.reader.take(b'}') {
            return Ok(dict);
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            dict.set_item(key, self.value()?)?;
            if !self.reader.take(b',') {
                self.expect(b'}')?;
                return Ok(dict);
            }
        }
    }

    fn tagged(&mut self, name: &str) -> Decoded<'py> {
        let py = self.py;
        let types = self.types;
        match name {
            tag::DECIMAL => types.decimal.bind(py).call1((self.string()?,)),
            tag::TUPLE => Ok(self.list()?.to_tuple().into_any()),
            tag::DATETIME => self.moment(types.datetime_from_text.bind(py)),
            tag::DATE => types.date_from_text.bind(py).call1((self.string()?,)),
            tag::TIME => self.moment(types.time_from_text.bind(py)),
            tag::UUID => self.uuid(),
            tag::BYTES => self.bytes(),
            tag::TIMEDELTA => types.timedelta.bind(py).call1(self.list()?.to_tuple()),
            tag::FLOAT => self.special_float(),
            tag::INT => py.get_type::<PyInt>().call1((self.string()?, 16)),
            tag::DICT => self.pairs(),
            tag::SET => {
                let items = self.list()?;
                let set = PySet::new(py, items.iter()).map(Bound::into_any);
                self.or_plain(set, || Ok(items.into_any()))
            }
            tag::FROZENSET => {
                let items = self.list()?;
                let set = PyFrozenSet::new(py, items.iter()).map(Bound::into_any);
                self.or_plain(set, || Ok(items.into_any()))
            }
            tag::BYTEARRAY => self.bytearray(),
            tag::ENUM => self.named(intern!(py, "enum"), Self::value),
            tag::NAMEDTUPLE => {
                self.named(intern!(py, "namedtuple"), |decoder| Ok(decoder.list()?.to_tuple().into_any()))
            }
            tag::OBJECT => self.named(intern!(py, "object"), Self::braces),
            tag::KNOWN => self.named(intern!(py, "known"), Self::value),
            _ => Err(damaged("an unknown tag; a newer hydra may have written it")),
        }
    }

    fn named(&mut self, kind: &Bound<'py, PyString>, read: impl FnOnce(&mut Self) -> Decoded<'py>) -> Decoded<'py> {
        self.expect(b'[')?;
        let name = self.reader.string().map_err(payload_error)?;
        self.expect(b',')?;
        let value = read(self)?;
        let more = if self.reader.take(b',') { self.value()? } else { self.py.None().into_bound(self.py) };
        self.expect(b']')?;
        let is_known = kind.to_str()? == "known";
        if matches!(self.objects, Objects::Plain) && !is_known {
            return Ok(value);
        }
        let name = match &name {
            Text::Plain(name) => PyString::intern(self.py, name),
            Text::Unescaped(name) => PyString::intern(self.py, name),
            Text::Surrogates(_) => return Err(damaged("a class name is not text")),
        };
        match self.objects {
            Objects::Plain => {
                let made = self.types.make_known.bind(self.py).call1((name, &value));
                return self.or_plain(made, || Ok(value));
            }
            Objects::Restored(restore) => {
                let made = restore.call1((kind, &name, &value, &more))?;
                if !made.is(self.py.NotImplemented()) {
                    return Ok(made);
                }
                self.is_partial = true;
            }
            Objects::Named => {}
        }
        let named =
            Named { kind: kind.clone().unbind(), name: name.unbind(), value: value.unbind(), more: more.unbind() };
        Ok(Bound::new(self.py, named)?.into_any())
    }

    fn pairs(&mut self) -> Decoded<'py> {
        let dict = PyDict::new(self.py);
        self.elements(|decoder| {
            decoder.expect(b'[')?;
            let key = decoder.value()?;
            decoder.expect(b',')?;
            let value = decoder.value()?;
            let put = dict.set_item(&key, &value);
            decoder.or_plain(put, || dict.set_item(key.repr()?, value))?;
            decoder.expect(b']')
        })?;
        Ok(dict.into_any())
    }

    /// What was made; or, where plain values are wanted and do not fit together as the objects did, what is close.
    fn or_plain<T>(&self, made: PyResult<T>, plain: impl FnOnce() -> PyResult<T>) -> PyResult<T> {
        match made {
            Err(error) if matches!(self.objects, Objects::Plain) && error.is_instance_of::<PyTypeError>(self.py) => {
                plain()
            }
            other => other,
        }
    }

    fn moment(&mut self, from_text: &Bound<'py, PyAny>) -> Decoded<'py> {
        let py = self.py;
        if self.reader.peek() == Some(b'"') {
            return from_text.call1((self.string()?,));
        }
        let parts = self.list()?;
        let moment = from_text.call1((parts.get_item(0)?,))?;
        let changes = PyDict::new(py);
        changes.set_item(intern!(py, "fold"), parts.get_item(2)?)?;
        let key = parts.get_item(1)?;
        if !key.is_none() {
            changes.set_item(intern!(py, "tzinfo"), self.types.zoneinfo.bind(py).call1((key,))?)?;
        } else if let Ok(name) = parts.get_item(3) {
            let offset = moment.call_method0(intern!(py, "utcoffset"))?;
            changes.set_item(intern!(py, "tzinfo"), self.types.timezone.bind(py).call1((offset, name))?)?;
        }
        moment.call_method(intern!(py, "replace"), (), Some(&changes))
    }

    fn uuid(&mut self) -> Decoded<'py> {
        let text = self.string()?;
        let number = uuid7::parse(text.to_str()?).ok_or_else(|| damaged("a malformed UUID"))?;
        let arguments = PyDict::new(self.py);
        arguments.set_item(intern!(self.py, "int"), number)?;
        let class: &Bound<'py, PyType> = self.types.uuid.bind(self.py);
        class.call((), Some(&arguments))
    }

    fn bytes(&mut self) -> Decoded<'py> {
        Ok(PyBytes::new(self.py, &self.raw_bytes()?).into_any())
    }

    fn bytearray(&mut self) -> Decoded<'py> {
        Ok(PyByteArray::new(self.py, &self.raw_bytes()?).into_any())
    }

    fn raw_bytes(&mut self) -> PyResult<Vec<u8>> {
        match self.reader.string().map_err(payload_error)? {
            Text::Plain(text) => payload::reader::bytes_from_text(text).map_err(payload_error),
            _ => Err(damaged("malformed bytes")),
        }
    }

    fn special_float(&mut self) -> Decoded<'py> {
        let value = match self.reader.string().map_err(payload_error)? {
            Text::Plain("nan") => f64::NAN,
            Text::Plain("inf") => f64::INFINITY,
            Text::Plain("-inf") => f64::NEG_INFINITY,
            _ => return Err(damaged("a malformed float")),
        };
        Ok(PyFloat::new(self.py, value).into_any())
    }
}
