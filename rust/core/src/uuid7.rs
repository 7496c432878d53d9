//! Ids ordered by time (RFC 9562, version 7), strictly increasing within a process and safe after a fork.
//!
//! The 74 bits after the millisecond start at random and grow by a random amount within it, so two
//! processes collide no more often than chance, and one process never goes backwards, even if its clock does.

use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

const POOL_BYTES: usize = 512;
const TAIL_BITS: u32 = 74;

struct Generator {
    pid: u32,
    millisecond: u64,
    tail: u128,
    pool: [u8; POOL_BYTES],
    pool_used: usize,
}

static GENERATOR: Mutex<Generator> =
    Mutex::new(Generator { pid: 0, millisecond: 0, tail: 0, pool: [0; POOL_BYTES], pool_used: POOL_BYTES });

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoRandomness(getrandom::Error);

/// `count` ids in ascending order, each as its 128-bit number.
pub fn generate(count: usize) -> Result<Vec<u128>, NoRandomness> {
    let pid = std::process::id();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as u64);
    let mut generator = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    if generator.pid != pid {
        // A forked child inherits the parent's pool and counter; both must be drawn again.
        *generator = Generator { pid, millisecond: 0, tail: 0, pool: [0; POOL_BYTES], pool_used: POOL_BYTES };
    }
    (0..count).map(|_| generator.next(now)).collect()
}

/// The 36-character form.
pub fn format(id: u128) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(36);
    for (index, byte) in id.to_be_bytes().iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push(DIGITS[usize::from(byte >> 4)] as char);
        text.push(DIGITS[usize::from(byte & 15)] as char);
    }
    text
}

/// The number behind a 36-character (or 32-digit) form.
pub fn parse(text: &str) -> Option<u128> {
    let digits = text.bytes().filter(|byte| *byte != b'-');
    let mut id = 0_u128;
    let mut count = 0;
    for digit in digits {
        id = (id << 4) | u128::from((digit as char).to_digit(16)?);
        count += 1;
        if count > 32 {
            return None;
        }
    }
    (count == 32).then_some(id)
}

impl Generator {
    fn next(&mut self, now: u64) -> Result<u128, NoRandomness> {
        if now > self.millisecond {
            self.millisecond = now;
            let high = u128::from(self.random()?);
            let low = u128::from(self.random()?);
            // The top bit starts at 0 so that a millisecond has room to count in.
            self.tail = ((high << 64) | low) >> (128 - TAIL_BITS + 1);
        } else {
            self.tail += 1 + u128::from(self.random()? & 0xffff_ffff);
            if self.tail >> TAIL_BITS != 0 {
                self.millisecond += 1;
                self.tail &= (1 << (TAIL_BITS - 1)) - 1;
            }
        }
        let high = self.tail >> 62;
        let low = self.tail & ((1 << 62) - 1);
        Ok((u128::from(self.millisecond) << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)
    }

    fn random(&mut self) -> Result<u64, NoRandomness> {
        if self.pool_used + 8 > POOL_BYTES {
            getrandom::fill(&mut self.pool).map_err(NoRandomness)?;
            self.pool_used = 0;
        }
        let mut word = [0; 8];
        word.copy_from_slice(&self.pool[self.pool_used..self.pool_used + 8]);
        self.pool_used += 8;
        Ok(u64::from_le_bytes(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_ascend_and_carry_version_and_variant() {
        let ids = generate(10_000).unwrap();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        for id in ids {
            assert_eq!(((id >> 76) & 15, (id >> 62) & 3), (7, 2));
        }
    }

    #[test]
    fn a_clock_that_steps_back_does_not_reorder_ids() {
        let mut generator = Generator { pid: 1, millisecond: 0, tail: 0, pool: [0; POOL_BYTES], pool_used: POOL_BYTES };
        let first = generator.next(1_000).unwrap();
        assert!(generator.next(10).unwrap() > first);
    }

    #[test]
    fn the_text_form_is_read_back() {
        let id = generate(1).unwrap()[0];
        assert_eq!(format(id).len(), 36);
        assert_eq!(parse(&format(id)), Some(id));
        assert_eq!(parse("no"), None);
    }
}
