//! Walks a Python value and hands it, in document order, to the core's writer.

use hydra_core::payload::{self, MAX_BODY_BYTES, MAX_DEPTH, tag, writer::Writer};
use hydra_core::uuid7;
use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFrozenSet, PyList, PySet, PyString, PyTuple};

use crate::errors::{PayloadError, payload_error};
use crate::plan::{ClassPlan, Shape, extra_fields, plan_of};
use crate::refusal::{Refusal, path_step, type_name, unsupported};
use crate::types::Types;

/// Ints with more bits are written in hexadecimal, where Python's limit on digits does not apply.
const DECIMAL_INT_BITS_MAX: usize = 2000;

type Outcome = Result<(), Box<Refusal>>;

pub struct Encoder<'t> {
    types: &'t Types,
    writer: Writer,
    depth: usize,
}

impl<'t> Encoder<'t> {
    pub fn new(types: &'t Types, writer: Writer) -> Self {
        Self { types, writer, depth: 0 }
    }

    pub fn write(mut self, value: &Bound<'_, PyAny>) -> Result<Writer, Box<Refusal>> {
        self.value(value)?;
        Ok(self.writer)
    }
}

impl Encoder<'_> {
    fn value(&mut self, value: &Bound<'_, PyAny>) -> Outcome {
        let known = &self.types.addresses;
        let class = value.get_type_ptr() as usize;
        if class == known.string {
            self.string(value.cast::<PyString>().map_err(PyErr::from)?)?;
        } else if class == known.int {
            self.int(value)?;
        } else if class == known.dict {
            let dict = value.cast::<PyDict>().map_err(PyErr::from)?;
            self.nested(|encoder| encoder.dict(dict))?;
        } else if class == known.decimal {
            let text = value.str()?;
            let text = text.to_str()?;
            // Only the exponent's letter depends on the context; the payload must not.
            if text.contains('e') {
                self.writer.tagged_plain(tag::DECIMAL, &text.replace('e', "E"));
            } else {
                self.writer.tagged_plain(tag::DECIMAL, text);
            }
        } else if value.is_none() {
            self.writer.raw(b"null");
        } else if class == known.boolean {
            self.writer.raw(if value.is_truthy()? { b"true" } else { b"false" });
        } else if class == known.float {
            self.writer.float(value.extract()?);
        } else if class == known.list {
            let list = value.cast::<PyList>().map_err(PyErr::from)?;
            self.nested(|encoder| encoder.sequence(list.iter()))?;
        } else if class == known.tuple {
            let tuple = value.cast::<PyTuple>().map_err(PyErr::from)?;
            self.tagged(tag::TUPLE, |encoder| encoder.sequence(tuple.iter()))?;
        } else {
            self.less_common(value, class)?;
        }
        Ok(())
    }

    fn less_common(&mut self, value: &Bound<'_, PyAny>, class: usize) -> Outcome {
        let py = value.py();
        let known = &self.types.addresses;
        if class == known.datetime {
            self.moment(tag::DATETIME, value)?;
        } else if class == known.date {
            self.writer.tagged_plain(tag::DATE, iso_text(value)?.to_str()?);
        } else if class == known.uuid {
            let number: u128 = value.getattr(intern!(py, "int"))?.extract()?;
            self.writer.tagged_plain(tag::UUID, &uuid7::format(number));
        } else if class == known.bytes {
            self.writer.bytes(value.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
        } else if class == known.timedelta {
            self.timedelta(value)?;
        } else if class == known.time {
            self.moment(tag::TIME, value)?;
        } else if class == known.set {
            let set = value.cast::<PySet>().map_err(PyErr::from)?;
            self.tagged(tag::SET, |encoder| encoder.unordered(set.iter()))?;
        } else if class == known.frozenset {
            let set = value.cast::<PyFrozenSet>().map_err(PyErr::from)?;
            self.tagged(tag::FROZENSET, |encoder| encoder.unordered(set.iter()))?;
        } else if class == known.bytearray {
            self.writer.bytes(&value.cast::<PyByteArray>().map_err(PyErr::from)?.to_vec());
        } else if class == known.memoryview {
            let bytes = value.call_method0(intern!(py, "tobytes"))?;
            self.writer.bytes(bytes.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
        } else {
            let plan = plan_of(&value.get_type(), self.types)?;
            self.nested(|encoder| encoder.object(value, &plan))?;
        }
        Ok(())
    }

    fn nested(&mut self, write: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        if self.depth == MAX_DEPTH {
            let message = format!("the value is nested more than {MAX_DEPTH} deep, or contains itself");
            return Err(Refusal::because(message));
        }
        if self.writer.buffer.len() > MAX_BODY_BYTES {
            let (size, limit) = (self.writer.buffer.len(), MAX_BODY_BYTES);
            return Err(payload_error(payload::PayloadError::TooLarge { size, limit }).into());
        }
        self.depth += 1;
        write(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn tagged(&mut self, tag: &str, write: impl FnOnce(&mut Self) -> Outcome) -> Outcome {
        self.writer.open_tag(tag);
        self.nested(write)?;
        self.writer.byte(b'}');
        Ok(())
    }

    fn string(&mut self, text: &Bound<'_, PyString>) -> PyResult<()> {
        match text.to_str() {
            Ok(text) => self.writer.string(text),
            Err(error) if error.is_instance_of::<PyUnicodeEncodeError>(text.py()) => {
                let arguments = ("utf-8", "surrogatepass");
                let wtf8 = text.call_method1(intern!(text.py(), "encode"), arguments)?;
                self.writer.string_with_surrogates(wtf8.cast::<PyBytes>()?.as_bytes());
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn int(&mut self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if let Ok(small) = value.extract() {
            self.writer.int(small);
            return Ok(());
        }
        let py = value.py();
        let bits: usize = value.call_method0(intern!(py, "bit_length"))?.extract()?;
        if bits <= DECIMAL_INT_BITS_MAX {
            self.writer.raw(value.str()?.to_str()?.as_bytes());
        } else {
            let digits = value.call_method1(intern!(py, "__format__"), ("x",))?;
            self.writer.tagged_plain(tag::INT, digits.cast::<PyString>()?.to_str()?);
        }
        Ok(())
    }

    fn sequence<'py>(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>) -> Outcome {
        self.writer.byte(b'[');
        for (index, item) in items.enumerate() {
            if index > 0 {
                self.writer.byte(b',');
            }
            self.value(&item).map_err(|refusal| refusal.under(|| format!("[{index}]")))?;
        }
        self.writer.byte(b']');
        Ok(())
    }

    /// A set's elements in the order of their text, so that equal sets have equal bodies.
    fn unordered<'py>(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>) -> Outcome {
        let mut texts = Vec::with_capacity(items.size_hint().0);
        let start = self.writer.buffer.len();
        for item in items {
            self.value(&item).map_err(|refusal| refusal.under(|| "{…}".to_owned()))?;
            texts.push(self.writer.buffer.split_off(start));
        }
        texts.sort_unstable();
        self.writer.byte(b'[');
        self.writer.raw(&texts.join(&b','));
        self.writer.byte(b']');
        Ok(())
    }

    /// A JSON object if every key is a string without a leading `$`, else a list of pairs.
    fn dict(&mut self, dict: &Bound<'_, PyDict>) -> Outcome {
        let start = self.writer.buffer.len();
        let mut last_key = 0..0;
        self.writer.byte(b'{');
        for entry in entries(dict) {
            let (key, value) = entry?;
            let key_start = self.writer.buffer.len() + usize::from(!last_key.is_empty());
            match key.cast_exact::<PyString>() {
                Ok(name) if !last_key.is_empty() => {
                    self.writer.byte(b',');
                    self.string(name)?;
                }
                Ok(name) => self.string(name)?,
                Err(_) => return self.pairs(dict, start),
            }
            let key_text = key_start..self.writer.buffer.len();
            if self.writer.buffer[key_start + 1] == b'$' {
                return self.pairs(dict, start);
            }
            if !self.writer.needs_canonical {
                let buffer = &self.writer.buffer;
                self.writer.needs_canonical = buffer[last_key] > buffer[key_text.clone()];
            }
            last_key = key_text;
            self.writer.byte(b':');
            self.value(&value).map_err(|refusal| refusal.under(|| path_step(&key)))?;
        }
        self.writer.byte(b'}');
        Ok(())
    }

    fn pairs(&mut self, dict: &Bound<'_, PyDict>, start: usize) -> Outcome {
        self.writer.buffer.truncate(start);
        self.writer.needs_canonical = true;
        self.writer.open_tag(tag::DICT);
        self.writer.byte(b'[');
        for (index, entry) in entries(dict).enumerate() {
            let (key, value) = entry?;
            self.writer.raw(if index > 0 { b",[" } else { b"[" });
            self.value(&key).map_err(|refusal| refusal.under(|| format!("{{key {}}}", path_step(&key))))?;
            self.writer.byte(b',');
            self.value(&value).map_err(|refusal| refusal.under(|| path_step(&key)))?;
            self.writer.byte(b']');
        }
        self.writer.raw(b"]}");
        Ok(())
    }

    fn object(&mut self, value: &Bound<'_, PyAny>, plan: &ClassPlan) -> Outcome {
        let py = value.py();
        if matches!(plan.shape, Shape::Unknown) {
            return Err(unsupported(value));
        }
        self.writer.needs_canonical = true;
        self.writer.raw(&plan.opening);
        match &plan.shape {
            Shape::Enumeration => self.value(&value.getattr(intern!(py, "_value_"))?)?,
            Shape::NamedTuple => self.sequence(value.cast::<PyTuple>().map_err(PyErr::from)?.iter())?,
            Shape::Fields(names) => self.fields(value, names)?,
            Shape::Model(names) => match extra_fields(value)? {
                None => self.fields(value, names)?,
                Some(extra) => {
                    let all = PyDict::new(py);
                    for (name, _) in names {
                        all.set_item(name, value.getattr(name)?)?;
                    }
                    all.update(extra.as_mapping())?;
                    self.dict(&all)?;
                }
            },
            Shape::Unknown => {}
        }
        self.writer.raw(b"]}");
        Ok(())
    }

    fn fields(&mut self, value: &Bound<'_, PyAny>, names: &[(Py<PyString>, Vec<u8>)]) -> Outcome {
        self.writer.byte(b'{');
        let start = self.writer.buffer.len();
        for (name, key_text) in names {
            let name = name.bind(value.py());
            let field = value.getattr(name)?;
            if field.is(&self.types.unset) {
                continue;
            }
            if self.writer.buffer.len() > start {
                self.writer.byte(b',');
            }
            self.writer.raw(key_text);
            self.value(&field).map_err(|refusal| refusal.under(|| format!(".{name}")))?;
        }
        self.writer.byte(b'}');
        Ok(())
    }

    /// A datetime or time: ISO text when that says all, else `[text, zone, fold]` or `[text, null, fold, name]`.
    fn moment(&mut self, tag: &str, value: &Bound<'_, PyAny>) -> Outcome {
        let py = value.py();
        let iso = iso_text(value)?;
        let mut text = iso.to_str()?;
        let fold: i64 = value.getattr(intern!(py, "fold"))?.extract()?;
        let zone = value.getattr(intern!(py, "tzinfo"))?;
        let mut key = None;
        let mut name = None;
        if !zone.is_none() {
            let class = zone.get_type();
            if class.is(&self.types.timezone) {
                let arguments = zone.call_method0(intern!(py, "__getinitargs__"))?.cast_into::<PyTuple>();
                name = arguments.map_err(PyErr::from)?.get_item(1).ok();
            } else if class.is(&self.types.zoneinfo) {
                // The offset is left out: it is the time zone database's, and may change with it.
                let time_start = if tag == tag::TIME { 0 } else { "2026-11-23".len() };
                let offset_at = text[time_start..].find(['+', '-']).map_or(text.len(), |at| time_start + at);
                text = &text[..offset_at];
                let zone_key = zone.getattr(intern!(py, "key"))?;
                if zone_key.is_none() {
                    return Err(Refusal::because("a ZoneInfo without a key cannot be encoded".to_owned()));
                }
                key = Some(zone_key);
            } else {
                return Err(Refusal::because(format!(
                    "a time zone of type `{}` cannot be encoded; use datetime.timezone or zoneinfo.ZoneInfo",
                    type_name(&zone)
                )));
            }
        }
        if key.is_none() && name.is_none() && fold == 0 {
            self.writer.tagged_plain(tag, text);
            return Ok(());
        }
        self.writer.open_tag(tag);
        self.writer.raw(b"[\"");
        self.writer.raw(text.as_bytes());
        self.writer.raw(b"\",");
        match key {
            Some(key) => self.string(key.cast::<PyString>().map_err(PyErr::from)?)?,
            None => self.writer.raw(b"null"),
        }
        self.writer.byte(b',');
        self.writer.int(fold);
        if let Some(name) = name {
            self.writer.byte(b',');
            self.string(name.cast::<PyString>().map_err(PyErr::from)?)?;
        }
        self.writer.raw(b"]}");
        Ok(())
    }

    fn timedelta(&mut self, value: &Bound<'_, PyAny>) -> Outcome {
        let py = value.py();
        self.writer.open_tag(tag::TIMEDELTA);
        for (opening, part) in
            [(b'[', intern!(py, "days")), (b',', intern!(py, "seconds")), (b',', intern!(py, "microseconds"))]
        {
            self.writer.byte(opening);
            self.writer.int(value.getattr(part)?.extract()?);
        }
        self.writer.raw(b"]}");
        Ok(())
    }
}

type Entry<'py> = PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)>;

/// A dict's entries; an error, not a panic, when another thread changes it meanwhile.
fn entries<'py>(dict: &Bound<'py, PyDict>) -> impl Iterator<Item = Entry<'py>> {
    let size = dict.len();
    let mut rest = dict.iter();
    std::iter::from_fn(move || {
        if dict.len() != size {
            return Some(Err(PayloadError::new_err("the dict changed while it was being encoded")));
        }
        rest.next().map(Ok)
    })
}

fn iso_text<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    Ok(value.call_method0(intern!(value.py(), "isoformat"))?.cast_into::<PyString>()?)
}
