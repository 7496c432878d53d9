//! The digest of a body: equal for equal values, whatever the order of their dicts and sets.
//!
//! Class names are left out too (`{"$object":["app:Card",{…}]}` counts as `{…}`), and what stands behind an object's
//! fields, so renaming or moving a class does not make a recorded call look like another one.
//!
//! Nothing is copied to put it in order: a text in order is a chain of pieces of `out`. So the time grows with the size
//! of the body (and the logarithm of how much lies in one dict), however deep it is nested.

use std::cmp::Ordering;
use std::ops::Range;

use xxhash_rust::xxh3::{Xxh3Default, xxh3_128};

pub const DIGEST_BYTES: usize = 16;

/// The digest of a body that a writer has just written; `needs_canonical` comes from that writer.
pub fn digest(body: &[u8], needs_canonical: bool) -> [u8; DIGEST_BYTES] {
    if !needs_canonical {
        return xxh3_128(body).to_be_bytes();
    }
    let mut sorter = Sorter::new(body);
    let chain = sorter.value();
    let mut hasher = Xxh3Default::new();
    pieces_of(&sorter.out, &sorter.pieces, chain).for_each(|piece| hasher.update(piece));
    hasher.digest128().to_be_bytes()
}

/// A piece of `out`, and the number of the piece that follows.
#[derive(Clone, Copy)]
struct Piece {
    start: usize,
    end: usize,
    next: usize,
}

/// The first and the last piece of a text.
#[derive(Clone, Copy)]
struct Chain {
    first: usize,
    last: usize,
}

const END: usize = usize::MAX;

struct Sorter<'a> {
    body: &'a [u8],
    at: usize,
    out: Vec<u8>,
    pieces: Vec<Piece>,
    /// The entries of the containers that are open; a stack shared by all levels.
    entries: Vec<Chain>,
}

impl<'a> Sorter<'a> {
    fn new(body: &'a [u8]) -> Self {
        let out = Vec::with_capacity(body.len() + 1);
        Self { body, at: 0, out, pieces: Vec::new(), entries: Vec::new() }
    }

    fn value(&mut self) -> Chain {
        match self.body.get(self.at) {
            Some(b'{') if self.body[self.at + 1..].starts_with(b"\"$") => self.tagged(),
            Some(b'{') => self.container(),
            Some(b'[') => self.list(),
            Some(b'"') => self.string(),
            _ => self.scalar(),
        }
    }

    fn tagged(&mut self) -> Chain {
        self.at += 1;
        let tag_end = self.at + 1 + memchr::memchr(b'"', &self.body[self.at + 1..]).unwrap_or(0);
        let tag = &self.body[self.at + 1..tag_end];
        self.at = tag_end + 2;
        let chain = match tag {
            b"$object" | b"$enum" => self.named_value(),
            b"$namedtuple" => self.wrapped(b"$tuple", Self::named_value),
            // It was written as bytes once.
            b"$bytearray" => self.wrapped(b"$bytes", Self::value),
            b"$dict" | b"$set" | b"$frozenset" => self.wrapped(tag, Self::container),
            _ => self.wrapped(tag, Self::value),
        };
        self.at += 1;
        chain
    }

    fn wrapped(&mut self, tag: &[u8], value: impl FnOnce(&mut Self) -> Chain) -> Chain {
        let start = self.out.len();
        self.out.extend_from_slice(b"{\"");
        self.out.extend_from_slice(tag);
        self.out.extend_from_slice(b"\":");
        let opening = start..self.out.len();
        let value = value(self);
        let chain = self.preceded(opening, value);
        self.followed(chain, b'}')
    }

    /// `["name",value]`, or with more behind the value: only the value counts.
    fn named_value(&mut self) -> Chain {
        self.at += 1;
        self.skip_string();
        self.at += 1;
        let chain = self.value();
        if self.body.get(self.at) == Some(&b',') {
            self.at += 1;
            self.value();
        }
        self.at += 1;
        chain
    }

