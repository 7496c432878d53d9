//! The envelope around a body: version, checksum, compression. Opening it never trusts a byte it has not checked.

use std::borrow::Cow;
use std::cell::RefCell;

use super::{MAX_BODY_BYTES, PayloadError};

/// A buffer to be sealed starts with this many bytes of room for the header.
pub const HEADER_BYTES: usize = 6;
const MAGIC: u8 = 0xD1;
/// Encrypted by `hydra.payload_keys`: then the length of the key's id, and the id.
const ENCRYPTED: u8 = 0xD2;
/// A pointer of `hydra.pointers`: magic, name, size, digest, and behind them why what it points at was not fetched.
const OFFLOADED: u8 = 0xD3;
const SIZE_AT: usize = 32;
const POINTER_BYTES: usize = 72;
const NOT_SET_UP: &str = "this program does not know where; give the URL with `--offload` or `offload=`";
const ZSTD: u8 = 1;
/// Smaller bodies gain too little to pay for the time.
const COMPRESS_FROM_BYTES: usize = 1024;
const COMPRESSION_LEVEL: i32 = 1;

thread_local! {
    static COMPRESSOR: RefCell<Option<zstd::bulk::Compressor<'static>>> = const { RefCell::new(None) };
}

/// Whether a body may be sealed: `limit` is on its size before compression.
pub fn check_size(body: &[u8], limit: usize) -> Result<(), PayloadError> {
    let (size, limit) = (body.len(), limit.min(MAX_BODY_BYTES));
    if size > limit { Err(PayloadError::TooLarge { size, limit }) } else { Ok(()) }
}

/// Turns `header room + body` into a payload. `limit` is as for `check_size`.
pub fn seal(mut buffer: Vec<u8>, limit: usize) -> Result<Vec<u8>, PayloadError> {
    check_size(&buffer[HEADER_BYTES..], limit)?;
    let size = buffer.len() - HEADER_BYTES;
    let mut flags = 0;
    if size >= COMPRESS_FROM_BYTES
        && let Some(compressed) = compress(&buffer[HEADER_BYTES..])
        && compressed.len() + 4 < size
    {
        buffer.truncate(HEADER_BYTES);
        buffer.extend_from_slice(&(size as u32).to_le_bytes());
        buffer.extend_from_slice(&compressed);
        flags = ZSTD;
    }
    buffer[0] = MAGIC;
    buffer[1] = flags;
    let checksum = checksum(&buffer);
    buffer[2..HEADER_BYTES].copy_from_slice(&checksum.to_le_bytes());
    Ok(buffer)
}

/// The body of a payload.
pub fn open(payload: &[u8]) -> Result<Cow<'_, [u8]>, PayloadError> {
    if let &[ENCRYPTED, length, ref rest @ ..] = payload {
        let id = rest.get(..usize::from(length)).unwrap_or(rest);
        return Err(PayloadError::Encrypted(String::from_utf8_lossy(id).into_owned()));
    }
    if payload.first() == Some(&OFFLOADED) {
        return Err(offloaded(payload));
    }
    let &[magic, flags, c0, c1, c2, c3, ref rest @ ..] = payload else {
        return Err(PayloadError::Damaged("it is cut short"));
    };
    if magic != MAGIC {
        return Err(PayloadError::UnknownVersion(magic));
    }
    if u32::from_le_bytes([c0, c1, c2, c3]) != checksum(payload) {
        return Err(PayloadError::Damaged("its checksum does not match"));
    }
    match (flags, rest) {
        (0, body) => Ok(Cow::Borrowed(body)),
        (ZSTD, &[s0, s1, s2, s3, ref compressed @ ..]) => {
            let size = u32::from_le_bytes([s0, s1, s2, s3]) as usize;
            decompress(compressed, size).map(Cow::Owned)
        }
        _ => Err(PayloadError::Damaged("its flags are unknown")),
    }
}

