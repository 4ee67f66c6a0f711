//! A value in the journal: CBOR (RFC 8949). Null, booleans, numbers, texts, bytes, arrays and maps are themselves,
//! big numbers carry the standard tags 2 and 3; what CBOR has no word for carries a tag of our own:
//!
//! | tag | content |
//! |---|---|
//! | 40100 | tuple: array |
//! | 40101 | set: array |
//! | 40102 | text with lone surrogates: bytes (WTF-8) |
//! | 40103 | date and time: array of text (civil, ISO 8601), offset in seconds or null, zone name or null |
//! | 40104 | opaque object: array of module, name, array of arguments, state, form (a number), map of named arguments, array of items, map of entries, array of members |
//!
//! The array of an opaque object ends after the last part that says something; a state that is not there is `undefined`
//! when others follow it. A reader takes parts beyond those it knows for parts of a newer version, and skips them.

use minicbor::data::{Tag, Type};
use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::{BigInt, DateTime, Opaque, OpaqueForm, Value};

/// Values nested deeper than this are refused, and never written: a reader must not run out of stack. What is deeper
/// in a value of a producer is left out, with a word in its place.
pub const MAX_DEPTH: usize = 128;

const TUPLE: u64 = 40_100;
const SET: u64 = 40_101;
const SURROGATES: u64 = 40_102;
const DATETIME: u64 = 40_103;
const OPAQUE: u64 = 40_104;

/// Stands for what is nested deeper than a reader would take.
const TOO_DEEP: &str = "(left out: nested too deep)";

impl<C> Encode<C> for Value {
    fn encode<W: encode::Write>(&self, e: &mut Encoder<W>, _: &mut C) -> Result<(), encode::Error<W::Error>> {
        match self {
            // As a whole it may stand where nothing may stand as well, and that is written as null.
            Value::Null => e.undefined()?.ok(),
            value => encode_value(value, e, MAX_DEPTH),
        }
    }

    fn is_nil(&self) -> bool {
        false
    }
}

fn encode_value<W: encode::Write>(
    value: &Value,
    e: &mut Encoder<W>,
    depth: usize,
) -> Result<(), encode::Error<W::Error>> {
    let depth = depth.saturating_sub(1);
    match value {
        Value::Null => e.null()?.ok(),
        Value::Bool(b) => e.bool(*b)?.ok(),
        Value::Int(n) => e.i64(*n)?.ok(),
        Value::Big(n) => e.tag(Tag::new(if n.negative { 3 } else { 2 }))?.bytes(&n.magnitude)?.ok(),
        Value::Float(f) => e.f64(*f)?.ok(),
        Value::Text(t) => e.str(t)?.ok(),
        Value::Surrogates(b) => e.tag(Tag::new(SURROGATES))?.bytes(b)?.ok(),
        Value::Bytes(b) => e.bytes(b)?.ok(),
        Value::DateTime(t) => {
            e.tag(Tag::new(DATETIME))?.array(3)?.str(&t.civil.to_string())?;
            t.offset.encode(e, &mut ())?;
            t.zone.encode(e, &mut ())
        }
        _ if depth == 0 && has_parts(value) => e.str(TOO_DEEP)?.ok(),
        Value::List(items) => encode_items(items, e, depth),
        Value::Tuple(items) => encode_items(items, e.tag(Tag::new(TUPLE))?, depth),
        Value::Set(items) => encode_items(items, e.tag(Tag::new(SET))?, depth),
        Value::Map(pairs) => encode_pairs(pairs, e, depth),
        Value::Opaque(o) => encode_opaque(o, e, depth),
    }
}

fn has_parts(value: &Value) -> bool {
    match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => !items.is_empty(),
        Value::Map(pairs) => !pairs.is_empty(),
        Value::Opaque(o) => o.parts().next().is_some(),
        _ => false,
    }
}

fn encode_items<W: encode::Write>(
    items: &[Value],
    e: &mut Encoder<W>,
    depth: usize,
) -> Result<(), encode::Error<W::Error>> {
    e.array(items.len() as u64)?;
    items.iter().try_for_each(|item| encode_value(item, e, depth))
}

