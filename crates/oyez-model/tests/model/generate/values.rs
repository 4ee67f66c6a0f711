//! Arbitrary values.

use oyez_model::Value;
use oyez_model::value::{BigInt, DateTime, Opaque, OpaqueForm};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

/// Text with what breaks naive code: quotes, controls, `$`, characters of several bytes.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[a-zA-Z$ ]{0,8}", 1 => any::<String>()]
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        Just(f64::NAN),
        Just(f64::NEG_INFINITY),
        Just(-0.0),
        (-1000..1000i32).prop_map(f64::from),
    ]
}

fn civil() -> impl Strategy<Value = jiff::civil::DateTime> {
    let date = (-9999..=9999i16, 1..=12i8, 1..=28i8);
    let time = (0..24i8, 0..60i8, 0..60i8, 0..1_000_000_000i32);
    (date, time)
        .prop_map(|((year, month, day), (h, m, s, ns))| jiff::civil::date(year, month, day).at(h, m, s, ns))
}

fn leaf() -> impl Strategy<Value = Value> {
    let big = (any::<bool>(), vec(any::<u8>(), 0..40))
        .prop_map(|(negative, magnitude)| Value::Big(BigInt { negative, magnitude }));
    let time = (civil(), option::of(-90_000..90_000i32), option::of(text()))
        .prop_map(|(civil, offset, zone)| Value::DateTime(Box::new(DateTime { civil, offset, zone })));
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        big,
        float().prop_map(Value::Float),
        text().prop_map(Value::Text),
        vec(any::<u8>(), 0..12).prop_map(Value::Bytes),
        // "\u{d800}" as WTF-8 and what else somebody may call text.
        prop_oneof![Just(vec![0xed, 0xa0, 0x80]), vec(any::<u8>(), 0..12)].prop_map(Value::Surrogates),
        time,
    ]
}

fn opaque(inner: impl Strategy<Value = Value> + Clone + 'static) -> impl Strategy<Value = Value> {
    let form = (0..6u8).prop_map(|n| OpaqueForm::from_number(n).unwrap_or_default());
    let made = (text(), text(), form, vec(inner.clone(), 0..3), option::of(inner.clone()));
    let pair = (inner.clone(), inner.clone());
    let rarely = |n: usize| prop_oneof![3 => 0..1usize, 1 => 0..n];
    let more = (rarely(3), rarely(3), rarely(3), rarely(3)).prop_flat_map(
        move |(kwargs, items, entries, members)| {
            (
                vec(pair.clone(), kwargs),
                vec(inner.clone(), items),
                vec(pair.clone(), entries),
                vec(inner.clone(), members),
            )
        },
    );
    (made, more).prop_map(|((module, name, form, args, state), (kwargs, items, entries, members))| {
        Value::Opaque(Box::new(Opaque { module, name, args, state, form, kwargs, items, entries, members }))
    })
}

/// Any value, nested a few deep.
pub fn value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 5, |inner| {
        let opaque = opaque(inner.clone());
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::List),
            vec(inner.clone(), 0..5).prop_map(Value::Tuple),
            vec(inner.clone(), 0..5).prop_map(Value::Set),
            vec((prop_oneof![inner.clone(), text().prop_map(Value::Text)], inner), 0..5).prop_map(Value::Map),
            opaque,
        ]
    })
}

/// A value nested `depth` deep, the leaf included, by wrapping it again and again.
pub fn nested(depth: usize, wrap: fn(Value) -> Value) -> Value {
    (1..depth).fold(Value::Int(7), |inner, _| wrap(inner))
}

/// Ways to nest.
pub const WRAPS: [fn(Value) -> Value; 9] = [
    |v| Value::List(vec![v]),
    |v| Value::Tuple(vec![v]),
    |v| Value::Set(vec![v]),
    |v| Value::Map(vec![(v, Value::Null)]),
    |v| Value::Map(vec![(Value::from("k"), v)]),
    |v| Value::Opaque(Box::new(Opaque { state: Some(v), ..Opaque::default() })),
    |v| Value::Opaque(Box::new(Opaque { items: vec![v], ..Opaque::default() })),
    |v| Value::Opaque(Box::new(Opaque { entries: vec![(Value::Null, v)], ..Opaque::default() })),
    |v| Value::Opaque(Box::new(Opaque { kwargs: vec![(v, Value::Null)], ..Opaque::default() })),
];
