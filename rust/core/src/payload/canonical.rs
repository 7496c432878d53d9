//! The digest of a body: equal for equal values, whatever the order of their dicts and sets.
//!
//! Class names are left out too (`{"$object":["app:Card",{…}]}` counts as `{…}`), so renaming or moving a
//! class does not make a recorded call look like another one.

use xxhash_rust::xxh3::xxh3_128;

pub const DIGEST_BYTES: usize = 16;

/// The digest of a body that a writer has just written; `needs_canonical` comes from that writer.
pub fn digest(body: &[u8], needs_canonical: bool) -> [u8; DIGEST_BYTES] {
    if needs_canonical { xxh3_128(&canonical(body)).to_be_bytes() } else { xxh3_128(body).to_be_bytes() }
}

/// The body with the entries of every dict and set sorted by their text.
fn canonical(body: &[u8]) -> Vec<u8> {
    let mut sorter =
        Sorter { body, at: 0, out: Vec::with_capacity(body.len()), spans: Vec::new(), scratch: Vec::new() };
    sorter.value();
    sorter.out
}

struct Sorter<'a> {
    body: &'a [u8],
    at: usize,
    out: Vec<u8>,
    /// Where the entries of the containers that are open lie in `out`; a stack shared by all levels.
    spans: Vec<(usize, usize)>,
    scratch: Vec<u8>,
}

impl Sorter<'_> {
    fn value(&mut self) {
        match self.body.get(self.at) {
            Some(b'{') if self.body[self.at + 1..].starts_with(b"\"$") => self.tagged(),
            Some(b'{') => self.entries(true),
            Some(b'[') => self.entries(false),
            Some(b'"') => self.string(),
            _ => self.scalar(),
        }
    }

    fn tagged(&mut self) {
        let start = self.at;
        self.at += 1;
        let tag_end = self.at + 1 + memchr::memchr(b'"', &self.body[self.at + 1..]).unwrap_or(0);
        let tag = &self.body[self.at + 1..tag_end];
        self.at = tag_end + 2;
        match tag {
            b"$object" | b"$enum" => self.named_value(),
            b"$namedtuple" => {
                self.out.extend_from_slice(b"{\"$tuple\":");
                self.named_value();
                self.out.push(b'}');
            }
            _ => {
                let body = self.body;
                self.out.extend_from_slice(&body[start..self.at]);
                if matches!(tag, b"$dict" | b"$set" | b"$frozenset") {
                    self.entries(true);
                } else {
                    self.value();
                }
                self.out.push(b'}');
            }
        }
        self.at += 1;
    }

    /// `["name",value]`: only the value counts.
    fn named_value(&mut self) {
        let kept = self.out.len();
        self.at += 1;
        self.string();
        self.out.truncate(kept);
        self.at += 1;
        self.value();
        self.at += 1;
    }

    /// An object or array: its entries are laid down one after the other, then put in order.
    fn entries(&mut self, sort: bool) {
        let opening = self.body[self.at];
        self.at += 1;
        self.out.push(opening);
        let first_span = self.spans.len();
        let first_byte = self.out.len();
        while !matches!(self.body.get(self.at), Some(b'}' | b']') | None) {
            let start = self.out.len();
            self.value();
            if opening == b'{' {
                self.out.push(b':');
                self.at += 1;
                self.value();
            }
            self.spans.push((start, self.out.len()));
            self.at += usize::from(self.body.get(self.at) == Some(&b','));
        }
        self.at += 1;
        if sort {
            let out = &self.out;
            self.spans[first_span..].sort_unstable_by(|a, b| out[a.0..a.1].cmp(&out[b.0..b.1]));
        }
        self.scratch.clear();
        for (start, end) in self.spans.drain(first_span..) {
            self.scratch.extend_from_slice(&self.out[start..end]);
            self.scratch.push(b',');
        }
        self.scratch.pop();
        self.out.truncate(first_byte);
        self.out.extend_from_slice(&self.scratch);
        self.out.push(if opening == b'{' { b'}' } else { b']' });
    }

    fn string(&mut self) {
        let start = self.at;
        self.at += 1;
        while let Some(step) = memchr::memchr2(b'"', b'\\', &self.body[self.at..]) {
            self.at += step;
            if self.body[self.at] == b'"' {
                break;
            }
            self.at += 2;
        }
        self.at += 1;
        self.out.extend_from_slice(&self.body[start..self.at]);
    }

    fn scalar(&mut self) {
        let rest = &self.body[self.at..];
        let length = rest.iter().position(|byte| matches!(byte, b',' | b':' | b']' | b'}')).unwrap_or(rest.len());
        self.out.extend_from_slice(&rest[..length]);
        self.at += length;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