fn encode_pairs<W: encode::Write>(
    pairs: &[(Value, Value)],
    e: &mut Encoder<W>,
    depth: usize,
) -> Result<(), encode::Error<W::Error>> {
    e.map(pairs.len() as u64)?;
    for (k, v) in pairs {
        encode_value(k, e, depth)?;
        encode_value(v, e, depth)?;
    }
    Ok(())
}

fn encode_opaque<W: encode::Write>(
    o: &Opaque,
    e: &mut Encoder<W>,
    depth: usize,
) -> Result<(), encode::Error<W::Error>> {
    let parts = match o {
        _ if !o.members.is_empty() => 9,
        _ if !o.entries.is_empty() => 8,
        _ if !o.items.is_empty() => 7,
        _ if !o.kwargs.is_empty() => 6,
        _ if o.form != OpaqueForm::Call => 5,
        _ if o.state.is_some() => 4,
        _ => 3,
    };
    e.tag(Tag::new(OPAQUE))?.array(parts)?.str(&o.module)?.str(&o.name)?;
    encode_items(&o.args, e, depth)?;
    match &o.state {
        Some(state) => encode_value(state, e, depth)?,
        None if parts > 4 => e.undefined()?.ok()?,
        None => {}
    }
    if parts > 4 {
        e.u8(o.form.number())?;
    }
    if parts > 5 {
        encode_pairs(&o.kwargs, e, depth)?;
    }
    if parts > 6 {
        encode_items(&o.items, e, depth)?;
    }
    if parts > 7 {
        encode_pairs(&o.entries, e, depth)?;
    }
    if parts > 8 {
        encode_items(&o.members, e, depth)?;
    }
    Ok(())
}

impl<'b, C> Decode<'b, C> for Value {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, decode::Error> {
        value(d, MAX_DEPTH)
    }
}

fn bad(what: &'static str) -> decode::Error {
    decode::Error::message(what)
}

fn value(d: &mut Decoder<'_>, depth: usize) -> Result<Value, decode::Error> {
    let depth = depth.checked_sub(1).ok_or_else(|| bad("a value is nested too deep"))?;
    Ok(match d.datatype()? {
        Type::Null | Type::Undefined => {
            d.skip()?;
            Value::Null
        }
        Type::Bool => Value::Bool(d.bool()?),
        Type::U8
        | Type::U16
        | Type::U32
        | Type::U64
        | Type::I8
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Int => {
            let n = i128::from(d.int()?);
            match i64::try_from(n) {
                Ok(n) => Value::Int(n),
                Err(_) => Value::Big(big_from(n)),
            }
        }
        Type::F16 | Type::F32 | Type::F64 => Value::Float(d.f64()?),
        Type::String => Value::Text(d.str()?.to_owned()),
        Type::Bytes => Value::Bytes(d.bytes()?.to_vec()),
        Type::Array => Value::List(items(d, depth)?),
        Type::Map => Value::Map(pairs(d, depth)?),
        Type::Tag => match d.tag()?.as_u64() {
            tag @ (2 | 3) => Value::Big(BigInt { negative: tag == 3, magnitude: d.bytes()?.to_vec() }),
            TUPLE => Value::Tuple(items(d, depth)?),
            SET => Value::Set(items(d, depth)?),
            SURROGATES => Value::Surrogates(d.bytes()?.to_vec()),
            DATETIME => datetime(d)?,
            OPAQUE => opaque(d, depth)?,
            // A tag of a newer version: what it stands before is kept, and the tag said.
            tag => Value::Opaque(Box::new(Opaque {
                module: "cbor".to_owned(),
                name: format!("tag {tag}"),
                args: vec![value(d, depth)?],
                ..Opaque::default()
            })),
        },
        _ => return Err(bad("not a value")),
    })
}

fn items(d: &mut Decoder<'_>, depth: usize) -> Result<Vec<Value>, decode::Error> {
    let n = d.array()?.ok_or_else(|| bad("an array without a length"))?;
    let mut out = Vec::with_capacity(bounded(n));
    for _ in 0..n {
        out.push(value(d, depth)?);
    }
    Ok(out)
}

