//! The opcodes that nobody writes today, or hardly ever: protocol 0, Python 2, and what needs more than the pickle itself.

use oyez_model::Value;

use super::super::arena::{Chain, Id, Made, Node};
use super::super::{PickleError, literal, number, opcode as op};
use super::{Machine, NOT_UTF8, text_node};

impl<'p> Machine<'p> {
    /// Does what a rare opcode says.
    pub(super) fn rare(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            op::NEWOBJ_EX => {
                let (kwargs, args, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.make(Made::New, class, args, Some(kwargs))
            }
            op::FROZENSET => {
                let start = self.take_mark()?;
                let run = self.arena.run(&self.stack[start..]);
                self.stack.truncate(start);
                self.push(Node::FrozenSet(run));
                Ok(())
            }
            op::POP => self.discard(),
            op::POP_MARK => {
                let start = self.take_mark()?;
                self.stack.truncate(start);
                Ok(())
            }
            op::DUP => {
                let top = self.top()?;
                self.again(top);
                Ok(())
            }
            op::LIST | op::DICT => {
                let start = self.take_mark()?;
                if opcode == op::DICT && !(self.stack.len() - start).is_multiple_of(2) {
                    return Err(self.malformed("a dictionary with a key without a value"));
                }
                let chain = self.arena.extended(Chain::EMPTY, &self.stack[start..]);
                self.stack.truncate(start);
                self.push(if opcode == op::DICT { Node::Dict(chain) } else { Node::List(chain) });
                Ok(())
            }
            op::GET | op::PUT => {
                let line = self.input.line()?;
                let number = std::str::from_utf8(line).ok().and_then(|line| line.trim().parse().ok());
                let number = number.ok_or_else(|| self.malformed("a number of an object that is none"))?;
                if opcode == op::GET { self.get(number) } else { self.put(number) }
            }
            op::INT | op::LONG | op::FLOAT | op::STRING | op::UNICODE => self.literal(opcode),
            op::SHORT_BINSTRING => {
                let bytes = self.input.counted::<1>()?;
                self.old_string(bytes);
                Ok(())
            }
            op::BINSTRING => {
                let bytes = self.counted_signed()?;
                self.old_string(bytes);
                Ok(())
            }
            op::GLOBAL => self.global_lines(),
            op::INST => {
                self.global_lines()?;
                let class = self.pop()?;
                let start = self.take_mark()?;
                self.instance(class, start)
            }
            op::OBJ => {
                let start = self.take_mark()?;
                let class =
                    *self.stack.get(start).ok_or_else(|| self.malformed("an object without a class"))?;
                self.instance(class, start + 1)?;
                self.stack.swap_remove(start);
                Ok(())
            }
            op::EXT1 => self.extension::<1>(),
            op::EXT2 => self.extension::<2>(),
            op::EXT4 => self.extension::<4>(),
            op::PERSID => {
                let line = self.input.line()?;
                let of = self.arena.add(text_node(line).ok_or_else(|| self.malformed(NOT_UTF8))?);
                self.push(Node::Placeholder { what: "persistent reference", of });
                Ok(())
            }
            op::BINPERSID => {
                let of = self.pop()?;
                self.push(Node::Placeholder { what: "persistent reference", of });
                Ok(())
            }
            op::NEXT_BUFFER | op::READONLY_BUFFER => {
                Err(self.malformed("a buffer that was sent beside the pickle"))
            }
            opcode => Err(PickleError::Opcode { at: self.opcode_at, opcode }),
        }
    }

    /// Python 2 did not tell text from bytes. Python 3 takes it for text and refuses what is not ASCII; here that is bytes.
    fn old_string(&mut self, bytes: &'p [u8]) {
        self.push(match std::str::from_utf8(bytes) {
            Ok(text) if bytes.is_ascii() => Node::Text(text),
            _ => Node::Bytes(bytes),
        });
    }

    fn literal(&mut self, opcode: u8) -> Result<(), PickleError> {
        let line = self.input.line()?;
        let node = match (opcode, line) {
            (op::INT, b"00") => Some(Node::Bool(false)),
            (op::INT, b"01") => Some(Node::Bool(true)),
            (op::INT | op::LONG, _) => {
                let digits = if opcode == op::LONG { line.strip_suffix(b"L").unwrap_or(line) } else { line };
                number::from_digits(digits).map(|n| self.arena.own(n))
            }
            (op::FLOAT, _) => literal::float(line).map(Node::Float),
            (op::STRING, _) => {
                literal::string(line).map(|bytes| match String::from_utf8(bytes.into_owned()) {
                    Ok(text) if text.is_ascii() => self.arena.own(Value::Text(text)),
                    Ok(text) => self.arena.own(Value::Bytes(text.into_bytes())),
                    Err(error) => self.arena.own(Value::Bytes(error.into_bytes())),
                })
            }
            _ => literal::unicode(line).map(|bytes| match String::from_utf8(bytes.into_owned()) {
                Ok(text) => self.arena.own(Value::Text(text)),
                Err(error) => self.arena.own(Value::Surrogates(error.into_bytes())),
            }),
        };
        let node = node.ok_or_else(|| self.malformed("a literal that is none"))?;
        self.push(node);
        Ok(())
    }

    fn global_lines(&mut self) -> Result<(), PickleError> {
        let (module, name) = (self.input.line()?, self.input.line()?);
        let node = |line| std::str::from_utf8(line).map(Node::Text).map_err(|_| self.malformed(NOT_UTF8));
        let (module, name) = (node(module)?, node(name)?);
        let (module, name) = (self.arena.add(module), self.arena.add(name));
        self.global(module, name)
    }

    /// An object of Python 2: the class is called when there are arguments, and makes an empty object else.
    fn instance(&mut self, class: Id, start: usize) -> Result<(), PickleError> {
        let args = self.arena.run(&self.stack[start..]);
        self.stack.truncate(start);
        let made = if args.len == 0 { Made::New } else { Made::Called };
        self.object(made, class, args, Chain::EMPTY)
    }

    fn extension<const N: usize>(&mut self) -> Result<(), PickleError> {
        let code = self.input.array::<N>()?;
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(&code);
        let of = self.arena.add(Node::Int(i64::from_le_bytes(wide)));
        self.push(Node::Placeholder { what: "extension", of });
        Ok(())
    }
}
