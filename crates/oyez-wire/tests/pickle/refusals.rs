//! Pickles that are wrong, too large, or made to harm.

use std::time::{Duration, Instant};

use oyez_model::Value;
use oyez_wire::pyats::pickle::{Limits, PickleError, read, write};

fn error(pickle: &[u8]) -> PickleError {
    match read(pickle, &Limits::default()) {
        Ok(value) => panic!("{} is {value:?}", pickle.escape_ascii()),
        Err(error) => error,
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    assert_eq!(error(b""), PickleError::Truncated { at: 0 });
    assert_eq!(error(b"\x80\x04N"), PickleError::Truncated { at: 3 });
    assert_eq!(error(b"\x8c\x05abc."), PickleError::Truncated { at: 6 });
    assert_eq!(error(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffabc."), PickleError::Truncated { at: 13 });
    assert_eq!(error(b"\x95\x09\0\0\0\0\0\0\0N."), PickleError::Truncated { at: 11 });
    assert_eq!(error(b"\x80\x06N."), PickleError::Protocol { version: 6 });
    assert_eq!(error(b"N\xff."), PickleError::Opcode { at: 1, opcode: 0xff });
}

#[test]
fn opcodes_that_do_not_fit_are_errors() {
    for pickle in [
        &b"."[..],
        b"0.",
        b"2.",
        b"1.",
        b"t.",
        b"(N\x86.",
        b"N(\x85.",
        b"]a.",
        b"N(Na.",
        b"NNa.",
        b"}(Nu.",
        b"(Nd.",
        b"]NNs.",
        b"}(N\x90.",
        b"N}b.",
        b"h\0.",
        b"g1\n.",
        b"gx\n.",
        b"p-1\n.",
        b"q\0.",
        b"I1x\n.",
        b"FNaNa\n.",
        b"Sabc\n.",
        b"V\\u12\n.",
        b"\x8c\x01\xff.",
        b"cm\xff\nC\n.",
        b"NN\x93.",
        b"K\x01)R.",
        b"cm\nC\nNR.",
        b"cm\nC\n)N\x92.",
        b"(o.",
        b"T\xff\xff\xff\xff.",
        b"\x8b\xff\xff\xff\xff.",
        b"\x97.",
        b"N\x98.",
    ] {
        let error = error(pickle);
        assert!(matches!(error, PickleError::Malformed { .. }), "{}: {error}", pickle.escape_ascii());
    }
}

/// Lists of ten times the same, in each other.
fn laughs(levels: usize) -> Vec<u8> {
    let mut pickle = b"\x80\x04\x8c\x02ha\x94".to_vec();
    for level in 0..levels {
        pickle.extend(b"](");
        for _ in 0..10 {
            pickle.extend([b'h', level as u8]);
        }
        pickle.extend(b"e\x94");
    }
    pickle.push(b'.');
    pickle
}

#[test]
fn a_small_pickle_that_says_a_huge_tree_ends_in_an_error_soon() {
    assert!(read(&laughs(4), &Limits::default()).is_ok());
    let start = Instant::now();
    for levels in [9, 100] {
        let error = error(&laughs(levels));
        assert!(matches!(error, PickleError::TooMuch { what: "values", .. }), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_long_text_that_is_named_often_counts_each_time() {
    let mut pickle = b"\x80\x04](X\0\0\x10\0".to_vec();
    pickle.extend(vec![b'a'; 1 << 20]);
    pickle.extend(b"\x94");
    pickle.extend(b"h\0".repeat(300));
    pickle.extend(b"e.");
    assert!(matches!(error(&pickle), PickleError::TooMuch { what: "bytes of texts and numbers", .. }));
}

#[test]
fn each_limit_holds_where_it_is_set() {
    let list = write(&Value::List(vec![Value::Int(1); 20]));
    let limits = Limits::default();
    assert!(read(&list, &Limits { nodes: 40, ..limits }).is_ok());
    assert!(read(&list, &Limits { nodes: 20, ..limits }).is_err());
    assert!(read(&list, &Limits { message: list.len(), ..limits }).is_ok());
    assert!(read(&list, &Limits { message: list.len() - 1, ..limits }).is_err());
    assert!(read(&b"N\x94".repeat(9), &Limits { memo: 9, ..limits }).is_err());
    let numbered = [&b"N\x94".repeat(9)[..], b"."].concat();
    assert!(read(&numbered, &Limits { memo: 9, ..limits }).is_ok());
    assert!(read(&numbered, &Limits { memo: 8, ..limits }).is_err());
    let text = write(&Value::from("abcdef"));
    assert!(read(&text, &Limits { bytes: 6, ..limits }).is_ok());
    assert!(read(&text, &Limits { bytes: 5, ..limits }).is_err());
}

#[test]
fn opcodes_without_end_fill_no_memory() {
    for opcode in [&b"("[..], b"N", b"]", b")", b"\x8f", b"N\x94", b"]2", b"Np1\n"] {
        let pickle = opcode.repeat(3_000_000);
        assert!(matches!(error(&pickle), PickleError::TooMuch { .. } | PickleError::Truncated { .. }));
    }
}

#[test]
fn numbers_of_objects_may_be_any_and_take_no_memory_for_those_between() {
    let pickle = b"Nr\xff\xff\xff\xff0K\x07r\0\0\0\x7f0p99999999999\n0j\0\0\0\x7f.";
    assert_eq!(read(b"K\x07r\0\0\0\x7f0j\0\0\0\x7f.", &Limits::default()), Ok(Value::Int(7)));
    // There is nothing on the stack to number.
    assert!(read(pickle, &Limits::default()).is_err());
    // Under a number that later falls among those without gaps.
    let pickle = b"K\x01p3\n0K\x02p0\nK\x03p1\nK\x04p2\nK\x05p3\n0g3\n.";
    assert_eq!(read(pickle, &Limits::default()), Ok(Value::Int(5)));
}

#[test]
fn a_deep_pickle_takes_no_stack() {
    let mut pickle = b"]".repeat(900_000);
    pickle.extend(b"a".repeat(899_999));
    pickle.push(b'.');
    let value = read(&pickle, &Limits::default()).unwrap();
    let json = serde_json::to_string(&value).unwrap();
    assert!(json.contains("nested too deep"));
}

#[test]
fn a_call_of_a_call_of_a_call_is_written_as_soon_as_anything_else() {
    // Each calls what the one before gave; with an argument, and without.
    for (argument, depth) in [(&b")"[..], 127), (b"K\x01\x85", 126)] {
        let mut pickle = b"cm\nC\n".to_vec();
        for _ in 0..depth {
            pickle.extend(argument);
            pickle.push(b'R');
        }
        pickle.push(b'.');
        let value = read(&pickle, &Limits::default()).unwrap();
        assert_eq!(read(&write(&value), &Limits::default()), Ok(value));
    }
}