fn pairs(d: &mut Decoder<'_>, depth: usize) -> Result<Vec<(Value, Value)>, decode::Error> {
    let n = d.map()?.ok_or_else(|| bad("a map without a length"))?;
    let mut out = Vec::with_capacity(bounded(n));
    for _ in 0..n {
        out.push((value(d, depth)?, value(d, depth)?));
    }
    Ok(out)
}

fn datetime(d: &mut Decoder<'_>) -> Result<Value, decode::Error> {
    if d.array()? != Some(3) {
        return Err(bad("a date and time has three parts"));
    }
    let civil = d.str()?.parse().map_err(|_| bad("not a civil date and time"))?;
    let offset = Option::<i32>::decode(d, &mut ())?;
    let zone = Option::<String>::decode(d, &mut ())?;
    Ok(Value::DateTime(Box::new(DateTime { civil, offset, zone })))
}

fn opaque(d: &mut Decoder<'_>, depth: usize) -> Result<Value, decode::Error> {
    let parts = d.array()?.unwrap_or(0);
    if parts < 3 {
        return Err(bad("an opaque object has three parts at least"));
    }
    let (module, name) = (d.str()?.to_owned(), d.str()?.to_owned());
    let mut o = Opaque { module, name, args: items(d, depth)?, ..Opaque::default() };
    if parts > 3 {
        if d.datatype()? == Type::Undefined {
            d.skip()?;
        } else {
            o.state = Some(value(d, depth)?);
        }
    }
    if parts > 4 {
        // One of a newer version cannot be made again by us, and says so.
        o.form = OpaqueForm::from_number(d.u8()?).unwrap_or(OpaqueForm::Placeholder);
    }
    if parts > 5 {
        o.kwargs = pairs(d, depth)?;
    }
    if parts > 6 {
        o.items = items(d, depth)?;
    }
    if parts > 7 {
        o.entries = pairs(d, depth)?;
    }
    if parts > 8 {
        o.members = items(d, depth)?;
    }
    for _ in 9..parts {
        d.skip()?;
    }
    Ok(Value::Opaque(Box::new(o)))
}

fn big_from(n: i128) -> BigInt {
    let negative = n < 0;
    let magnitude = if negative { -1 - n } else { n };
    let bytes = magnitude.to_be_bytes();
    let start = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    BigInt { negative, magnitude: bytes[start..].to_vec() }
}

// A length from the wire is no reason to allocate: the vector grows with what really comes.
fn bounded(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX).min(64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An opaque object whose array has these parts after module, name and no arguments.
    fn read(parts: &[&[u8]]) -> Opaque {
        let count = 3 + parts.len() as u8;
        let bytes = [b"\xd9\x9c\xa8", &[0x80 | count][..], b"\x61m\x61C\x80", &parts.concat()].concat();
        match minicbor::decode(&bytes).unwrap() {
            Value::Opaque(o) => *o,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_object_as_it_was_written_first_is_called() {
        let o = || Opaque::call("m", "C", vec![]);
        assert_eq!(read(&[]), o());
        assert_eq!(read(&[b"\x07"]), Opaque { state: Some(Value::Int(7)), ..o() });
        for old in [o(), Opaque { state: Some(Value::Null), ..o() }] {
            let bytes = minicbor::to_vec(Value::Opaque(Box::new(old.clone()))).unwrap();
            assert_eq!(bytes[3], 0x83 + u8::from(old.state.is_some()), "an older reader takes these");
        }
    }

    #[test]
    fn an_object_of_a_newer_version_is_read_as_far_as_it_is_known() {
        let parts: [&[u8]; 8] =
            [b"\xf7", b"\x02", b"\xa0", b"\x80", b"\xa0", b"\x81\x01", b"\x63new", b"\x81\x80"];
        let expected =
            Opaque { form: OpaqueForm::New, members: vec![Value::Int(1)], ..Opaque::call("m", "C", vec![]) };
        assert_eq!(read(&parts), expected);
        assert_eq!(read(&[b"\xf7", b"\x18\x63"]).form, OpaqueForm::Placeholder);
    }
}
