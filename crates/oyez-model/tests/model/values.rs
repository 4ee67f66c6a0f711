//! Values in bytes and as JSON.

use oyez_model::SectionRef;
use oyez_model::Value;
use oyez_model::event::{EventBody, SectionDetail, SectionStopped, encode_body};
use oyez_model::value::{BigInt, MAX_DEPTH};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generate::cases;
use crate::generate::values::{WRAPS, nested, value};

fn to_bytes(value: &Value) -> Vec<u8> {
    minicbor::to_vec(value).expect("a vector takes all")
}

fn from_bytes(bytes: &[u8]) -> Result<Value, minicbor::decode::Error> {
    minicbor::decode(bytes)
}

proptest! {
    #![proptest_config(cases(600))]

    #[test]
    fn a_value_reads_back_from_its_bytes(value in value()) {
        let bytes = to_bytes(&value);
        let back = from_bytes(&bytes).expect("what was written can be read");
        prop_assert_eq!(&back, &value);
        prop_assert_eq!(to_bytes(&back), bytes);
    }

    #[test]
    fn values_that_differ_differ_in_bytes(a in value(), b in value()) {
        prop_assert_eq!(a == b, to_bytes(&a) == to_bytes(&b));
    }

    #[test]
    fn any_value_is_json_that_others_can_read(value in value()) {
        let json = serde_json::to_string(&value).expect("a value is JSON");
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok(), "{}", json);
    }

    #[test]
    fn any_bytes_are_a_value_or_are_refused(bytes in vec(any::<u8>(), 0..60)) {
        if let Ok(value) = from_bytes(&bytes) {
            prop_assert_eq!(from_bytes(&to_bytes(&value)).expect("reads back"), value);
        }
    }

    #[test]
    fn a_value_that_may_be_absent_is_never_lost(value in value()) {
        let id = SectionRef::own(1);
        let data = Some(value);
        let stop = SectionStopped { id, outcome: None, reason: None, data, rollup: None, ended: None, ..Default::default() };
        let mut bytes = Vec::new();
        encode_body(&EventBody::from(stop.clone()), &mut bytes);
        prop_assert_eq!(minicbor::decode::<SectionStopped>(&bytes).expect("reads back"), stop);
    }
}

#[test]
fn nothing_said_and_null_said_are_two_things() {
    let id = SectionRef::own(1);
    for data in [None, Some(Value::Null)] {
        let stop = SectionStopped {
            id,
            outcome: None,
            reason: None,
            data,
            rollup: None,
            ended: Some(1),
            ..Default::default()
        };
        let mut bytes = Vec::new();
        encode_body(&EventBody::from(stop.clone()), &mut bytes);
        assert_eq!(minicbor::decode::<SectionStopped>(&bytes).unwrap(), stop);
    }
}

#[test]
fn a_value_as_deep_as_allowed_reads_back() {
    for wrap in WRAPS {
        let value = nested(MAX_DEPTH, wrap);
        assert_eq!(from_bytes(&to_bytes(&value)).unwrap(), value);
    }
}

#[test]
fn what_is_nested_too_deep_is_left_out_with_a_word_and_the_rest_stays_readable() {
    // Deep enough to show that writing does not go down all the way; dropping such a value is its maker's matter.
    for (wrap, depth) in WRAPS.into_iter().flat_map(|wrap| [(wrap, MAX_DEPTH + 1), (wrap, 1000)]) {
        let value = nested(depth, wrap);
        let bytes = to_bytes(&value);
        let text = format!("{:?}", from_bytes(&bytes).expect("the rest is readable"));
        assert!(text.contains("left out: nested too deep"), "{text}");
        assert!(bytes.len() < MAX_DEPTH * 16);
        let mut body = Vec::new();
        encode_body(&EventBody::from(SectionDetail { id: SectionRef::JOB, detail: value }), &mut body);
        assert!(minicbor::decode::<SectionDetail>(&body).is_ok());
    }
}

#[test]
fn bytes_nested_too_deep_are_refused_without_running_out_of_stack() {
    let tagged_array: &[u8] = &[0xd9, 0x9c, 0xa4, 0x81];
    let unknown_tag: &[u8] = &[0xd9, 0xff, 0xff];
    for prefix in [&[0x81][..], &[0xa1], &[0xa1, 0x00], tagged_array, unknown_tag] {
        for depth in [MAX_DEPTH, MAX_DEPTH + 1, 1_000_000] {
            let bytes = [prefix.repeat(depth), vec![0; 2]].concat();
            let refused = from_bytes(&bytes).unwrap_err();
            assert!(refused.to_string().contains("nested too deep"), "{refused} for {prefix:?}");
        }
    }
}

#[test]
fn a_map_with_a_key_that_comes_twice_loses_nothing_as_json() {
    let pair = |k: &str, n: i64| (Value::from(k), Value::from(n));
    let json = serde_json::to_string(&Value::Map(vec![pair("a", 1), pair("a", 2)])).unwrap();
    assert_eq!(json, r#"{"$map":[["a",1],["a",2]]}"#);
    let json = serde_json::to_string(&Value::Map(vec![pair("$set", 1)])).unwrap();
    assert_eq!(json, r#"{"$map":[["$set",1]]}"#);
}

#[test]
fn a_number_beyond_64_bits_keeps_all_its_digits() {
    let big = |negative, magnitude: &[u8]| Value::Big(BigInt { negative, magnitude: magnitude.to_vec() });
    let bytes_15 = [0xff; 15];
    let bytes_16 = [0xff; 16];
    assert_eq!(
        serde_json::to_string(&big(false, &bytes_15)).unwrap(),
        format!(r#"{{"$int":"{}"}}"#, (1i128 << 120) - 1)
    );
    assert_eq!(
        serde_json::to_string(&big(true, &bytes_16)).unwrap(),
        format!(r#"{{"$int":"-1-0x{}"}}"#, "ff".repeat(16))
    );
    // The largest that CBOR has a word of its own for.
    assert_eq!(from_bytes(&[0x1b, 255, 255, 255, 255, 255, 255, 255, 255]).unwrap(), big(false, &[0xff; 8]));
    assert_eq!(from_bytes(&[0x3b, 255, 255, 255, 255, 255, 255, 255, 255]).unwrap(), big(true, &[0xff; 8]));
}

#[test]
fn numbers_that_json_has_no_word_for_are_told_apart() {
    let json = |f: f64| serde_json::to_string(&Value::Float(f)).unwrap();
    let all = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -0.0, 1.0].map(json);
    let marked = |word: &str| format!(r#"{{"$float":"{word}"}}"#);
    assert_eq!(all[..3], ["NaN", "inf", "-inf"].map(marked));
    assert_eq!(all[3..], ["0.0", "-0.0", "1.0"]);
    assert_eq!(serde_json::to_string(&Value::Int(1)).unwrap(), "1");
}
