//! Calls that Python writes for things which have a word of their own here, or for which it has several ways to say the
//! same. Older protocols say nearly everything with calls.

use std::borrow::Cow;

use oyez_model::Value;
use oyez_model::value::DateTime;

use super::PickleError;
use super::arena::{Arena, Chain, Id, Made, NONE, Node, Object, Run};
use super::build::{Builder, bytearray, frozenset};

/// So many attributes of attributes are taken for one name with dots.
const MAX_DOTS: usize = 16;

/// No offset from UTC is a day or more.
const DAY: i64 = 86_400;

impl<'p> Arena<'p> {
    /// Module and name, when the node is a class or function that a name alone says. An attribute of one (how protocols
    /// before 4 say a nested class) is such a name too: `getattr(Outer, "Inner")` is `Outer.Inner`.
    fn name_of(&self, id: Id, dots: usize) -> Option<(&str, Cow<'_, str>)> {
        match self.node(id) {
            Node::Global { module, name } => Some((self.text(module)?, Cow::Borrowed(self.text(name)?))),
            Node::Object(at) if dots > 0 => {
                let object = self.objects.get(at as usize).filter(|object| object.is_plain())?;
                let (Made::Called, [outer, attribute]) = (object.made, self.parts(object.args)) else {
                    return None;
                };
                if !matches!(self.direct(object.callee)?, ("builtins", "getattr")) {
                    return None;
                }
                let attribute = self.text(*attribute).filter(|name| !name.contains(['.', '<']))?;
                let (module, outer) = self.name_of(*outer, dots - 1)?;
                Some((module, Cow::Owned(format!("{outer}.{attribute}"))))
            }
            _ => None,
        }
    }

    fn direct(&self, id: Id) -> Option<(&str, &str)> {
        match self.node(id) {
            Node::Global { module, name } => Some((self.text(module)?, self.text(name)?)),
            _ => None,
        }
    }

    /// The arguments of a plain call of this class or function.
    fn plain_call(&self, id: Id, module: &str, name: &str) -> Option<&[Id]> {
        let Node::Object(at) = self.node(id) else { return None };
        let object = self.objects.get(at as usize)?;
        let called = object.made == Made::Called && object.is_plain();
        (called && self.direct(object.callee)? == (module, name)).then(|| self.parts(object.args))
    }

    fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(n) => Some(n),
            Node::Owned(at) => match self.owned.get(at as usize)? {
                Value::Int(n) => Some(*n),
                _ => None,
            },
            Node::Long(bytes) => match super::number::from_twos_complement(bytes) {
                Value::Int(n) => Some(n),
                _ => None,
            },
            _ => None,
        }
    }

    /// Bytes as any protocol says them: themselves, or a text encoded in Latin-1.
    fn bytes_of(&self, id: Id) -> Option<Cow<'_, [u8]>> {
        match self.node(id) {
            Node::Bytes(bytes) => return Some(Cow::Borrowed(bytes)),
            Node::Owned(at) => {
                if let Value::Bytes(bytes) = self.owned.get(at as usize)? {
                    return Some(Cow::Borrowed(bytes));
                }
            }
            _ => {}
        }
        let call =
            self.plain_call(id, "_codecs", "encode").or_else(|| self.plain_call(id, "codecs", "encode"));
        self.latin1_of(call?).map(Cow::Owned)
    }

    /// The bytes for the arguments (text, name of Latin-1).
    fn latin1_of(&self, args: &[Id]) -> Option<Vec<u8>> {
        let [text, encoding] = args else { return None };
        if !matches!(self.text(*encoding)?, "latin1" | "latin-1" | "iso-8859-1") {
            return None;
        }
        latin1(self.text(*text)?)
    }

    /// A date and time that is nothing but that, from the arguments of `datetime.datetime`.
    fn datetime(&self, args: &[Id]) -> Option<DateTime> {
        let (state, zone) = match args {
            [state] | [state, NONE] => (*state, None),
            [state, zone] => (*state, Some(*zone)),
            _ => return None,
        };
        let bytes = match self.bytes_of(state) {
            Some(bytes) => bytes,
            // Python 2 did not tell text from bytes.
            None => Cow::Owned(latin1(self.text(state)?)?),
        };
        let [high, low, month, day, hour, minute, second, micros @ ..] = &*bytes else { return None };
        let [a, b, c] = micros else { return None };
        let micros = i32::from_be_bytes([0, *a, *b, *c]);
        let year = i16::try_from(u16::from_be_bytes([*high, *low])).ok().filter(|year| *year > 0)?;
        // The fold of a time that comes twice is a high bit in the month; such a one is no month here.
        let part = |byte: &u8| i8::try_from(*byte).ok();
        let civil = jiff::civil::DateTime::new(
            year,
            part(month)?,
            part(day)?,
            part(hour)?,
            part(minute)?,
            part(second)?,
            micros.checked_mul(1000)?,
        )
        .ok()?;
        let Some(zone) = zone else { return Some(DateTime { civil, offset: None, zone: None }) };
        let (delta, zone) = match self.plain_call(zone, "datetime", "timezone")? {
            [delta] => (*delta, None),
            [delta, name] => (*delta, Some(self.text(*name)?.to_owned())),
            _ => return None,
        };
        let (days, seconds) = match self.plain_call(delta, "datetime", "timedelta")? {
            [days] => (self.int(*days)?, 0),
            [days, seconds] => (self.int(*days)?, self.int(*seconds)?),
            [days, seconds, micros] if self.int(*micros)? == 0 => (self.int(*days)?, self.int(*seconds)?),
            _ => return None,
        };
        let offset = days.checked_mul(DAY)?.checked_add(seconds)?;
        let offset = i32::try_from(offset).ok().filter(|offset| i64::from(offset.abs()) < DAY)?;
        Some(DateTime { civil, offset: Some(offset), zone })
    }
}

fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

impl<'a> Builder<'a, '_> {
    /// Module and name of what a name alone says.
    pub(super) fn callee(&self, id: Id) -> Option<(&'a str, Cow<'a, str>)> {
        self.arena.name_of(id, MAX_DOTS)
    }

    /// The object made by its class itself, when it is made by the functions through which `copyreg` says that.
    pub(super) fn made_anew(&self, object: Object) -> Object {
        let Some(("copyreg", maker)) = self.arena.direct(object.callee) else { return object };
        let (Made::Called, parts) = (object.made, self.arena.parts(object.args)) else { return object };
        let (class, args, kwargs) = match (maker, parts) {
            ("__newobj__", [class, ..]) => {
                let args = Run { start: object.args.start + 1, len: object.args.len - 1 };
                (*class, args, Chain::EMPTY)
            }
            ("__newobj_ex__", [class, args, kwargs]) => {
                match (self.arena.node(*args), self.arena.node(*kwargs)) {
                    (Node::Tuple(args), Node::Dict(kwargs)) => (*class, args, kwargs),
                    _ => return object,
                }
            }
            ("_reconstructor", [class, base, NONE])
                if self.arena.direct(*base) == Some(("builtins", "object")) =>
            {
                (*class, Run { start: 0, len: 0 }, Chain::EMPTY)
            }
            _ => return object,
        };
        if matches!(self.arena.node(class), Node::Global { .. } | Node::Object(_) | Node::Placeholder { .. })
        {
            Object { made: Made::New, callee: class, args, kwargs, ..object }
        } else {
            object
        }
    }

    /// The value that has a word of its own.
    pub(super) fn shape(&mut self, object: &Object, depth: usize) -> Result<Option<Value>, PickleError> {
        if object.made != Made::Called || !object.is_plain() {
            return Ok(None);
        }
        let arena = self.arena;
        let Some((module, name)) = arena.direct(object.callee) else { return Ok(None) };
        let args = arena.parts(object.args);
        Ok(match (module, name, args) {
            ("datetime", "datetime", _) => arena.datetime(args).map(|time| Value::DateTime(Box::new(time))),
            ("_codecs" | "codecs", "encode", _) => match arena.latin1_of(args) {
                Some(bytes) => {
                    self.weigh(bytes.len())?;
                    Some(Value::Bytes(bytes))
                }
                None => None,
            },
            ("builtins", "bytes", []) => Some(Value::Bytes(Vec::new())),
            // It holds its bytes one level deeper.
            ("builtins", "bytearray", _) if depth > 1 => {
                let bytes = match args {
                    [] => Some(Cow::Borrowed(&[][..])),
                    [bytes] => arena.bytes_of(*bytes),
                    args => arena.latin1_of(args).map(Cow::Owned),
                };
                match bytes {
                    Some(bytes) => {
                        self.weigh(bytes.len())?;
                        Some(bytearray(bytes.into_owned()))
                    }
                    None => None,
                }
            }
            ("builtins", "set", []) => Some(Value::Set(Vec::new())),
            ("builtins", "set", [items]) => self.listed(*items, depth)?.map(Value::Set),
            ("builtins", "frozenset", []) if depth > 1 => Some(frozenset(Vec::new())),
            ("builtins", "frozenset", [items]) if depth > 1 => self.listed(*items, depth - 1)?.map(frozenset),
            _ => None,
        })
    }

    /// The values of a list or tuple; `None` when it is none, or lies within itself, or too deep.
    fn listed(&mut self, id: Id, depth: usize) -> Result<Option<Vec<Value>>, PickleError> {
        if !matches!(self.arena.node(id), Node::List(_) | Node::Tuple(_)) {
            return Ok(None);
        }
        Ok(match self.value(id, depth)? {
            Value::List(items) | Value::Tuple(items) => Some(items),
            _ => None,
        })
    }
}