fn offloaded(pointer: &[u8]) -> PayloadError {
    let Some(&size) = pointer.get(SIZE_AT..).and_then(<[u8]>::first_chunk) else {
        return PayloadError::Damaged("it is cut short");
    };
    let why = match pointer.get(POINTER_BYTES..) {
        None | Some([]) => NOT_SET_UP.to_string(),
        Some(reason) => String::from_utf8_lossy(reason).into_owned(),
    };
    PayloadError::Offloaded { size: u64::from_le_bytes(size), why }
}

fn checksum(payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&payload[..2]);
    hasher.update(&payload[HEADER_BYTES..]);
    hasher.finalize()
}

fn compress(body: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = zstd::bulk::Compressor::new(COMPRESSION_LEVEL).ok();
        }
        slot.as_mut()?.compress(body).ok()
    })
}

/// Writes at most `size` bytes, so a small payload cannot unfold into more than it says, nor into more than the bound.
fn decompress(compressed: &[u8], size: usize) -> Result<Vec<u8>, PayloadError> {
    if size > MAX_BODY_BYTES {
        return Err(PayloadError::TooLarge { size, limit: MAX_BODY_BYTES });
    }
    match zstd::bulk::decompress(compressed, size) {
        Ok(body) if body.len() == size => Ok(body),
        _ => Err(PayloadError::Damaged("its compressed body cannot be unpacked")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(body: &[u8]) -> Vec<u8> {
        let buffer = [&[0; HEADER_BYTES], body].concat();
        seal(buffer, MAX_BODY_BYTES).unwrap()
    }

    #[test]
    fn a_body_comes_back_and_large_ones_shrink() {
        for size in [0, 1, 1023, 1024, 100_000] {
            let body = vec![b'x'; size];
            let payload = sealed(&body);
            assert_eq!(open(&payload).unwrap(), body.as_slice());
            assert_eq!(payload.len() < size, size >= COMPRESS_FROM_BYTES);
        }
    }

    #[test]
    fn of_an_encrypted_one_the_key_is_named_however_short_it_was_cut() {
        for (payload, id) in [(&b"\xd2\x02k7rest"[..], "k7"), (b"\xd2\xffk", "k"), (b"\xd2\x00", "")] {
            assert_eq!(open(payload), Err(PayloadError::Encrypted(id.to_string())));
        }
    }

    #[test]
    fn of_an_offloaded_one_the_size_is_told_and_why_it_is_not_here() {
        let pointer = [&b"\xd3hydra-offload:1"[..], &[7; 16], &300_000_u64.to_le_bytes(), &[9; 32]].concat();
        let offloaded = |why: &str| Err(PayloadError::Offloaded { size: 300_000, why: why.to_string() });
        assert_eq!(open(&pointer), offloaded(NOT_SET_UP));
        assert_eq!(open(&[&pointer[..], b"it is gone"].concat()), offloaded("it is gone"));
        assert_eq!(open(&pointer[..30]), Err(PayloadError::Damaged("it is cut short")));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        for size in [40, 5_000] {
            let body: Vec<u8> = (0..size).map(|i| b'a' + (i % 26) as u8).collect();
            let payload = sealed(&body);
            for at in 0..payload.len() {
                for flip in [1, 0x80, 0xff] {
                    let mut broken = payload.clone();
                    broken[at] ^= flip;
                    assert!(open(&broken).is_err());
                }
                assert!(open(&payload[..at]).is_err());
            }
        }
    }

    #[test]
    fn a_bomb_cannot_unfold_beyond_what_it_says() {
        let mut bomb = sealed(&vec![0; 10 << 20]);
        bomb[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&1000_u32.to_le_bytes());
        let honest = checksum(&bomb);
        bomb[2..HEADER_BYTES].copy_from_slice(&honest.to_le_bytes());
        assert_eq!(open(&bomb), Err(PayloadError::Damaged("its compressed body cannot be unpacked")));
    }

    #[test]
    fn too_large_names_both_sizes() {
        let error = seal(vec![0; HEADER_BYTES + 11], 10).unwrap_err();
        assert_eq!(error, PayloadError::TooLarge { size: 11, limit: 10 });
    }
}