    fn list(&mut self) -> Chain {
        self.at += 1;
        let start = self.out.len();
        self.out.push(b'[');
        let mut chain = None;
        while !matches!(self.body.get(self.at), Some(b']') | None) {
            let value = self.value();
            chain = Some(match chain {
                None => self.preceded(start..start + 1, value),
                Some(before) => self.joined(before, value),
            });
            if self.body.get(self.at) == Some(&b',') {
                self.at += 1;
                chain = chain.map(|before| self.followed(before, b','));
            }
        }
        self.at += 1;
        let chain = chain.unwrap_or_else(|| self.piece(start, start + 1));
        self.followed(chain, b']')
    }

    /// An object, or an array whose order does not count: its entries are laid down one after the other, then chained
    /// in order.
    fn container(&mut self) -> Chain {
        let opening = self.body[self.at];
        let closing = if opening == b'{' { b'}' } else { b']' };
        self.at += 1;
        let start = self.out.len();
        self.out.push(opening);
        let first_entry = self.entries.len();
        while !matches!(self.body.get(self.at), Some(b'}' | b']') | None) {
            let entry = if opening == b'{' { self.keyed_value() } else { self.value() };
            self.entries.push(entry);
            if self.body.get(self.at) == Some(&b',') {
                self.at += 1;
                // In order it is where it belongs; else another comma is as good.
                self.out.push(b',');
            }
        }
        self.at += 1;
        let Self { out, pieces, entries, .. } = self;
        entries[first_entry..].sort_unstable_by(|left, right| compared(out, pieces, *left, *right));
        let Some(&first) = self.entries.get(first_entry) else {
            let empty = self.piece(start, start + 1);
            return self.followed(empty, closing);
        };
        let mut chain = self.preceded(start..start + 1, first);
        for index in first_entry + 1..self.entries.len() {
            chain = self.followed(chain, b',');
            chain = self.joined(chain, self.entries[index]);
        }
        self.entries.truncate(first_entry);
        self.followed(chain, closing)
    }

    fn keyed_value(&mut self) -> Chain {
        let (start, at) = (self.out.len(), self.at);
        self.skip_string();
        self.at += 1;
        self.out.extend_from_slice(self.body.get(at..self.at).unwrap_or_default());
        let key = start..self.out.len();
        let value = self.value();
        self.preceded(key, value)
    }

    /// A text with one more byte at its end: the one that lies there already, or a new one.
    fn followed(&mut self, chain: Chain, byte: u8) -> Chain {
        let end = self.pieces[chain.last].end;
        if self.out.get(end) == Some(&byte) {
            self.pieces[chain.last].end += 1;
            return chain;
        }
        self.out.push(byte);
        let last = self.out.len();
        if end + 1 == last {
            self.pieces[chain.last].end = last;
            return chain;
        }
        let added = self.piece(last - 1, last);
        self.joined(chain, added)
    }

    /// A text behind what was written to `out` for it.
    fn preceded(&mut self, before: Range<usize>, chain: Chain) -> Chain {
        if self.pieces[chain.first].start == before.end {
            self.pieces[chain.first].start = before.start;
            return chain;
        }
        let opening = self.piece(before.start, before.end);
        self.joined(opening, chain)
    }

    fn string(&mut self) -> Chain {
        let start = self.at;
        self.skip_string();
        self.copied(start)
    }

    fn skip_string(&mut self) {
        self.at += 1;
        while let Some(step) = memchr::memchr2(b'"', b'\\', self.body.get(self.at..).unwrap_or_default()) {
            self.at += step;
            if self.body[self.at] == b'"' {
                break;
            }
            self.at += 2;
        }
        self.at = (self.at + 1).min(self.body.len());
    }

    fn scalar(&mut self) -> Chain {
        let start = self.at;
        let rest = self.body.get(start..).unwrap_or_default();
        self.at += rest.iter().position(|byte| matches!(byte, b',' | b':' | b']' | b'}')).unwrap_or(rest.len());
        self.copied(start)
    }

    fn copied(&mut self, from: usize) -> Chain {
        let start = self.out.len();
        self.out.extend_from_slice(self.body.get(from..self.at).unwrap_or_default());
        self.piece(start, self.out.len())
    }

    fn piece(&mut self, start: usize, end: usize) -> Chain {
        let number = self.pieces.len();
        self.pieces.push(Piece { start, end, next: END });
        Chain { first: number, last: number }
    }

