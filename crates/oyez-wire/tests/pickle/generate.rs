//! Values as Python can have them, so that they come back as they are.

use oyez_model::Value;
use oyez_model::value::{BigInt, DateTime, Opaque, OpaqueForm};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-z]{0,6}", 1 => any::<String>()]
}

fn datetime() -> impl Strategy<Value = DateTime> {
    let date = (1..=9999i16, 1..=12i8, 1..=28i8);
    let time = (0..24i8, 0..60i8, 0..60i8, 0..1_000_000i32);
    let zone = option::of((-86_399..86_400i32, option::of(text())));
    (date, time, zone).prop_map(|((year, month, day), (h, m, s, micros), zone)| {
        let civil = jiff::civil::date(year, month, day).at(h, m, s, micros * 1000);
        let (offset, zone) = zone.map_or((None, None), |(offset, name)| (Some(offset), name));
        DateTime { civil, offset, zone }
    })
}

fn leaf() -> impl Strategy<Value = Value> {
    let big = (any::<bool>(), 1..=255u8, vec(any::<u8>(), 8..300)).prop_map(|(negative, first, mut rest)| {
        rest[0] = first;
        Value::Big(BigInt { negative, magnitude: [&[first], &rest[..]].concat() })
    });
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-300..70_000i64).prop_map(Value::Int),
        big,
        any::<u64>().prop_map(|bits| Value::Float(f64::from_bits(bits))),
        text().prop_map(Value::Text),
        (0..70_000usize).prop_map(|len| Value::Text("x".repeat(len))),
        text().prop_map(|before| Value::Surrogates([before.as_bytes(), b"\xed\xa0\x80"].concat())),
        vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        datetime().prop_map(|time| Value::DateTime(Box::new(time))),
    ]
}

/// What may be a key. Keys come from a few, and twice: pickles may say that.
fn key() -> impl Strategy<Value = Value> {
    let leaves = prop_oneof![leaf(), text().prop_map(Value::Text)];
    leaves.prop_recursive(2, 6, 3, |inner| vec(inner, 0..3).prop_map(Value::Tuple))
}

fn opaque(inner: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = Value> {
    // No name that means something here: such calls are values of other kinds.
    let names = ("[a-z]{1,5}\\.mine", "[A-Z][a-z]{0,5}(\\.[A-Z])?");
    let form = prop_oneof![Just(OpaqueForm::Call), Just(OpaqueForm::New), Just(OpaqueForm::Global)];
    let made = (names, form, vec(inner.clone(), 0..5), option::of(inner.clone()));
    let after = (
        vec(inner.clone(), 0..3),
        vec((key(), inner.clone()), 0..3),
        vec(key(), 0..2),
        vec((text().prop_map(Value::Text), inner), 0..2),
        option::of(any::<bool>()),
    );
    (made, after).prop_map(
        |(((module, name), form, args, state), (items, entries, members, kwargs, through))| {
            let mut o = Opaque { form, ..Opaque::call(module, name, args) };
            if form == OpaqueForm::Global {
                o.args = Vec::new();
            }
            if let (Some(new), Value::Opaque(callee)) = (through, Value::Opaque(Box::new(o.clone()))) {
                let form = if new { OpaqueForm::NewObject } else { OpaqueForm::CallObject };
                if o.form == OpaqueForm::Global {
                    o.form = if new { OpaqueForm::New } else { OpaqueForm::Call };
                } else {
                    o.args.insert(0, Value::Opaque(callee));
                    o.form = form;
                }
            }
            if matches!(o.form, OpaqueForm::New | OpaqueForm::NewObject) {
                o.kwargs = kwargs;
            }
            if o.form != OpaqueForm::Global {
                (o.items, o.entries, o.members, o.state) = (items, entries, members, state);
            }
            Value::Opaque(Box::new(o))
        },
    )
}

/// Any value that Python can have.
pub fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::List),
            vec(inner.clone(), 0..5).prop_map(Value::Tuple),
            vec(key(), 0..5).prop_map(Value::Set),
            vec((key(), inner.clone()), 0..5).prop_map(Value::Map),
            opaque(inner),
        ]
    })
}
