//! Whole numbers between the forms of a pickle (two's complement with the least significant byte first, or digits) and ours
//! (64 bits, or sign and magnitude).

use oyez_model::Value;
use oyez_model::value::BigInt;

/// Python itself reads no more digits than this into a number.
const MAX_DIGITS: usize = 4_300;

/// The number in two's complement, least significant byte first; nothing is 0.
pub(super) fn from_twos_complement(bytes: &[u8]) -> Value {
    let negative = bytes.last().is_some_and(|last| last & 0x80 != 0);
    let fill = if negative { 0xff } else { 0 };
    let len = bytes.iter().rposition(|byte| *byte != fill).map_or(0, |at| at + 1);
    let digits = &bytes[..len];
    if len < 8 || (len == 8 && (digits[7] & 0x80 != 0) == negative) {
        let mut all = [fill; 8];
        all[..len].copy_from_slice(digits);
        return Value::Int(i64::from_le_bytes(all));
    }
    Value::Big(BigInt { negative, magnitude: digits.iter().rev().map(|byte| byte ^ fill).collect() })
}

/// A big number in two's complement, least significant byte first, in as few bytes as Python needs.
pub(super) fn to_twos_complement(n: &BigInt) -> Vec<u8> {
    let fill = if n.negative { 0xff } else { 0 };
    let start = n.magnitude.iter().position(|byte| *byte != 0).unwrap_or(n.magnitude.len());
    let mut bytes: Vec<u8> = n.magnitude[start..].iter().rev().map(|byte| byte ^ fill).collect();
    if bytes.last().is_some_and(|last| (last & 0x80 != 0) != n.negative) {
        bytes.push(fill);
    }
    bytes
}

/// A number in digits, with a sign and a prefix `0x`, `0o` or `0b` as Python takes them; `None` when it is none.
pub(in crate::pyats) fn from_digits(text: &[u8]) -> Option<Value> {
    let text = text.trim_ascii();
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', rest @ ..] => (16, rest),
        [b'0', b'o' | b'O', rest @ ..] => (8, rest),
        [b'0', b'b' | b'B', rest @ ..] => (2, rest),
        _ => (10, digits),
    };
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return None;
    }
    // Least significant first.
    let mut limbs: Vec<u32> = Vec::with_capacity(digits.len() / 8 + 1);
    // Nine digits at once: their number, and what all before them is worth, fit 32 bits in base 10; fewer in base 16.
    for group in digits.chunks(if radix == 10 { 9 } else { 7 }) {
        let (mut add, mut scale) = (0u64, 1u64);
        for digit in group {
            add = add * u64::from(radix) + u64::from(char::from(*digit).to_digit(radix)?);
            scale *= u64::from(radix);
        }
        for limb in &mut limbs {
            add += u64::from(*limb) * scale;
            *limb = (add & 0xffff_ffff) as u32;
            add >>= 32;
        }
        if add > 0 {
            limbs.push((add & 0xffff_ffff) as u32);
        }
    }
    let mut bytes: Vec<u8> = limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect();
    // Room for the sign.
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            (*byte, carry) = (!*byte).overflowing_add(u8::from(carry));
        }
    }
    Some(from_twos_complement(&bytes))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_of_all_sizes_and_bases_are_numbers() {
        let big = |negative, magnitude: &[u8]| Value::Big(BigInt { negative, magnitude: magnitude.to_vec() });
        for (digits, expected) in [
            ("0", Value::Int(0)),
            ("-0", Value::Int(0)),
            (" +42 ", Value::Int(42)),
            ("-1", Value::Int(-1)),
            ("0x1F", Value::Int(31)),
            ("-0b101", Value::Int(-5)),
            ("9223372036854775807", Value::Int(i64::MAX)),
            ("-9223372036854775808", Value::Int(i64::MIN)),
            ("9223372036854775808", big(false, &[0x80, 0, 0, 0, 0, 0, 0, 0])),
            ("-9223372036854775809", big(true, &[0x80, 0, 0, 0, 0, 0, 0, 0])),
            ("18446744073709551616", big(false, &[1, 0, 0, 0, 0, 0, 0, 0, 0])),
            ("0x100000000000000000000", big(false, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
        ] {
            assert_eq!(from_digits(digits.as_bytes()), Some(expected), "{digits}");
        }
        for wrong in ["", "-", "1a", "0x", "1 2", "--1", &"9".repeat(MAX_DIGITS + 1)] {
            assert_eq!(from_digits(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_big_number_comes_back_from_its_bytes(negative: bool, first in 1..=255u8, rest in vec(any::<u8>(), 8..40)) {
            let n = BigInt { negative, magnitude: [&[first][..], &rest].concat() };
            let bytes = to_twos_complement(&n);
            prop_assert_eq!(from_twos_complement(&bytes), Value::Big(n));
        }

        #[test]
        fn a_number_of_up_to_128_bits_is_the_one_that_its_digits_say(n: i128) {
            let expected = from_twos_complement(&n.to_le_bytes());
            prop_assert_eq!(from_digits(n.to_string().as_bytes()), Some(expected));
        }
    }
}
