//! What refers to itself is written so that it refers to itself again.

use oyez_model::Value;
use oyez_model::value::MAX_DEPTH;
use oyez_wire::pyats::pickle::{Limits, read, write};

/// `m.A()` that is filled like a dict and is its own state, as classes with `self.__dict__ = self` are pickled.
const OWN_STATE: &[u8] = b"\x80\x04cm\nA\n)\x81\x94(X\x01\x00\x00\x00aK\x01uh\x00b.";

/// A list that holds itself.
const OWN_ITEM: &[u8] = b"\x80\x04]\x94(K\x01h\x00e.";

#[test]
fn an_object_that_is_its_own_state_is_written_as_that() {
    let value = read(OWN_STATE, &Limits::default()).unwrap();
    let written = write(&value);
    assert!(written.ends_with(b"h\x00b."), "{written:?}");
    assert_eq!(read(&written, &Limits::default()).unwrap(), value);
}

#[test]
fn a_list_that_holds_itself_holds_itself_again() {
    let value = Value::Tuple(vec![read(OWN_ITEM, &Limits::default()).unwrap(), Value::Int(2)]);
    let written = write(&value);
    assert!(written.windows(2).any(|w| w == b"h\x00"), "{written:?}");
    assert_eq!(read(&written, &Limits::default()).unwrap(), value);
}

#[test]
fn to_others_than_its_own_user_it_is_text() {
    let value = read(OWN_ITEM, &Limits::default()).unwrap();
    let mut told = Vec::new();
    let mut writer = oyez_wire::pyats::pickle::Writer::new(&mut told).opaque_as_text();
    writer.value(&value);
    writer.finish();
    let told = read(&told, &Limits::default()).unwrap();
    assert_eq!(told, Value::List(vec![Value::Int(1), "<recursive reference>".into()]));
}

/// A list of one list, and so on, the innermost of which holds the outermost.
fn levels(levels: usize) -> Vec<u8> {
    let mut pickle = b"\x80\x04".to_vec();
    pickle.extend(b"]\x94".repeat(levels));
    pickle.extend(b"h\x00");
    pickle.extend(b"a".repeat(levels));
    pickle.push(b'.');
    pickle
}

#[test]
fn what_refers_to_itself_at_the_deepest_level_is_kept_as_it_was_read() {
    for deep in MAX_DEPTH - 3..=MAX_DEPTH + 3 {
        let value = read(&levels(deep), &Limits::default()).unwrap();
        let kept = minicbor::to_vec(&value).unwrap();
        assert_eq!(minicbor::decode::<Value>(&kept).unwrap(), value, "{deep} levels");
    }
}
