//! Values as Python sees them, for files that Python's users read.

use std::cmp::Ordering;
use std::io::Write as _;

use oyez_model::Value;
use oyez_model::value::BigInt;
use oyez_wire::pyats::known::{Shape, shape};
use oyez_wire::pyats::repr;
use oyez_wire::pyats::tree::Field;

/// Values nest no deeper than this in a file; what the tree holds is bounded already.
pub(super) const DEEPEST: usize = 2 * oyez_model::value::MAX_DEPTH;

/// Stands for what nests deeper.
pub(super) const TOO_DEEP: &str = "(left out: nested too deep)";

/// Whether an object of a report leaves its key out: for `None`, an empty list and an empty dictionary, nothing else.
pub(super) fn is_left_out(field: &Field<'_>) -> bool {
    match field {
        Field::Nothing | Field::Logs(None) => true,
        Field::Value(value) => is_empty(value),
        Field::List(items) => items.is_empty(),
        Field::Map(pairs) => pairs.is_empty(),
        Field::Children(children) => children.is_empty(),
        _ => false,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::List(items) => items.is_empty(),
        Value::Map(pairs) => pairs.is_empty(),
        Value::Opaque(o) => match shape(o) {
            Shape::AttrDict(pairs) | Shape::Dict(pairs) => pairs.is_empty(),
            _ => false,
        },
        _ => false,
    }
}

/// Python's `bool(value)`: what a result's reason and data are asked for.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(b) => *b,
        Value::Int(n) => *n != 0,
        Value::Float(f) => *f != 0.0,
        Value::Text(text) => !text.is_empty(),
        Value::Surrogates(bytes) | Value::Bytes(bytes) => !bytes.is_empty(),
        Value::List(items) | Value::Tuple(items) | Value::Set(items) => !items.is_empty(),
        Value::Map(pairs) => !pairs.is_empty(),
        Value::Opaque(o) => match shape(o) {
            Shape::AttrDict(pairs) | Shape::Dict(pairs) => !pairs.is_empty(),
            Shape::List(items) | Shape::Set(items) => !items.is_empty(),
            Shape::Text(text) => !text.is_empty(),
            Shape::Bytes(bytes) => !bytes.is_empty(),
            _ => true,
        },
        Value::Big(_) | Value::DateTime(_) => true,
    }
}

/// A float as Python prints it; infinities and NaN as `inf` and `nan`.
pub(super) fn push_float(out: &mut Vec<u8>, f: f64) {
    let size = f.abs();
    // Most are seconds: the shortest digits that read back, as both languages print them.
    if (1e-4..1e16).contains(&size) {
        let start = out.len();
        let _ = write!(out, "{f}");
        if out.len() - start < 16 {
            if !out[start..].contains(&b'.') {
                out.extend_from_slice(b".0");
            }
            return;
        }
        out.truncate(start);
    }
    out.extend_from_slice(repr::float(f).as_bytes());
}

/// Most digits that Python prints of a number.
const MOST_DIGITS: usize = 4300;

/// A whole number in digits; `None` when Python itself would refuse to print it.
pub(super) fn digits(n: &BigInt) -> Option<String> {
    // 4,300 digits take 1,786 bytes.
    if n.magnitude.len() > 1786 {
        return None;
    }
    let mut bytes: Vec<u8> = n.magnitude.clone();
    if n.negative {
        // The value is -1 - magnitude.
        let mut carry = true;
        for byte in bytes.iter_mut().rev() {
            let (sum, over) = byte.overflowing_add(u8::from(carry));
            (*byte, carry) = (sum, over);
        }
        if carry {
            bytes.insert(0, 1);
        }
    }
    let mut groups: Vec<u32> = Vec::new();
    while let Some(from) = bytes.iter().position(|b| *b != 0) {
        let mut rest = 0u64;
        for byte in &mut bytes[from..] {
            rest = rest << 8 | u64::from(*byte);
            *byte = (rest / 1_000_000_000) as u8;
            rest %= 1_000_000_000;
        }
        groups.push(rest as u32);
    }
    let mut out = String::from(if n.negative { "-" } else { "" });
    match groups.split_last() {
        None => out.push('0'),
        Some((first, rest)) => {
            out.push_str(&first.to_string());
            rest.iter().rev().for_each(|group| out.push_str(&format!("{group:09}")));
        }
    }
    (out.len() <= MOST_DIGITS).then_some(out)
}

