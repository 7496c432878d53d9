//! Whatever is stored is read to its end or refused: no panic, no read past the end, no body beyond what it says.
#![no_main]

use hydra_core::payload::envelope::{self, HEADER_BYTES};
use hydra_core::payload::reader::{Reader, bytes_from_text};
use hydra_core::payload::{MAX_BODY_BYTES, MAX_DEPTH, PayloadError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(body) = envelope::open(data) {
        let _ = read(&body);
    }
    let sealed = envelope::seal([&[0; HEADER_BYTES], data].concat(), MAX_BODY_BYTES).expect("it is small");
    let body = envelope::open(&sealed).expect("it was just sealed");
    assert_eq!(body.as_ref(), data);
    let _ = read(data);
});

fn read(body: &[u8]) -> Result<(), PayloadError> {
    let mut reader = Reader::new(body)?;
    value(&mut reader, 0)?;
    reader.end()
}

fn value(reader: &mut Reader<'_>, depth: usize) -> Result<(), PayloadError> {
    if depth == MAX_DEPTH {
        return Err(PayloadError::Damaged("it is nested too deep"));
    }
    match reader.peek() {
        Some(b'"') => match reader.string()? {
            hydra_core::payload::reader::Text::Plain(text) => drop(bytes_from_text(text)),
            other => drop(other),
        },
        Some(b'{') => {
            reader.expect(b'{')?;
            if reader.tag()?.is_some() {
                value(reader, depth + 1)?;
                return reader.expect(b'}');
            }
            entries(reader, depth)?;
        }
        Some(b'[') => {
            reader.expect(b'[')?;
            if reader.take(b']') {
                return Ok(());
            }
            loop {
                value(reader, depth + 1)?;
                if !reader.take(b',') {
                    return reader.expect(b']');
                }
            }
        }
        Some(b'-' | b'0'..=b'9') => drop(reader.number()?),
        Some(b't') => reader.literal("true")?,
        Some(b'f') => reader.literal("false")?,
        _ => reader.literal("null")?,
    }
    Ok(())
}

fn entries(reader: &mut Reader<'_>, depth: usize) -> Result<(), PayloadError> {
    if reader.take(b'}') {
        return Ok(());
    }
    loop {
        reader.string()?;
        reader.expect(b':')?;
        value(reader, depth + 1)?;
        if !reader.take(b',') {
            return reader.expect(b'}');
        }
    }
}
