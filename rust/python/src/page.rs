//! What a worker writes into its page (`hydra.worker.page`) at each step: which one it is in, and that it left it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hydra_core::uuid7;
use hydra_core::watchdog::{
    self,
    page::{DEADLINE_OFFSET, HEADER_BYTES, SLOT_BYTES},
};
use pyo3::exceptions::PyIndexError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PySlice, PyString};

const WORD_BYTES: usize = 8;
const STEP_BYTES: usize = SLOT_BYTES - WORD_BYTES; // behind the token
const DIGEST_BYTES: usize = 16;
/// Of what stands behind the token: where the names begin.
const NAMES_AT: usize = 72;
const NAMES_BYTES: usize = STEP_BYTES - NAMES_AT;
/// The same of a further slot, behind the number of the next one.
const MORE_AT: usize = 2;
const MORE_BYTES: usize = STEP_BYTES - MORE_AT;
const NAME_BYTES_MAX: usize = 0xFFFF;

/// Its slots: which are free, and what stands in the others. Any thread may call it: none lets go of the GIL meanwhile.
/// Where no slot is free it calls its `grow`, which adds some by `add_free` and says whether there are any.
#[pyclass(frozen, subclass, module = "hydra._core")]
pub struct PageSlots {
    memory: Py<PyAny>,
    places: Mutex<Vec<Place>>,
    free: Mutex<Vec<usize>>,
    /// The further slots of a step with long names, by its first one.
    more: Mutex<HashMap<usize, Vec<usize>>>,
}

/// Where the parts of a slot are in memory. Made once: it takes longer than to write there.
struct Place {
    token: Py<PySlice>,
    step: Py<PySlice>,
    deadline: Py<PySlice>,
}

impl Place {
    fn of(py: Python<'_>, slot: usize) -> PyResult<Self> {
        let part = |offset: usize, size: usize| -> PyResult<Py<PySlice>> {
            let start = isize::try_from(HEADER_BYTES + slot * SLOT_BYTES + offset)?;
            Ok(PySlice::new(py, start, start + isize::try_from(size)?, 1).unbind())
        };
        Ok(Self {
            token: part(0, WORD_BYTES)?,
            step: part(WORD_BYTES, STEP_BYTES)?,
            deadline: part(DEADLINE_OFFSET, WORD_BYTES)?,
        })
    }
}

#[pymethods]
impl PageSlots {
    /// `fd` is the page's own.
    #[new]
    #[pyo3(signature = (fd, memory))]
    fn new(fd: i32, memory: Py<PyAny>) -> Self {
        let _ = fd;
        Self { memory, places: Mutex::default(), free: Mutex::default(), more: Mutex::default() }
    }

    #[getter]
    fn has_free(&self) -> bool {
        !locked(&self.free).is_empty()
    }

    fn add_free(&self, py: Python<'_>, first: usize, end: usize) -> PyResult<()> {
        let made = (first..end).map(|slot| Place::of(py, slot)).collect::<PyResult<Vec<_>>>()?;
        locked(&self.places).extend(made);
        locked(&self.free).extend(first..end);
        Ok(())
    }

    #[allow(clippy::too_many_arguments)] // as many as a slot has fields
    #[pyo3(signature = (token, deadline_ns, branch, name, ordinal, attempt, is_transaction = false, digest = None,
                        execution = "", epoch = 0, durable_seq = 0))]
    fn enter(
        slf: &Bound<'_, Self>,
        token: u64,
        deadline_ns: u64,
        branch: &Bound<'_, PyString>,
        name: &Bound<'_, PyString>,
        ordinal: u32,
        attempt: u32,
        is_transaction: bool,
        digest: Option<&[u8]>,
        execution: &str,
        epoch: u32,
        durable_seq: u32,
    ) -> PyResult<isize> {
        let (branch, name) = (cut(branch)?, cut(name)?);
        let names = [branch.as_ref(), name.as_ref()].concat();
        let (shown, rest) = names.split_at(names.len().min(NAMES_BYTES));
        let page = slf.get();
        let Some((slot, further)) = page.take(slf, rest.len().div_ceil(MORE_BYTES))? else {
            return Ok(-1);
        };
        let mut step = Writer::default();
        step.put(&watchdog::boottime_ns().to_le_bytes());
        step.put(&deadline_ns.to_le_bytes());
        step.put(&ordinal.to_le_bytes());
        step.put(&attempt.to_le_bytes());
        for short in [branch.len(), name.len(), usize::from(is_transaction), number_of(further.first())] {
            step.put_short(short);
        }
        step.put(&uuid7::parse(execution).unwrap_or_default().to_be_bytes());
        step.put(&epoch.to_le_bytes());
        step.put(&durable_seq.to_le_bytes());
        let digest = digest.unwrap_or_default();
        step.put(&digest[..digest.len().min(DIGEST_BYTES)]);
        step.length = NAMES_AT;
        step.put(shown);

        let py = slf.py();
        page.write_further(py, &further, rest)?;
        page.write(py, slot, |place| &place.step, &step.bytes)?;
        if !further.is_empty() {
            locked(&page.more).insert(slot, further);
        }
        // Last, so that a token is never seen beside another step's name.
        fence(Ordering::Release);
        page.write(py, slot, |place| &place.token, &token.to_le_bytes())?;
        Ok(isize::try_from(slot)?)
    }

    /// The slot's step has ended: it has no deadline any more.
    fn end(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        self.write(py, slot, |place| &place.deadline, &[0; WORD_BYTES])
    }

    /// The slot is free.
    fn leave(&self, py: Python<'_>, slot: usize) -> PyResult<()> {
        self.write(py, slot, |place| &place.token, &[0; WORD_BYTES])?;
        let mut more = locked(&self.more);
        let further = if more.is_empty() { None } else { more.remove(&slot) };
        drop(more);
        let mut free = locked(&self.free);
        free.extend(further.unwrap_or_default());
        free.push(slot);
        Ok(())
    }
}

