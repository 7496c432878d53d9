//! Walks a Python value and hands it, in document order, to the core's writer. Each part is written once, so that the
//! time is linear in the size of what is written, whatever the value's shape.

use hydra_core::payload::{self, MAX_DEPTH, MAX_OBJECT_DEPTH, tag, writer::Writer};
use hydra_core::uuid7;
use pyo3::exceptions::PyUnicodeEncodeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple};

use crate::errors::{PayloadError, payload_error};
use crate::plan::{ClassPlan, Shape, is_plain_model, plan_of};
use crate::refusal::{Refusal, path_step, type_name};
use crate::types::Types;

/// Ints with more bits are written in hexadecimal, where Python's limit on digits does not apply.
const MAX_DECIMAL_INT_BITS: usize = 2000;
/// Sets within more sets than this are written in the order they come in: sorting copies them once for each set around.
const MAX_SORTED_SET_DEPTH: usize = 8;
/// How deep a call's own parts are: the dict of it, then the list and the dict of its arguments.
const CALL_DEPTH: usize = 2;

type Outcome = Result<(), Box<Refusal>>;

/// What a value may hold and cost.
#[derive(Clone, Copy)]
pub struct Limits {
    pub body_bytes: usize,
    /// Whether classes may be written that only an annotation can find again.
    pub takes_local_classes: bool,
}

pub struct Encoder<'t> {
    types: &'t Types,
    writer: Writer,
    limits: Limits,
    depth: usize,
    object_depth: usize,
    set_depth: usize,
    /// How many values that may hold others were begun.
    nested_count: usize,
    /// Whether a dict's keys are looked at before its values are written.
    looks_ahead: bool,
    written: Written,
}

/// What is known of a value once it is written.
pub struct Written {
    /// It has an object that comes back only if its own code lets it.
    pub is_to_prove: bool,
    /// Of a call: no argument can be changed in place, as far as their classes tell.
    pub is_fixed: bool,
}

impl<'t> Encoder<'t> {
    pub fn new(types: &'t Types, writer: Writer, limits: Limits) -> Self {
        let (nested_count, looks_ahead) = (0, false);
        let (depth, object_depth, set_depth) = (0, 0, 0);
        let written = Written { is_to_prove: false, is_fixed: true };
        Self { types, writer, limits, depth, object_depth, set_depth, nested_count, looks_ahead, written }
    }

    pub fn write(self, value: &Bound<'_, PyAny>) -> Result<(Writer, Written), Box<Refusal>> {
        self.write_by(|encoder| encoder.value(value))
    }

    /// As a dict of `args`, a list, and `kwargs`; what they hold tells whether it is fixed.
    pub fn write_call(
        self,
        args: &Bound<'_, PyTuple>,
        kwargs: &Bound<'_, PyDict>,
    ) -> Result<(Writer, Written), Box<Refusal>> {
        self.write_by(|encoder| encoder.call(args, kwargs))
    }

    fn write_by(mut self, write: impl Fn(&mut Self) -> Outcome) -> Result<(Writer, Written), Box<Refusal>> {
        let start = self.writer.buffer.len();
        match write(&mut self) {
            Err(refusal) if refusal.is_late_key => {
                // Once more from the start, looking ahead: each part is written twice at most.
                self.writer.buffer.truncate(start);
                (self.depth, self.object_depth, self.set_depth) = (0, 0, 0);
                self.looks_ahead = true;
                write(&mut self)?;
            }
            outcome => outcome?,
        }
        Ok((self.writer, self.written))
    }
}

