//! Appends JSON text to a buffer: the leaves of a body and the brackets around them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A body in the making. Whoever walks the values calls the methods in document order.
#[derive(Default)]
pub struct Writer {
    pub buffer: Vec<u8>,
    /// True once something was written whose order or name the digest must not see.
    pub needs_canonical: bool,
}

impl Writer {
    pub fn with_capacity(capacity: usize) -> Self {
        Self { buffer: Vec::with_capacity(capacity), needs_canonical: false }
    }

    #[inline]
    pub fn raw(&mut self, text: &[u8]) {
        self.buffer.extend_from_slice(text);
    }

    #[inline]
    pub fn byte(&mut self, byte: u8) {
        self.buffer.push(byte);
    }

    /// `{"$tag":`, to be closed by `}` after the value.
    #[inline]
    pub fn open_tag(&mut self, tag: &str) {
        self.raw(b"{\"");
        self.raw(tag.as_bytes());
        self.raw(b"\":");
    }

    /// A tag whose value is a string that needs no escaping.
    #[inline]
    pub fn tagged_plain(&mut self, tag: &str, text: &str) {
        self.open_tag(tag);
        self.byte(b'"');
        self.raw(text.as_bytes());
        self.raw(b"\"}");
    }

    #[inline]
    pub fn int(&mut self, value: i64) {
        self.raw(itoa::Buffer::new().format(value).as_bytes());
    }

    /// A float always shows a point or an exponent, so that it is never read as an int.
    #[inline]
    pub fn float(&mut self, value: f64) {
        if value.is_finite() {
            self.raw(ryu::Buffer::new().format_finite(value).as_bytes());
        } else if value.is_nan() {
            self.tagged_plain(super::tag::FLOAT, "nan");
        } else {
            self.tagged_plain(super::tag::FLOAT, if value > 0.0 { "inf" } else { "-inf" });
        }
    }

    #[inline]
    pub fn string(&mut self, text: &str) {
        self.byte(b'"');
        self.escaped(text.as_bytes());
        self.byte(b'"');
    }

    /// A string with lone surrogates, given as UTF-8 in which they take three bytes each (WTF-8).
    pub fn string_with_surrogates(&mut self, wtf8: &[u8]) {
        self.byte(b'"');
        let mut rest = wtf8;
        while let Some(at) = memchr::memchr(0xED, rest) {
            let (before, from) = rest.split_at(at);
            self.escaped(before);
            match from {
                [_, second @ 0xA0..=0xBF, third, after @ ..] => {
                    let unit = 0xD000 | (u16::from(second & 0x3F) << 6) | u16::from(third & 0x3F);
                    self.unicode_escape(unit);
                    rest = after;
                }
                [first, after @ ..] => {
                    self.byte(*first);
                    rest = after;
                }
                [] => rest = from,
            }
        }
        self.escaped(rest);
        self.byte(b'"');
    }

    pub fn bytes(&mut self, tag: &str, value: &[u8]) {
        self.tagged_plain(tag, &STANDARD.encode(value));
    }

    /// Escapes `"`, `\` and control characters; everything else stays UTF-8.
    fn escaped(&mut self, text: &[u8]) {
        let mut start = 0;
        let mut at = 0;
        while at < text.len() {
            // Eight bytes at a time while none of them needs an escape.
            while let Some(chunk) = text.get(at..at + 8) {
                let mut word = [0; 8];
                word.copy_from_slice(chunk);
                if has_special(u64::from_le_bytes(word)) {
                    break;
                }
                at += 8;
            }
            let Some(&byte) = text.get(at) else { break };
            if byte >= 0x20 && byte != b'"' && byte != b'\\' {
                at += 1;
                continue;
            }
            self.raw(&text[start..at]);
            match byte {
                b'"' => self.raw(b"\\\""),
                b'\\' => self.raw(b"\\\\"),
                b'\n' => self.raw(b"\\n"),
                b'\r' => self.raw(b"\\r"),
                b'\t' => self.raw(b"\\t"),
                other => self.unicode_escape(u16::from(other)),
            }
            at += 1;
            start = at;
        }
        self.raw(&text[start..]);
    }

    fn unicode_escape(&mut self, unit: u16) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        self.raw(b"\\u");
        for shift in [12, 8, 4, 0] {
            self.byte(DIGITS[usize::from((unit >> shift) & 15)]);
        }
    }
}

/// Whether any byte of the word is below 0x20, a quote or a backslash (exact: no false alarm matters, none is missed).
#[inline]
fn has_special(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let zero_in = |value: u64| value.wrapping_sub(ONES) & !value & HIGHS;
    let control = word.wrapping_sub(ONES * 0x20) & !word & HIGHS;
    (control | zero_in(word ^ (ONES * u64::from(b'"'))) | zero_in(word ^ (ONES * u64::from(b'\\')))) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Writer)) -> String {
        let mut writer = Writer::default();
        write(&mut writer);
        String::from_utf8(writer.buffer).unwrap()
    }

    #[test]
    fn floats_never_look_like_ints() {
        assert_eq!(text(|w| w.float(1.0)), "1.0");
        assert_eq!(text(|w| w.float(-0.0)), "-0.0");
        assert_eq!(text(|w| w.float(1e300)), "1e300");
        assert_eq!(text(|w| w.float(f64::NAN)), r#"{"$float":"nan"}"#);
    }

    #[test]
    fn every_special_character_is_escaped_wherever_it_stands() {
        for offset in 0..20 {
            for special in ["\"", "\\", "\n", "\u{1}"] {
                let source = format!("{}{special}{}", "x".repeat(offset), "é".repeat(9));
                let written = text(|w| w.string(&source));
                assert!(written.is_char_boundary(offset + 1));
                assert_eq!(written.as_bytes()[offset + 1], b'\\', "{written}");
            }
        }
    }

    #[test]
    fn lone_surrogates_become_escapes() {
        let wtf8 = [b'a', 0xED, 0xA0, 0x80, 0xED, 0x95, 0x9C, b'"'];
        assert_eq!(text(|w| w.string_with_surrogates(&wtf8)), "\"a\\ud800한\\\"\"");
    }
}
