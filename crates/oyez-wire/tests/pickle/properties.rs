//! What holds for all values and all bytes.

use oyez_model::Value;
use oyez_model::value::MAX_DEPTH;
use oyez_wire::pyats::pickle::{Limits, Writer, read, to_text, without_opaque, write};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generate::value;

const SMALL: Limits = Limits { depth: 5, nodes: 300, bytes: 2_000, memo: 20, message: 4_000 };

/// Opcodes with something sensible behind them, so that rows of them get somewhere.
const STEPS: [&[u8]; 62] = [
    b"(",
    b"(",
    b"(",
    b"0",
    b"1",
    b"2",
    b"N",
    b"\x88",
    b"\x89",
    b"K\x01",
    b"M\x01\x02",
    b"J\x01\x02\x03\x80",
    b"I7\n",
    b"I01\n",
    b"L7L\n",
    b"F1.5\n",
    b"S'a\\x41'\n",
    b"Vb\\ud800\n",
    b"U\x01a",
    b"T\x01\0\0\0\xff",
    b"X\x01\0\0\0c",
    b"\x8c\x01d",
    b"C\x01e",
    b"B\x01\0\0\0f",
    b"\x8a\x02\0\x80",
    b"G\x3f\xf0\0\0\0\0\0\0",
    b"P1\n",
    b"Q",
    b"R",
    b"R",
    b"b",
    b"a",
    b"e",
    b"s",
    b"u",
    b"\x90",
    b"\x91",
    b"d",
    b"}",
    b"l",
    b"]",
    b"t",
    b")",
    b"\x85",
    b"\x86",
    b"\x87",
    b"\x8f",
    b"cm\nC\n",
    b"c__builtin__\nset\n",
    b"cbuiltins\ngetattr\n",
    b"cdatetime\ndatetime\n",
    b"ccopyreg\n__newobj__\n",
    b"c_codecs\nencode\n",
    b"im\nC\n",
    b"o",
    b"\x81",
    b"\x92",
    b"\x93",
    b"\x82\x01",
    b"\x94",
    b"h\0",
    b"j\x01\0\0\0",
];

proptest! {
    #[test]
    fn a_value_comes_back_from_its_pickle(value in value()) {
        let pickle = write(&value);
        prop_assert_eq!(read(&pickle, &Limits::default()), Ok(value));
    }

    #[test]
    fn a_pickle_without_objects_names_nothing(value in value()) {
        let plain = without_opaque(&value);
        let mut pickle = Vec::new();
        let mut writer = Writer::new(&mut pickle).opaque_as_text();
        writer.value(&value);
        writer.finish();
        prop_assert_eq!(&read(&pickle, &Limits::default()), &Ok(plain));
        let _ = to_text(&value);
    }

    #[test]
    fn a_pickle_that_is_cut_off_is_an_error(value in value(), at: prop::sample::Index) {
        let pickle = write(&value);
        prop_assert!(read(&pickle[..at.index(pickle.len())], &Limits::default()).is_err());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200)) {
        for limits in [SMALL, Limits::default()] {
            if let Err(error) = read(&bytes, &limits) {
                let _ = error.to_string();
            }
        }
    }

    #[test]
    fn a_damaged_pickle_is_read_or_refused(value in value(), at: prop::sample::Index, byte: u8) {
        let mut pickle = write(&value);
        let at = at.index(pickle.len());
        pickle[at] = byte;
        let _ = read(&pickle, &Limits::default());
    }

    #[test]
    fn any_row_of_opcodes_is_read_or_refused_and_what_is_read_can_be_written(
        steps in vec(prop::sample::select(&STEPS[..]), 0..60),
        old: bool,
    ) {
        let start: &[u8] = if old { b"" } else { b"\x80\x04" };
        let pickle = [start, &steps.concat(), b"."].concat();
        for limits in [SMALL, Limits::default()] {
            let Ok(value) = read(&pickle, &limits) else { continue };
            prop_assert!(depth(&value) <= limits.depth);
            // Placeholders become texts when they are written; from then on nothing changes any more.
            let again = read(&write(&value), &Limits::default());
            prop_assert!(again.is_ok(), "{:?}: {:?}", value, again);
            let again = again.unwrap();
            prop_assert_eq!(read(&write(&again), &Limits::default()), Ok(again));
            // It can be journaled, and nothing of it is lost.
            let bytes = minicbor::to_vec(&value).unwrap();
            prop_assert_eq!(minicbor::decode::<Value>(&bytes).unwrap(), value);
        }
    }
}

fn depth(value: &Value) -> usize {
    let deepest = |items: &[Value]| items.iter().map(depth).max().unwrap_or(0);
    1 + match value {
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => deepest(items),
        Value::Map(pairs) => pairs.iter().map(|(k, v)| depth(k).max(depth(v))).max().unwrap_or(0),
        Value::Opaque(o) => o.parts().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[test]
fn a_value_as_deep_as_allowed_comes_back() {
    let wraps: [fn(Value) -> Value; 3] = [
        |v| Value::List(vec![v]),
        |v| Value::Map(vec![(Value::Null, v)]),
        |v| Value::Opaque(Box::new(oyez_model::value::Opaque::call("m", "C", vec![v]))),
    ];
    for wrap in wraps {
        let value = (1..MAX_DEPTH).fold(Value::Int(7), |inner, _| wrap(inner));
        assert_eq!(read(&write(&value), &Limits::default()), Ok(value));
    }
}
