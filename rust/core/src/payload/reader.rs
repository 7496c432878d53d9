//! Reads the body's JSON from left to right; whoever builds values calls the method that fits the next byte.
//!
//! It accepts exactly what the writer writes (no white space) and never panics, whatever it is given.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::PayloadError;

type Result<T> = std::result::Result<T, PayloadError>;

pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

/// A string as it was written.
#[derive(Debug, PartialEq, Eq)]
pub enum Text<'a> {
    Plain(&'a str),
    Unescaped(String),
    /// Holds lone surrogates, three bytes each.
    Surrogates(Vec<u8>),
}

#[derive(Debug, PartialEq)]
pub enum Number<'a> {
    Int(i64),
    /// The digits of an int outside 64 bits.
    LongInt(&'a str),
    Float(f64),
}

/// What the writer's `bytes` wrote.
pub fn bytes_from_text(text: &str) -> Result<Vec<u8>> {
    STANDARD.decode(text).map_err(|_| damaged("malformed bytes"))
}

const fn damaged(what: &'static str) -> PayloadError {
    PayloadError::Damaged(what)
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Result<Self> {
        match std::str::from_utf8(body) {
            Ok(text) => Ok(Self { text, at: 0 }),
            Err(_) => Err(damaged("the body is not UTF-8")),
        }
    }

    #[inline]
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes `byte` if it is next.
    #[inline]
    pub fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    #[inline]
    pub fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(damaged("the body is not the JSON hydra writes")) }
    }

    pub fn literal(&mut self, word: &'static str) -> Result<()> {
        if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            Ok(())
        } else {
            Err(damaged("an unknown literal"))
        }
    }

    pub fn end(&self) -> Result<()> {
        if self.at == self.text.len() { Ok(()) } else { Err(damaged("something follows the value")) }
    }

    /// After `{`: takes `"$tag":` and returns the tag, or takes nothing when a plain object begins.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<&'a str>> {
        if !self.text.as_bytes()[self.at..].starts_with(b"\"$") {
            return Ok(None);
        }
        match self.string()? {
            Text::Plain(tag) => {
                self.expect(b':')?;
                Ok(Some(tag))
            }
            _ => Err(damaged("an unknown tag")),
        }
    }

    pub fn number(&mut self) -> Result<Number<'a>> {
        let rest = &self.text.as_bytes()[self.at..];
        let mut length = 0;
        let mut is_float = false;
        while let Some(&byte) = rest.get(length) {
            match byte {
                b'0'..=b'9' | b'-' => {}
                b'.' | b'e' | b'E' | b'+' => is_float = true,
                _ => break,
            }
            length += 1;
        }
        let digits = &self.text[self.at..self.at + length];
        self.at += length;
        if is_float {
            return digits.parse().map(Number::Float).map_err(|_| damaged("a malformed number"));
        }
        if let Ok(value) = digits.parse() {
            return Ok(Number::Int(value));
        }
        let magnitude = digits.strip_prefix('-').unwrap_or(digits);
        if magnitude.is_empty() || magnitude.contains('-') {
            return Err(damaged("a malformed number"));
        }
        Ok(Number::LongInt(digits))
    }

    #[inline]
    pub fn string(&mut self) -> Result<Text<'a>> {
        self.expect(b'"')?;
        let start = self.at;
        let found = memchr::memchr2(b'"', b'\\', &self.text.as_bytes()[start..]);
        let end = start + found.ok_or(damaged("a string without an end"))?;
        if self.text.as_bytes()[end] == b'"' {
            self.at = end + 1;
            return Ok(Text::Plain(&self.text[start..end]));
        }
        self.escaped_string(start, end)
    }

    fn escaped_string(&mut self, start: usize, first_escape: usize) -> Result<Text<'a>> {
        let bytes = self.text.as_bytes();
        let mut out = Vec::with_capacity(2 * (first_escape - start) + 16);
        let mut has_surrogates = false;
        let mut from = start;
        let mut at = first_escape;
        loop {
            out.extend_from_slice(&bytes[from..at]);
            if bytes[at] == b'"' {
                break;
            }
            let escape = *bytes.get(at + 1).ok_or(damaged("a string without an end"))?;
            from = at + 2;
            match escape {
                b'"' | b'\\' | b'/' => out.push(escape),
                b'n' => out.push(b'\n'),
                b'r' => out.push(b'\r'),
                b't' => out.push(b'\t'),
                b'u' => {
                    let unit = self.text.get(from..from + 4).and_then(|hex| u16::from_str_radix(hex, 16).ok());
                    let unit = unit.ok_or(damaged("a malformed escape"))?;
                    from += 4;
                    match char::from_u32(u32::from(unit)) {
                        Some(character) => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                        None => {
                            has_surrogates = true;
                            out.extend([0xED, 0x80 | (unit >> 6 & 0x3F) as u8, 0x80 | (unit & 0x3F) as u8]);
                        }
                    }
                }
                _ => return Err(damaged("a malformed escape")),
            }
            let found = memchr::memchr2(b'"', b'\\', &bytes[from..]);
            at = from + found.ok_or(damaged("a string without an end"))?;
        }
        self.at = at + 1;
        if has_surrogates {
            return Ok(Text::Surrogates(out));
        }
        String::from_utf8(out).map(Text::Unescaped).map_err(|_| damaged("a string is not UTF-8"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::writer::Writer;

    #[test]
    fn numbers_keep_their_kind() {
        let number = |text: &'static str| Reader::new(text.as_bytes()).unwrap().number();
        assert_eq!(number("1"), Ok(Number::Int(1)));
        assert_eq!(number("1.0"), Ok(Number::Float(1.0)));
        assert_eq!(number("-9223372036854775808"), Ok(Number::Int(i64::MIN)));
        assert_eq!(number("9223372036854775808"), Ok(Number::LongInt("9223372036854775808")));
        for broken in ["-", "", "1-1", "--1", "1e", "1.1.1"] {
            assert!(number(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn strings_come_back() {
        for source in ["", "plain", "é\"\\\n\u{0}\u{1f}𝄞"] {
            let mut writer = Writer::default();
            writer.string(source);
            let text = match Reader::new(&writer.buffer).unwrap().string().unwrap() {
                Text::Plain(text) => text.to_owned(),
                Text::Unescaped(text) => text,
                Text::Surrogates(_) => panic!("no surrogates were written"),
            };
            assert_eq!(text, source);
        }
    }

    #[test]
    fn lone_surrogates_come_back() {
        let wtf8 = vec![b'a', 0xED, 0xA0, 0x80, 0xED, 0xBF, 0xBF];
        let mut writer = Writer::default();
        writer.string_with_surrogates(&wtf8);
        assert_eq!(Reader::new(&writer.buffer).unwrap().string(), Ok(Text::Surrogates(wtf8)));
    }

    #[test]
    fn cut_strings_are_errors() {
        for broken in ["\"", "\"a\\", "\"a\\u12", "\"a\\u12\"", "\"\\x\"", "\"\\uzzzz\""] {
            assert!(Reader::new(broken.as_bytes()).unwrap().string().is_err(), "{broken}");
        }
    }
}
