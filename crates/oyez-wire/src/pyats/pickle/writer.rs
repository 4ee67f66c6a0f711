//! Pickles of protocol 4, opcode by opcode.

use oyez_model::value::{BigInt, DateTime};

use super::{number, opcode as op};

/// The frame's opcode and length.
const FRAME_HEAD: usize = 9;
/// Python writes no frame around less.
const FRAME_MIN: usize = 4;
/// The first year of Python, and the last.
const YEARS: std::ops::RangeInclusive<i16> = 1..=9999;
/// No offset of Python's is a day or more.
const DAY: i32 = 86_400;

/// Writes one pickle of protocol 4 at the end of a buffer, for whole values ([`Writer::value`]) and for what no value can
/// say: objects that refer to each other, through [`Writer::memoize`] and [`Writer::get`].
///
/// The methods are the stack machine's own steps, so their order is that of a pickle: a container first and then its
/// parts, a class, its arguments as a tuple, and then the call. Whoever writes by steps has to leave one object. An
/// object that others refer to while it is being filled:
///
/// ```
/// use oyez_wire::pyats::pickle::Writer;
///
/// let mut out = Vec::new();
/// let mut w = Writer::new(&mut out);
/// w.global("pyats.reporter.testsuite", "Section");
/// w.empty_tuple();
/// w.new_object();
/// let section = w.memoize();
/// w.dict(); // its state
/// w.mark();
/// w.text("sections");
/// w.list();
/// w.text("self");
/// w.get(section);
/// w.set_items();
/// w.build();
/// w.finish();
/// assert_eq!(out.last(), Some(&b'.'));
/// ```
///
/// Nothing but [`Writer::finish`] makes it a pickle.
#[derive(Debug)]
#[must_use = "a pickle has an end: call `finish`"]
pub struct Writer<'o> {
    pub(super) out: &'o mut Vec<u8>,
    /// Where the frame's opcode stands.
    frame: usize,
    memoized: u32,
    pub(super) opaque_as_text: bool,
    /// Something in the value that is being written refers to what it is in.
    pub(super) cyclic: bool,
    /// What is being filled, each with its depth and its number.
    pub(super) open: Vec<(usize, u32)>,
    /// What is being written holds no object that cannot be made.
    pub(super) whole: bool,
}

impl<'o> Writer<'o> {
    /// Starts a pickle behind what `out` holds.
    pub fn new(out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(&[op::PROTO, 4, op::FRAME, 0, 0, 0, 0, 0, 0, 0, 0]);
        let frame = out.len() - FRAME_HEAD;
        Writer {
            out,
            frame,
            memoized: 0,
            opaque_as_text: false,
            cyclic: false,
            open: Vec::new(),
            whole: false,
        }
    }

    /// Objects of classes that are not looked into become texts when they are part of a [`Writer::value`]. They must for
    /// everybody but the user that they came from: whoever reads a pickle runs what it names.
    pub fn opaque_as_text(self) -> Self {
        Writer { opaque_as_text: true, ..self }
    }

    /// Ends the pickle: the object that was left is what it says.
    pub fn finish(self) {
        self.out.push(op::STOP);
        let body = self.frame + FRAME_HEAD;
        let len = self.out.len() - body;
        if len < FRAME_MIN {
            self.out.drain(self.frame..body);
        } else {
            self.out[self.frame + 1..body].copy_from_slice(&(len as u64).to_le_bytes());
        }
    }

    /// `None`.
    pub fn none(&mut self) {
        self.out.push(op::NONE);
    }

    /// `True` or `False`.
    pub fn bool(&mut self, b: bool) {
        self.out.push(if b { op::NEWTRUE } else { op::NEWFALSE });
    }

    /// An `int` of 64 bits.
    pub fn int(&mut self, n: i64) {
        if let Ok(n) = u8::try_from(n) {
            self.out.extend_from_slice(&[op::BININT1, n]);
        } else if let Ok(n) = u16::try_from(n) {
            self.out.push(op::BININT2);
            self.out.extend_from_slice(&n.to_le_bytes());
        } else if let Ok(n) = i32::try_from(n) {
            self.out.push(op::BININT);
            self.out.extend_from_slice(&n.to_le_bytes());
        } else {
            let bytes = n.to_le_bytes();
            // The last byte that says more than the sign before it does.
            let fill = if n < 0 { 0xff } else { 0 };
            let mut len = bytes.iter().rposition(|byte| *byte != fill).map_or(1, |at| at + 1);
            if (bytes[len - 1] & 0x80 != 0) != (n < 0) {
                len += 1;
            }
            self.out.extend_from_slice(&[op::LONG1, len as u8]);
            self.out.extend_from_slice(&bytes[..len]);
        }
    }