/// How two keys stand in an order, as Python's `<` has it; `None` when it has none for them.
pub(super) fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
        (Value::Text(a), Value::Surrogates(b)) => Some(a.as_bytes().cmp(b)),
        (Value::Surrogates(a), Value::Text(b)) => Some(a.as_slice().cmp(b.as_bytes())),
        (Value::Surrogates(a), Value::Surrogates(b)) | (Value::Bytes(a), Value::Bytes(b)) => Some(a.cmp(b)),
        (Value::Tuple(a), Value::Tuple(b)) => {
            for (a, b) in a.iter().zip(b) {
                if a != b {
                    return order(a, b);
                }
            }
            Some(a.len().cmp(&b.len()))
        }
        (Value::DateTime(a), Value::DateTime(b)) => match (a.offset, b.offset) {
            (None, None) => Some(a.civil.cmp(&b.civil)),
            (Some(x), Some(y)) => {
                let utc = |t: jiff::civil::DateTime, offset: i32| {
                    t.checked_sub(jiff::SignedDuration::from_secs(i64::from(offset))).unwrap_or(t)
                };
                Some(utc(a.civil, x).cmp(&utc(b.civil, y)))
            }
            _ => None,
        },
        (Value::Opaque(a), Value::Opaque(b)) => match (shape(a), shape(b)) {
            (Shape::Date(a), Shape::Date(b)) => Some(a.cmp(&b)),
            (Shape::Text(a), Shape::Text(b)) => Some(a.cmp(b)),
            _ => None,
        },
        (Value::Opaque(o), Value::Text(b)) => match shape(o) {
            Shape::Text(a) => Some(a.cmp(b.as_str())),
            _ => None,
        },
        (Value::Text(_), Value::Opaque(_)) => order(b, a).map(Ordering::reverse),
        (a, b) => number_order(a, b),
    }
}

fn number_order(a: &Value, b: &Value) -> Option<Ordering> {
    let whole = |v: &Value| match v {
        Value::Bool(b) => Some(i64::from(*b)),
        Value::Int(n) => Some(*n),
        _ => None,
    };
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return Some(a.cmp(&b));
    }
    let float = |v: &Value| match v {
        Value::Float(f) => Some(*f),
        Value::Big(n) => {
            let size = n.magnitude.iter().fold(0.0, |f, b| f * 256.0 + f64::from(*b));
            Some(if n.negative { -1.0 - size } else { size })
        }
        other => whole(other).map(|n| n as f64),
    };
    match (a, b) {
        (Value::Big(x), Value::Big(y)) if x.negative == y.negative => {
            let by_size = (x.magnitude.len(), &x.magnitude).cmp(&(y.magnitude.len(), &y.magnitude));
            Some(if x.negative { by_size.reverse() } else { by_size })
        }
        _ => float(a)?.partial_cmp(&float(b)?),
    }
}

/// Pairs in the order of their keys, where all keys have one; else as they are. Nothing is copied when they are in it
/// already.
pub(super) fn sorted(pairs: &[(Value, Value)]) -> Option<Vec<&(Value, Value)>> {
    let rising = |(a, _): &(Value, Value), (b, _): &(Value, Value)| order(a, b) == Some(Ordering::Less);
    if pairs.is_sorted_by(rising) {
        return None;
    }
    let mut refs: Vec<&(Value, Value)> = pairs.iter().collect();
    let mut all = true;
    refs.sort_by(|a, b| {
        order(&a.0, &b.0).unwrap_or_else(|| {
            all = false;
            Ordering::Equal
        })
    });
    // As Python, which gives up on the first two that have no order.
    all.then_some(refs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_print_as_python_prints_them() {
        let float = |f| {
            let mut out = Vec::new();
            push_float(&mut out, f);
            String::from_utf8(out).unwrap()
        };
        let cases =
            [(1.0, "1.0"), (1e16, "1e+16"), (0.00001, "1e-05"), (-0.0, "-0.0"), (0.003_995, "0.003995")];
        for (f, want) in cases {
            assert_eq!(float(f), want);
        }
        assert_eq!(float(5e-324), "5e-324");
        assert_eq!(float(90_048_344_656_745.12), "90048344656745.12");
        assert_eq!(float(1_152_921_504_606_847_232.0), "1.1529215046068472e+18");
        assert_eq!(float(-1.234_567_890_123_456_7e-7), "-1.2345678901234566e-07");
        assert_eq!(float(123_456_789.987_654_33), "123456789.98765433");
        let big = |negative, magnitude: &[u8]| digits(&BigInt { negative, magnitude: magnitude.to_vec() });
        assert_eq!(big(false, &[1, 0, 0, 0, 0, 0, 0, 0, 0]).as_deref(), Some("18446744073709551616"));
        assert_eq!(big(true, &[255; 9]).as_deref(), Some("-4722366482869645213696"));
        assert_eq!(big(false, &[9; 2000]), None);
    }

    #[test]
    fn keys_are_sorted_only_when_all_of_them_can_be() {
        let map = |keys: &[Value]| keys.iter().map(|k| (k.clone(), Value::Null)).collect::<Vec<_>>();
        let mixed = map(&[Value::text("b"), Value::Int(1), Value::text("a")]);
        assert!(sorted(&mixed).is_none());
        let numbers = map(&[Value::Int(10), Value::Float(9.5), Value::Bool(true)]);
        let keys: Vec<_> = sorted(&numbers).unwrap().iter().map(|p| p.0.clone()).collect();
        assert_eq!(keys, [Value::Bool(true), Value::Float(9.5), Value::Int(10)]);
        assert!(sorted(&map(&[Value::text("a"), Value::text("b")])).is_none());
    }
}