    /// Both texts, one after the other; one piece where they lie so.
    fn joined(&mut self, left: Chain, right: Chain) -> Chain {
        let Piece { start, end, next } = self.pieces[right.first];
        let last = &mut self.pieces[left.last];
        if last.end != start {
            last.next = right.first;
            return Chain { first: left.first, last: right.last };
        }
        (last.end, last.next) = (end, next);
        if right.first + 1 == self.pieces.len() {
            self.pieces.pop();
        }
        Chain { first: left.first, last: if next == END { left.last } else { right.last } }
    }
}

fn pieces_of<'a>(out: &'a [u8], pieces: &'a [Piece], chain: Chain) -> impl Iterator<Item = &'a [u8]> {
    let mut number = chain.first;
    std::iter::from_fn(move || {
        let Piece { start, end, next } = *pieces.get(number)?;
        number = next;
        Some(&out[start..end])
    })
}

/// Two texts by their bytes; costs no more than the shorter of both.
fn compared(out: &[u8], pieces: &[Piece], left: Chain, right: Chain) -> Ordering {
    let (mut lefts, mut rights) = (pieces_of(out, pieces, left), pieces_of(out, pieces, right));
    let (mut one, mut other): (&[u8], &[u8]) = (&[], &[]);
    loop {
        while one.is_empty() {
            match lefts.next() {
                Some(piece) => one = piece,
                None => {
                    let is_longer = !other.is_empty() || rights.any(|piece| !piece.is_empty());
                    return if is_longer { Ordering::Less } else { Ordering::Equal };
                }
            }
        }
        while other.is_empty() {
            match rights.next() {
                Some(piece) => other = piece,
                None => return Ordering::Greater,
            }
        }
        let length = one.len().min(other.len());
        match one[..length].cmp(&other[..length]) {
            Ordering::Equal => (one, other) = (&one[length..], &other[length..]),
            order => return order,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body with the entries of every dict and set sorted by their text.
    fn canonical(body: &[u8]) -> Vec<u8> {
        let mut sorter = Sorter::new(body);
        let chain = sorter.value();
        pieces_of(&sorter.out, &sorter.pieces, chain).collect::<Vec<_>>().concat()
    }

    fn same(left: &str, right: &str) -> bool {
        canonical(left.as_bytes()) == canonical(right.as_bytes())
    }

    #[test]
    fn order_in_dicts_and_sets_is_not_seen_and_order_in_lists_is() {
        assert!(same(r#"{"a":1,"b":[{"d":1,"c":"}\""}]}"#, r#"{"b":[{"c":"}\"","d":1}],"a":1}"#));
        assert!(same(r#"{"$set":[1,2]}"#, r#"{"$set":[2,1]}"#));
        assert!(same(r#"{"$dict":[[1,2],[3,4]]}"#, r#"{"$dict":[[3,4],[1,2]]}"#));
        assert!(!same(r#"{"$dict":[[1,2]]}"#, r#"{"$dict":[[2,1]]}"#));
        assert!(!same("[1,2]", "[2,1]"));
        assert!(!same(r#"{"$tuple":[1,2]}"#, r#"{"$tuple":[2,1]}"#));
    }

    #[test]
    fn a_body_in_order_is_its_own_canonical_form() {
        for body in [r#"{"a":[],"b":{},"c":[1,{"d":{"$set":["x"]}}],"e":{"$dict":[[1,2.5]]}}"#, "[]", "{}", "null"] {
            assert_eq!(canonical(body.as_bytes()), body.as_bytes(), "{body}");
        }
    }

    #[test]
    fn a_class_name_is_not_seen() {
        assert!(same(r#"[{"$object":["app:Card",{"b":1,"a":{"$enum":["x:Y","r"]}}]}]"#, r#"[{"a":"r","b":1}]"#));
        assert!(same(r#"{"$namedtuple":["app:P",[1,2]]}"#, r#"{"$tuple":[1,2]}"#));
    }

    #[test]
    fn kinds_stay_apart() {
        assert!(!same("1", "1.0"));
        assert!(!same(r#""1""#, "1"));
        assert!(!same("[]", "{}"));
        assert!(!same("[[],[]]", "[[[]]]"));
    }
}