impl PageSlots {
    /// A free slot, and so many further ones; None where the page cannot grow.
    fn take(&self, page: &Bound<'_, Self>, further_count: usize) -> PyResult<Option<(usize, Vec<usize>)>> {
        let mut further = Vec::with_capacity(further_count);
        loop {
            let free = locked(&self.free).pop();
            match free {
                Some(slot) if further.len() == further_count => return Ok(Some((slot, further))),
                Some(slot) => further.push(slot),
                None => {
                    let has_grown = page.call_method0(intern!(page.py(), "grow")).and_then(|grown| grown.extract());
                    if !matches!(has_grown, Ok(true)) {
                        locked(&self.free).append(&mut further);
                        return has_grown.map(|_| None);
                    }
                }
            }
        }
    }

    fn write_further(&self, py: Python<'_>, further: &[usize], rest: &[u8]) -> PyResult<()> {
        for (index, (slot, part)) in further.iter().zip(rest.chunks(MORE_BYTES)).enumerate() {
            let mut more = Writer::default();
            more.put_short(number_of(further.get(index + 1)));
            more.put(part);
            self.write(py, *slot, |place| &place.step, &more.bytes)?;
        }
        Ok(())
    }

    fn write(&self, py: Python<'_>, slot: usize, part: impl Fn(&Place) -> &Py<PySlice>, bytes: &[u8]) -> PyResult<()> {
        let place = locked(&self.places).get(slot).map(|place| part(place).clone_ref(py));
        let place = place.ok_or_else(|| PyIndexError::new_err(format!("the page has no slot {slot}")))?;
        self.memory.bind(py).set_item(place, PyBytes::new(py, bytes))
    }
}

/// Of what stands behind the token of a slot.
struct Writer {
    bytes: [u8; STEP_BYTES],
    length: usize,
}

impl Default for Writer {
    fn default() -> Self {
        Self { bytes: [0; STEP_BYTES], length: 0 }
    }
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes[self.length..end].copy_from_slice(bytes);
        self.length = end;
    }

    fn put_short(&mut self, number: usize) {
        self.put(&u16::try_from(number).unwrap_or(u16::MAX).to_le_bytes());
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// As a slot is named in another one: 0 is none.
fn number_of(slot: Option<&usize>) -> usize {
    slot.map_or(0, |slot| slot + 1)
}

/// The text's bytes, as far as their length can be told.
fn cut<'a>(text: &'a Bound<'_, PyString>) -> PyResult<Cow<'a, [u8]>> {
    match text.to_str() {
        Ok(whole) => Ok(Cow::Borrowed(&whole.as_bytes()[..end_of(whole)])),
        Err(_) => {
            let encoded = text.call_method1(intern!(text.py(), "encode"), ("utf-8", "replace"))?;
            let whole = String::from_utf8(encoded.cast::<PyBytes>()?.as_bytes().to_vec())?;
            Ok(Cow::Owned(whole.as_bytes()[..end_of(&whole)].to_vec()))
        }
    }
}

/// No character is cut in two.
fn end_of(text: &str) -> usize {
    let mut end = text.len().min(NAME_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
}