    /// An `int` of any size.
    pub fn big(&mut self, n: &BigInt) {
        let bytes = number::to_twos_complement(n);
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.out.extend_from_slice(&[op::LONG1, len]);
        } else if let Ok(len) = i32::try_from(bytes.len()) {
            self.out.push(op::LONG4);
            self.out.extend_from_slice(&len.to_le_bytes());
        } else {
            // No opcode takes a number of two gigabytes.
            return self.text("(left out: a number of more than 2 GiB)");
        }
        self.out.extend_from_slice(&bytes);
    }

    /// A `float`.
    pub fn float(&mut self, n: f64) {
        self.out.push(op::BINFLOAT);
        self.out.extend_from_slice(&n.to_be_bytes());
    }

    /// A `str`.
    pub fn text(&mut self, text: &str) {
        self.utf8(text.as_bytes());
    }

    /// A `str` with lone surrogates, in UTF-8 in which they may stand; the caller knows that it is that.
    pub(super) fn utf8(&mut self, bytes: &[u8]) {
        self.counted([op::SHORT_BINUNICODE, op::BINUNICODE, op::BINUNICODE8], bytes);
    }

    /// `bytes`.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.counted([op::SHORT_BINBYTES, op::BINBYTES, op::BINBYTES8], bytes);
    }

    fn counted(&mut self, [short, long, longer]: [u8; 3], bytes: &[u8]) {
        if let Ok(len) = u8::try_from(bytes.len()) {
            self.out.extend_from_slice(&[short, len]);
        } else if let Ok(len) = u32::try_from(bytes.len()) {
            self.out.push(long);
            self.out.extend_from_slice(&len.to_le_bytes());
        } else {
            self.out.push(longer);
            self.out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        }
        self.out.extend_from_slice(bytes);
    }

    /// A `datetime.datetime`, naive or with a `datetime.timezone`. What Python cannot say is told as text (a year before
    /// 1, an offset of a day or more) or left out (less than a microsecond; the name of a zone without an offset).
    pub fn datetime(&mut self, t: &DateTime) {
        let (year, nanos) = (t.civil.year(), t.civil.subsec_nanosecond());
        let offset = t.offset.unwrap_or(0);
        if !YEARS.contains(&year) || offset <= -DAY || offset >= DAY {
            let zone = t.offset.map(|offset| format!(" {offset:+} s")).unwrap_or_default();
            return self.text(&format!("{}{zone}", t.civil));
        }
        let [high, low] = year.to_be_bytes();
        let [_, a, b, c] = (nanos / 1000).to_be_bytes();
        self.out.extend_from_slice(b"\x8c\x08datetime\x8c\x08datetime\x93C\x0a");
        self.out.extend_from_slice(&[high, low]);
        let (date, time) = (t.civil.date(), t.civil.time());
        for part in [date.month(), date.day(), time.hour(), time.minute(), time.second()] {
            // None of them is below zero.
            self.out.push(part.unsigned_abs());
        }
        self.out.extend_from_slice(&[a, b, c]);
        if t.offset.is_none() {
            self.tuple1();
            return self.reduce();
        }
        self.out
            .extend_from_slice(b"\x8c\x08datetime\x8c\x08timezone\x93\x8c\x08datetime\x8c\x09timedelta\x93");
        self.int(i64::from(offset.div_euclid(DAY)));
        self.int(i64::from(offset.rem_euclid(DAY)));
        self.int(0);
        self.tuple3();
        self.reduce();
        match &t.zone {
            Some(zone) => {
                self.text(zone);
                self.tuple2();
            }
            None => self.tuple1(),
        }
        self.reduce();
        self.tuple2();
        self.reduce();
    }

    /// A class or function, by the name of its module and its own, which may have dots.
    pub fn global(&mut self, module: &str, name: &str) {
        self.text(module);
        self.text(name);
        self.out.push(op::STACK_GLOBAL);
    }

    /// Marks a place on the stack; [`Writer::tuple`], [`Writer::append_items`], [`Writer::set_items`] and
    /// [`Writer::add_items`] take what comes behind it.
    pub fn mark(&mut self) {
        self.out.push(op::MARK);
    }

    /// `()`.
    pub fn empty_tuple(&mut self) {
        self.out.push(op::EMPTY_TUPLE);
    }

    /// A tuple of the last object.
    pub fn tuple1(&mut self) {
        self.out.push(op::TUPLE1);
    }

    /// A tuple of the last two objects.
    pub fn tuple2(&mut self) {
        self.out.push(op::TUPLE2);
    }

    /// A tuple of the last three objects.
    pub fn tuple3(&mut self) {
        self.out.push(op::TUPLE3);
    }

    /// A tuple of all objects since the mark.
    pub fn tuple(&mut self) {
        self.out.push(op::TUPLE);
    }

    /// An empty list, to be filled.
    pub fn list(&mut self) {
        self.out.push(op::EMPTY_LIST);
    }

    /// Appends the last object to the list (or other object) before it.
    pub fn append(&mut self) {
        self.out.push(op::APPEND);
    }

    /// Appends all objects since the mark to the list (or other object) before the mark.
    pub fn append_items(&mut self) {
        self.out.push(op::APPENDS);
    }

    /// An empty dictionary, to be filled.
    pub fn dict(&mut self) {
        self.out.push(op::EMPTY_DICT);
    }

    /// Sets the last object under the key before it in the dictionary (or other object) before both.
    pub fn set_item(&mut self) {
        self.out.push(op::SETITEM);
    }

    /// Sets all keys and objects since the mark, key and object by turns, in the dictionary (or other object) before the
    /// mark.
    pub fn set_items(&mut self) {
        self.out.push(op::SETITEMS);
    }

    /// An empty set, to be filled.
    pub fn set(&mut self) {
        self.out.push(op::EMPTY_SET);
    }

    /// Adds all objects since the mark to the set (or other object) before the mark.
    pub fn add_items(&mut self) {
        self.out.push(op::ADDITEMS);
    }

    /// Calls a class or function with the tuple of arguments behind it.
    pub fn reduce(&mut self) {
        self.out.push(op::REDUCE);
    }

    /// An object that the class makes (`__new__`) from the tuple of arguments behind it, not initialised.
    pub fn new_object(&mut self) {
        self.out.push(op::NEWOBJ);
    }

    /// As [`Writer::new_object`], with a dictionary of named arguments behind the tuple.
    pub fn new_object_with_names(&mut self) {
        self.out.push(op::NEWOBJ_EX);
    }

    /// Sets the last object as the state of the one before it.
    pub fn build(&mut self) {
        self.out.push(op::BUILD);
    }

    /// Gives the last object a number, so that [`Writer::get`] can refer to it.
    pub fn memoize(&mut self) -> u32 {
        self.out.push(op::MEMOIZE);
        self.memoized += 1;
        self.memoized - 1
    }

    /// The object with a number that [`Writer::memoize`] gave, once more: the same one.
    pub fn get(&mut self, number: u32) {
        if let Ok(number) = u8::try_from(number) {
            self.out.extend_from_slice(&[op::BINGET, number]);
        } else {
            self.out.push(op::LONG_BINGET);
            self.out.extend_from_slice(&number.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer<'_>)) -> Vec<u8> {
        let mut out = b"before".to_vec();
        let mut writer = Writer::new(&mut out);
        write(&mut writer);
        writer.finish();
        out.split_off(6)
    }

    #[test]
    fn a_frame_stands_around_four_bytes_or_more() {
        assert_eq!(written(|w| w.none()), b"\x80\x04N.");
        assert_eq!(written(|w| w.int(1)), b"\x80\x04K\x01.");
        assert_eq!(written(|w| w.int(257)), b"\x80\x04\x95\x04\0\0\0\0\0\0\0M\x01\x01.");
    }

    #[test]
    fn numbers_take_as_few_bytes_as_python_gives_them() {
        let body = |n: i64| {
            let bytes = written(|w| w.int(n));
            let start = if bytes[2] == op::FRAME { 2 + FRAME_HEAD } else { 2 };
            bytes[start..bytes.len() - 1].to_vec()
        };
        assert_eq!(body(255), b"K\xff");
        assert_eq!(body(65_535), b"M\xff\xff");
        assert_eq!(body(-1), b"J\xff\xff\xff\xff");
        assert_eq!(body(1 << 31), b"\x8a\x05\0\0\0\x80\0");
        assert_eq!(body(-(1 << 31) - 1), b"\x8a\x05\xff\xff\xff\x7f\xff");
        assert_eq!(body(i64::MIN), b"\x8a\x08\0\0\0\0\0\0\0\x80");
    }

    #[test]
    fn references_count_from_zero_and_grow_beyond_one_byte() {
        let bytes = written(|w| {
            w.list();
            for expected in 0..300 {
                assert_eq!(w.memoize(), expected);
            }
            w.get(255);
            w.get(256);
        });
        assert!(bytes.ends_with(b"h\xffj\0\x01\0\0."));
    }
}
