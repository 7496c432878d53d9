//! Payloads: a JSON-readable body with tagged types, in an envelope with a checksum and zstd.
//!
//! ```text
//! byte 0      magic and version (0xD1)
//! byte 1      flags: bit 0 = the body is zstd
//! bytes 2-5   crc32 of byte 0, byte 1 and everything from byte 6 on, little-endian
//! (bytes 6-9  length of the body before zstd, little-endian, only if compressed)
//! the rest    the body: JSON without white space; `{"$tag":…}` stands for what JSON lacks
//! ```
//!
//! The body keeps a dict's order. Its digest does not see that order, nor compression, nor class names.
//!
//! ```text
//! {"$enum":["module:Class",value]}         with the member's name behind the value where that may not find it again
//! {"$object":["module:Class",{fields}]}    with a dict behind the fields of what else the object carries
//! {"$namedtuple":["module:Class",[items]]}
//! {"$known":["collections:deque",parts]}   a class of Python's own, made again from plain parts
//! ```

pub mod canonical;
pub mod envelope;
pub mod reader;
pub mod writer;

use thiserror::Error;

/// How deep values may nest. Deeper is refused, which also ends cycles before the stack does.
pub const MAX_DEPTH: usize = 512;
/// How deep objects of users' classes may nest: making them again takes several frames of Python's each.
pub const MAX_OBJECT_DEPTH: usize = 100;
/// No body may be larger than this, whatever limit a caller sets; it bounds what decoding can allocate.
pub const MAX_BODY_BYTES: usize = 1 << 30;

/// What stands in a tagged object. The names are the format: never change one.
pub mod tag {
    pub const BYTES: &str = "$bytes";
    pub const BYTEARRAY: &str = "$bytearray";
    pub const DATE: &str = "$date";
    pub const DATETIME: &str = "$datetime";
    pub const DECIMAL: &str = "$decimal";
    pub const DICT: &str = "$dict";
    pub const ENUM: &str = "$enum";
    pub const FLOAT: &str = "$float";
    pub const FROZENSET: &str = "$frozenset";
    pub const INT: &str = "$int";
    pub const KNOWN: &str = "$known";
    pub const NAMEDTUPLE: &str = "$namedtuple";
    pub const OBJECT: &str = "$object";
    pub const SET: &str = "$set";
    pub const TIME: &str = "$time";
    pub const TIMEDELTA: &str = "$timedelta";
    pub const TUPLE: &str = "$tuple";
    pub const UUID: &str = "$uuid";
}

#[derive(Debug, Error, PartialEq, Eq)]
pub enum PayloadError {
    #[error("payload is damaged: {0}")]
    Damaged(&'static str),
    #[error("payload has version byte {0:#04x}, which this hydra cannot read")]
    UnknownVersion(u8),
    #[error(
        "it is encrypted with the payload key `{0}` and does not open here; give the right one with `--payload-keys` or `payload_keys=`"
    )]
    Encrypted(String),
    #[error("its {size} bytes are offloaded, and {why}")]
    Offloaded { size: u64, why: String },
    #[error("payload of {size} bytes exceeds the limit of {limit} bytes")]
    TooLarge { size: usize, limit: usize },
    #[error("payload exceeds the limit of {limit} bytes")]
    Unbounded { limit: usize },
}
