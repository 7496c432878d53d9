//! A digest sees what a value is, and not the order of its dicts and sets, nor names of classes; in linear time.
#![no_main]

use arbitrary::Arbitrary;
use hydra_core::payload::canonical::digest;
use hydra_core::payload::writer::Writer;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug, Clone)]
enum Value {
    Null,
    Int(i64),
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    ByteArray(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Set(Vec<Value>),
    Dict(Vec<(String, Value)>),
    Pairs(Vec<(Value, Value)>),
    Object(String, Vec<(String, Value)>, bool),
    NamedTuple(String, Vec<Value>),
}

/// How one of two bodies of the same value is written.
#[derive(Clone, Copy)]
struct Style {
    is_reversed: bool,
    suffix: &'static str,
}

fuzz_target!(|value: Value| {
    let body = |style| {
        let mut writer = Writer::default();
        write(&mut writer, &value, style);
        writer.buffer
    };
    let one = body(Style { is_reversed: false, suffix: "" });
    let other = body(Style { is_reversed: true, suffix: "Moved" });
    assert_eq!(digest(&one, true), digest(&other, true), "{}", String::from_utf8_lossy(&one));
    // With one thing more it is another value.
    let longer = [b"[".as_slice(), &one, b",null]"].concat();
    assert_ne!(digest(&longer, true), digest(&[b"[".as_slice(), &one, b"]"].concat(), true));
});

fn write(writer: &mut Writer, value: &Value, style: Style) {
    match value {
        Value::Null => writer.raw(b"null"),
        Value::Int(number) => writer.int(*number),
        Value::Float(number) => writer.float(*number),
        Value::Text(text) => writer.string(text),
        Value::Bytes(bytes) => writer.bytes("$bytes", bytes),
        Value::ByteArray(bytes) => writer.bytes(if style.is_reversed { "$bytes" } else { "$bytearray" }, bytes),
        Value::List(items) => list(writer, items.iter(), style),
        Value::Tuple(items) => tagged(writer, "$tuple", |writer| list(writer, items.iter(), style)),
        Value::Set(items) if style.is_reversed => {
            tagged(writer, "$set", |writer| list(writer, items.iter().rev(), style));
        }
        Value::Set(items) => tagged(writer, "$set", |writer| list(writer, items.iter(), style)),
        Value::Dict(fields) => object(writer, fields, style),
        Value::Pairs(pairs) => tagged(writer, "$dict", |writer| {
            let pairs: Vec<_> = pairs.iter().map(|(key, item)| Value::List(vec![key.clone(), item.clone()])).collect();
            if style.is_reversed { list(writer, pairs.iter().rev(), style) } else { list(writer, pairs.iter(), style) }
        }),
        Value::Object(name, fields, has_more) => tagged(writer, "$object", |writer| {
            writer.byte(b'[');
            writer.string(&format!("{name}{}", style.suffix));
            writer.byte(b',');
            object(writer, fields, style);
            if *has_more && style.is_reversed {
                writer.raw(b",{\"set\":[\"a\"]}");
            }
            writer.byte(b']');
        }),
        Value::NamedTuple(name, items) if style.is_reversed => tagged(writer, "$namedtuple", |writer| {
            writer.byte(b'[');
            writer.string(name);
            writer.byte(b',');
            list(writer, items.iter(), style);
            writer.byte(b']');
        }),
        Value::NamedTuple(_, items) => tagged(writer, "$tuple", |writer| list(writer, items.iter(), style)),
    }
}

fn tagged(writer: &mut Writer, tag: &str, value: impl FnOnce(&mut Writer)) {
    writer.open_tag(tag);
    value(writer);
    writer.byte(b'}');
}

fn list<'a>(writer: &mut Writer, items: impl Iterator<Item = &'a Value>, style: Style) {
    writer.byte(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            writer.byte(b',');
        }
        write(writer, item, style);
    }
    writer.byte(b']');
}

/// Keys that start with `$` are written as pairs by the product; here they lose it.
fn object(writer: &mut Writer, fields: &[(String, Value)], style: Style) {
    let order: Vec<_> = if style.is_reversed { (0..fields.len()).rev().collect() } else { (0..fields.len()).collect() };
    writer.byte(b'{');
    for (index, place) in order.iter().enumerate() {
        if index > 0 {
            writer.byte(b',');
        }
        let (name, item) = &fields[*place];
        writer.string(&format!("{}{place}", name.trim_start_matches('$')));
        writer.byte(b':');
        write(writer, item, style);
    }
    writer.byte(b'}');
}