impl Encoder<'_> {
    fn call(&mut self, args: &Bound<'_, PyTuple>, kwargs: &Bound<'_, PyDict>) -> Outcome {
        self.nested(|encoder| {
            encoder.writer.raw(b"{\"args\":");
            let args = encoder.nested(|encoder| encoder.sequence(args.iter()));
            args.map_err(|refusal| refusal.under(|| ".args".to_owned()))?;
            encoder.writer.raw(b",\"kwargs\":");
            let kwargs = encoder.nested(|encoder| encoder.dict(kwargs));
            kwargs.map_err(|refusal| refusal.under(|| ".kwargs".to_owned()))?;
            encoder.writer.byte(b'}');
            Ok(())
        })
    }

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
            self.writer.bytes(tag::BYTES, value.cast::<PyBytes>().map_err(PyErr::from)?.as_bytes());
        } else if class == known.timedelta {
            self.timedelta(value)?;
        } else if class == known.time {
            self.moment(tag::TIME, value)?;
        } else if class == known.set {
            let set = value.cast::<PySet>().map_err(PyErr::from)?;
            self.tagged(tag::SET, |encoder| encoder.set(set.iter()))?;
        } else if class == known.frozenset {
            let set = value.cast::<PyFrozenSet>().map_err(PyErr::from)?;
            self.tagged(tag::FROZENSET, |encoder| encoder.set(set.iter()))?;
        } else if class == known.bytearray {
            // Its digest is that of bytes, which it was written as once.
            self.writer.needs_canonical = true;
            self.written.is_fixed = false;
            self.writer.bytes(tag::BYTEARRAY, &value.cast::<PyByteArray>().map_err(PyErr::from)?.to_vec());
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
        if self.writer.buffer.len() > self.limits.body_bytes {
            return Err(payload_error(payload::PayloadError::Unbounded { limit: self.limits.body_bytes }).into());
        }
        self.depth += 1;
        self.nested_count += 1;
        self.written.is_fixed &= self.depth <= CALL_DEPTH;
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
        if bits <= MAX_DECIMAL_INT_BITS {
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

    fn set<'py>(&mut self, items: impl ExactSizeIterator<Item = Bound<'py, PyAny>>) -> Outcome {
        self.set_depth += 1;
        if items.len() < 2 || self.set_depth > MAX_SORTED_SET_DEPTH {
            self.writer.needs_canonical |= items.len() > 1;
            self.sequence(items)?;
        } else {
            self.sorted(items)?;
        }
        self.set_depth -= 1;
        Ok(())
    }

    /// A set's elements in the order of their text, so that equal sets have equal bodies.
    fn sorted<'py>(&mut self, items: impl Iterator<Item = Bound<'py, PyAny>>) -> Outcome {
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
        if self.looks_ahead && !has_plain_keys(dict) {
            return self.pairs(dict, self.writer.buffer.len());
        }
        let (start, nested_count) = (self.writer.buffer.len(), self.nested_count);
        let mut last_key = 0..0;
        self.writer.byte(b'{');
        for entry in entries(dict) {
            let (key, value) = entry?;
            let key_start = self.writer.buffer.len() + usize::from(!last_key.is_empty());
            let is_plain = match key.cast_exact::<PyString>() {
                Ok(name) => {
                    if !last_key.is_empty() {
                        self.writer.byte(b',');
                    }
                    self.string(name)?;
                    self.writer.buffer[key_start + 1] != b'$'
                }
                Err(_) => false,
            };
            if !is_plain {
                if nested_count != self.nested_count {
                    // Writing what is deep once more, at each level of what is around it, would never end.
                    return Err(Refusal::late_key());
                }
                return self.pairs(dict, start);
            }
            let key_text = key_start..self.writer.buffer.len();
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
        if let Some(sentence) = &plan.refusal {
            return Err(Refusal::because(sentence.clone()));
        }
        if let Some(sentence) = &plan.is_local
            && !self.limits.takes_local_classes
        {
            return Err(Refusal::local_class(sentence.clone()));
        }
        if self.object_depth == MAX_OBJECT_DEPTH {
            let message = format!(
                "objects of classes are nested more than {MAX_OBJECT_DEPTH} deep, or contain themselves; \
                 keep the deep part as lists and dicts, or flat with ids"
            );
            return Err(Refusal::because(message));
        }
        self.object_depth += 1;
        self.written.is_to_prove |= plan.is_to_prove;
        self.writer.needs_canonical = true;
        self.writer.raw(&plan.opening);
        match &plan.shape {
            Shape::Enumeration => self.member(value)?,
            Shape::NamedTuple => self.sequence(value.cast::<PyTuple>().map_err(PyErr::from)?.iter())?,
            Shape::Fields { names, state } => {
                self.fields(value, names)?;
                if let Some(state) = state
                    && has_more_than(value, names.len())?
                {
                    self.state(value, state.bind(value.py()))?;
                }
            }
            Shape::Model { names, .. } if is_plain_model(value, names.len())? => self.fields(value, names)?,
            Shape::Model { fields_of, state, .. } => {
                let fields = fields_of.bind(value.py()).call1((value,))?.cast_into::<PyDict>();
                self.dict(&fields.map_err(PyErr::from)?)?;
                self.state(value, state.bind(value.py()))?;
            }
            Shape::Known(to_plain) => self.value(&to_plain.bind(value.py()).call1((value,))?)?,
        }
        self.writer.raw(b"]}");
        self.object_depth -= 1;
        Ok(())
    }

    /// An enum's member: its value, and its name where the value alone may not find it again. What cannot be written
    /// of a value is not needed then.
    fn member(&mut self, value: &Bound<'_, PyAny>) -> Outcome {
        let py = value.py();
        let inner = value.getattr(intern!(py, "_value_"))?;
        if inner.cast_exact::<PyString>().is_ok() || inner.cast_exact::<PyInt>().is_ok() {
            return self.value(&inner);
        }
        let name = value.getattr(intern!(py, "_name_"))?;
        let (start, depths) = (self.writer.buffer.len(), (self.depth, self.object_depth, self.set_depth));
        if let Err(refusal) = self.value(&inner) {
            if name.is_none() || refusal.is_late_key {
                return Err(refusal);
            }
            self.writer.buffer.truncate(start);
            (self.depth, self.object_depth, self.set_depth) = depths;
            self.value(&name)?;
        }
        if !name.is_none() {
            self.writer.byte(b',');
            self.value(&name)?;
        }
        Ok(())
    }

    /// What an object carries beside its fields, if anything: a third entry, which the digest does not see.
    fn state(&mut self, value: &Bound<'_, PyAny>, state_of: &Bound<'_, PyAny>) -> Outcome {
        let state = state_of.call1((value,))?;
        if !state.is_none() {
            self.writer.byte(b',');
            let state = state.cast::<PyDict>().map_err(PyErr::from)?;
            self.dict(state).map_err(|refusal| refusal.under(|| ".(beside its fields)".to_owned()))?;
        }
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
            } else if !is_of_fixed_offset(value, &zone)? {
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

/// Whether an object's `__dict__` holds more than so many attributes.
fn has_more_than(value: &Bound<'_, PyAny>, count: usize) -> PyResult<bool> {
    let attributes = value.getattr(intern!(value.py(), "__dict__"))?;
    Ok(attributes.len()? > count)
}

/// Whether the dict can be a JSON object.
fn has_plain_keys(dict: &Bound<'_, PyDict>) -> bool {
    dict.iter().all(|(key, _)| match key.cast_exact::<PyString>() {
        // A text with lone surrogates has no UTF-8 of its own; its first character then tells.
        Ok(name) => name.to_str().map_or_else(|_| !starts_with_dollar(name), |text| !text.starts_with('$')),
        Err(_) => false,
    })
}

fn starts_with_dollar(text: &Bound<'_, PyString>) -> bool {
    text.call_method1(intern!(text.py(), "startswith"), ("$",)).and_then(|said| said.extract()).unwrap_or(true)
}

/// Whether a time zone of an unknown class has one offset, whatever the moment: then the text, which has it, says all.
fn is_of_fixed_offset(value: &Bound<'_, PyAny>, zone: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = value.py();
    let offset = zone.call_method1(intern!(py, "utcoffset"), (py.None(),))?;
    if offset.is_none() || !value.call_method0(intern!(py, "utcoffset"))?.eq(&offset)? {
        return Ok(false);
    }
    if !value.hasattr(intern!(py, "month"))? {
        return Ok(true);
    }
    for month in [1, 7] {
        let changes = PyDict::new(py);
        changes.set_item(intern!(py, "month"), month)?;
        changes.set_item(intern!(py, "day"), 1)?;
        let moment = value.call_method(intern!(py, "replace"), (), Some(&changes))?;
        if !moment.call_method0(intern!(py, "utcoffset"))?.eq(&offset)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn iso_text<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyString>> {
    Ok(value.call_method0(intern!(value.py(), "isoformat"))?.cast_into::<PyString>()?)
}
