//! The stack machine of a pickle. It makes nodes; where Python would import or call, it notes that.

mod memo;
mod rare;

use self::memo::Memo;
use super::arena::{Arena, Chain, EMPTY_TUPLE, FALSE, Id, Made, NONE, NOTHING, Node, Object, Run, TRUE};
use super::literal::Input;
use super::{Limits, PickleError, literal, names, opcode as op};

/// The newest protocol that is known.
const NEWEST: u8 = 5;

/// What a pickle made, and which node is its outcome.
pub(super) fn run<'p>(bytes: &'p [u8], limits: &Limits) -> Result<(Arena<'p>, Id), PickleError> {
    let mut machine = Machine {
        input: Input::new(bytes),
        arena: Arena::new(),
        stack: Vec::with_capacity(24),
        marks: Vec::with_capacity(8),
        fence: 0,
        memo: Memo::new(),
        protocol: 0,
        opcode_at: 0,
        nodes: limits.nodes.min(NOTHING as usize / 2),
        memo_limit: limits.memo,
    };
    let root = machine.run()?;
    Ok((machine.arena, root))
}

#[derive(Debug)]
struct Machine<'p> {
    input: Input<'p>,
    arena: Arena<'p>,
    stack: Vec<Id>,
    /// How long the stack was at each mark.
    marks: Vec<usize>,
    /// The last of `marks`: what lies below is out of reach until the mark is taken.
    fence: usize,
    memo: Memo,
    protocol: u8,
    /// Where the opcode stands that is being run.
    opcode_at: usize,
    nodes: usize,
    memo_limit: usize,
}

impl<'p> Machine<'p> {
    fn run(&mut self) -> Result<Id, PickleError> {
        loop {
            self.opcode_at = self.input.at;
            if self.arena.size().max(self.stack.len() + self.marks.len()) > self.nodes {
                return Err(PickleError::TooMuch { what: "values", limit: self.nodes });
            }
            match self.input.u8()? {
                op::STOP => return self.pop(),
                op::SHORT_BINUNICODE => self.text::<1>()?,
                op::BINUNICODE => self.text::<4>()?,
                op::BINUNICODE8 => self.text::<8>()?,
                op::MEMOIZE => self.put(self.memo.len)?,
                op::BINGET => {
                    let number = usize::from(self.input.u8()?);
                    self.get(number)?;
                }
                op::LONG_BINGET => {
                    let number = u32::from_le_bytes(self.input.array()?);
                    self.get(number as usize)?;
                }
                op::BINPUT => {
                    let number = usize::from(self.input.u8()?);
                    self.put(number)?;
                }
                op::LONG_BINPUT => {
                    let number = u32::from_le_bytes(self.input.array()?);
                    self.put(number as usize)?;
                }
                op::NONE => self.stack.push(NONE),
                op::NEWTRUE => self.stack.push(TRUE),
                op::NEWFALSE => self.stack.push(FALSE),
                op::BININT => {
                    let n = i32::from_le_bytes(self.input.array()?);
                    self.push(Node::Int(i64::from(n)));
                }
                op::BININT1 => {
                    let n = self.input.u8()?;
                    self.push(Node::Int(i64::from(n)));
                }
                op::BININT2 => {
                    let n = u16::from_le_bytes(self.input.array()?);
                    self.push(Node::Int(i64::from(n)));
                }
                op::LONG1 => {
                    let bytes = self.input.counted::<1>()?;
                    self.push(Node::Long(bytes));
                }
                op::LONG4 => {
                    let bytes = self.counted_signed()?;
                    self.push(Node::Long(bytes));
                }
                op::BINFLOAT => {
                    let n = f64::from_be_bytes(self.input.array()?);
                    self.push(Node::Float(n));
                }
                op::SHORT_BINBYTES => self.bytes::<1>()?,
                op::BINBYTES => self.bytes::<4>()?,
                op::BINBYTES8 => self.bytes::<8>()?,
                op::BYTEARRAY8 => {
                    let bytes = self.input.counted::<8>()?;
                    self.push(Node::ByteArray(bytes));
                }
                op::MARK => {
                    self.fence = self.stack.len();
                    self.marks.push(self.fence);
                }
                op::EMPTY_DICT => self.push(Node::Dict(Chain::EMPTY)),
                op::EMPTY_LIST => self.push(Node::List(Chain::EMPTY)),
                op::EMPTY_SET => self.push(Node::Set(Chain::EMPTY)),
                op::EMPTY_TUPLE => self.stack.push(EMPTY_TUPLE),
                op::TUPLE1 => self.tuple(1)?,
                op::TUPLE2 => self.tuple(2)?,
                op::TUPLE3 => self.tuple(3)?,
                op::TUPLE => {
                    let start = self.take_mark()?;
                    self.tuple(self.stack.len() - start)?;
                }
                op::APPEND => self.fill(self.stack.len().saturating_sub(1), Fill::Items)?,
                op::APPENDS => {
                    let start = self.take_mark()?;
                    self.fill(start, Fill::Items)?;
                }
                op::SETITEM => self.fill(self.stack.len().saturating_sub(2), Fill::Entries)?,
                op::SETITEMS => {
                    let start = self.take_mark()?;
                    self.fill(start, Fill::Entries)?;
                }
                op::ADDITEMS => {
                    let start = self.take_mark()?;
                    self.fill(start, Fill::Members)?;
                }
                op::STACK_GLOBAL => {
                    let (name, module) = (self.pop()?, self.pop()?);
                    self.global(module, name)?;
                }
                op::REDUCE => {
                    let (args, callee) = (self.pop()?, self.pop()?);
                    self.make(Made::Called, callee, args, None)?;
                }
                op::NEWOBJ => {
                    let (args, class) = (self.pop()?, self.pop()?);
                    self.make(Made::New, class, args, None)?;
                }
                op::BUILD => self.build()?,
                op::PROTO => self.proto()?,
                op::FRAME => self.input.skip_frame()?,
                other => self.rare(other)?,
            }
        }
    }

    fn malformed(&self, what: &'static str) -> PickleError {
        PickleError::Malformed { at: self.opcode_at, what }
    }

    fn push(&mut self, node: Node<'p>) {
        let id = self.arena.add(node);
        self.stack.push(id);
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        match self.stack.pop() {
            Some(id) if self.stack.len() >= self.fence => Ok(id),
            _ => Err(self.malformed(EMPTY)),
        }
    }

    fn top(&self) -> Result<Id, PickleError> {
        match self.stack.last() {
            Some(id) if self.stack.len() > self.fence => Ok(*id),
            _ => Err(self.malformed(EMPTY)),
        }
    }

    /// Where the stack stood at the last mark, which is gone then.
    fn take_mark(&mut self) -> Result<usize, PickleError> {
        let start = self.marks.pop().ok_or_else(|| self.malformed("there is no mark"))?;
        self.fence = self.marks.last().copied().unwrap_or(0);
        // No opcode reaches below a mark that is still there.
        debug_assert!(start <= self.stack.len());
        Ok(start)
    }

    /// Drops the uppermost of the stack, be it an object or a mark.
    fn discard(&mut self) -> Result<(), PickleError> {
        if !self.marks.is_empty() && self.stack.len() == self.fence {
            self.take_mark()?;
        } else {
            self.pop()?;
        }
        Ok(())
    }

    fn put(&mut self, number: usize) -> Result<(), PickleError> {
        let top = self.top()?;
        if self.memo.len >= self.memo_limit {
            return Err(PickleError::TooMuch { what: "numbered objects", limit: self.memo_limit });
        }
        self.memo.put(number, top);
        Ok(())
    }

    fn get(&mut self, number: usize) -> Result<(), PickleError> {
        let id = self.memo.get(number).ok_or_else(|| self.malformed("nothing has this number"))?;
        self.again(id);
        Ok(())
    }

    fn again(&mut self, id: Id) {
        self.arena.shared |= matches!(
            self.arena.node(id),
            Node::List(_)
                | Node::Dict(_)
                | Node::Set(_)
                | Node::Tuple(_)
                | Node::FrozenSet(_)
                | Node::Object(_)
        );
        self.stack.push(id);
    }

    fn text<const N: usize>(&mut self) -> Result<(), PickleError> {
        let node = text_node(self.input.counted::<N>()?).ok_or_else(|| self.malformed(NOT_UTF8))?;
        self.push(node);
        Ok(())
    }

    fn bytes<const N: usize>(&mut self) -> Result<(), PickleError> {
        let bytes = self.input.counted::<N>()?;
        self.push(Node::Bytes(bytes));
        Ok(())
    }

    fn counted_signed(&mut self) -> Result<&'p [u8], PickleError> {
        let len = i32::from_le_bytes(self.input.array()?);
        let len = usize::try_from(len).map_err(|_| self.malformed("a length below zero"))?;
        self.input.take(len)
    }

    /// `len` parts from the top of the stack.
    fn tuple(&mut self, len: usize) -> Result<(), PickleError> {
        let start = self.stack.len().checked_sub(len).filter(|start| *start >= self.fence);
        let start = start.ok_or_else(|| self.malformed(EMPTY))?;
        let run = self.arena.run(&self.stack[start..]);
        self.stack.truncate(start);
        self.push(Node::Tuple(run));
        Ok(())
    }

    /// Puts what lies on the stack from `start` into the container below it.
    fn fill(&mut self, start: usize, with: Fill) -> Result<(), PickleError> {
        let target = start.checked_sub(1).filter(|target| *target >= self.fence);
        let id = *target.and_then(|target| self.stack.get(target)).ok_or_else(|| self.malformed(EMPTY))?;
        let parts = &self.stack[start..];
        if matches!(with, Fill::Entries) && !parts.len().is_multiple_of(2) {
            return Err(self.malformed("a key without a value"));
        }
        let filled = match (self.arena.node(id), with) {
            (Node::List(chain), Fill::Items) => Some(Node::List(self.arena.extended(chain, parts))),
            (Node::Dict(chain), Fill::Entries) => Some(Node::Dict(self.arena.extended(chain, parts))),
            (Node::Set(chain), Fill::Members) => Some(Node::Set(self.arena.extended(chain, parts))),
            (Node::Object(at), with) => {
                let Some(mut object) = self.arena.objects.get(at as usize).copied() else {
                    return Err(self.malformed(EMPTY));
                };
                let chain = match with {
                    Fill::Items => &mut object.items,
                    Fill::Entries => &mut object.entries,
                    Fill::Members => &mut object.members,
                };
                *chain = self.arena.extended(*chain, parts);
                self.arena.objects[at as usize] = object;
                None
            }
            // Nobody knows what it would do with them.
            (Node::Placeholder { .. }, _) => None,
            _ => return Err(self.malformed("something is put into what holds nothing")),
        };
        if let (Some(filled), Some(node)) = (filled, self.arena.node_mut(id)) {
            *node = filled;
        }
        self.stack.truncate(start);
        Ok(())
    }

    fn build(&mut self) -> Result<(), PickleError> {
        let (state, target) = (self.pop()?, self.top()?);
        match self.arena.node(target) {
            Node::Object(at) => {
                if let Some(object) = self.arena.objects.get_mut(at as usize) {
                    object.state = state;
                }
                Ok(())
            }
            Node::Placeholder { .. } => Ok(()),
            _ if state == NONE => Ok(()),
            _ => Err(self.malformed("a state is set on what has none")),
        }
    }

    fn proto(&mut self) -> Result<(), PickleError> {
        let version = self.input.u8()?;
        if version > NEWEST {
            return Err(PickleError::Protocol { version });
        }
        self.protocol = version;
        Ok(())
    }

    fn global(&mut self, mut module: Id, mut name: Id) -> Result<(), PickleError> {
        match (self.arena.node(module), self.arena.node(name)) {
            (Node::Text(old_module), Node::Text(old_name)) if self.protocol < 3 => {
                let (new_module, new_name) = names::today(old_module, old_name);
                if new_module != old_module {
                    module = self.arena.add(Node::Text(new_module));
                }
                if new_name != old_name {
                    name = self.arena.add(Node::Text(new_name));
                }
            }
            _ if self.arena.text(module).is_some() && self.arena.text(name).is_some() => {}
            _ => return Err(self.malformed("the name of a class is no text")),
        }
        self.push(Node::Global { module, name });
        Ok(())
    }

    fn make(&mut self, made: Made, callee: Id, args: Id, kwargs: Option<Id>) -> Result<(), PickleError> {
        let kwargs = match kwargs.map(|kwargs| self.arena.node(kwargs)) {
            None => Some(Chain::EMPTY),
            Some(Node::Dict(chain)) => Some(chain),
            Some(Node::Object(_) | Node::Placeholder { .. }) => None,
            Some(_) => return Err(self.malformed("named arguments that are no dictionary")),
        };
        match (self.arena.node(args), kwargs) {
            (Node::Tuple(args), Some(kwargs)) => self.object(made, callee, args, kwargs),
            (Node::Tuple(_) | Node::Object(_) | Node::Placeholder { .. }, _) => {
                self.push(Node::Placeholder { what: "call with computed arguments", of: callee });
                Ok(())
            }
            _ => Err(self.malformed("arguments that are no tuple")),
        }
    }

    fn object(&mut self, made: Made, callee: Id, args: Run, kwargs: Chain) -> Result<(), PickleError> {
        if !matches!(
            self.arena.node(callee),
            Node::Global { .. } | Node::Object(_) | Node::Placeholder { .. }
        ) {
            return Err(self.malformed("something is called that is no class and no function"));
        }
        let (items, entries, members) = (Chain::EMPTY, Chain::EMPTY, Chain::EMPTY);
        let object = Object { made, callee, args, kwargs, state: NOTHING, items, entries, members };
        let node = self.arena.object(object);
        self.push(node);
        Ok(())
    }
}

/// What a container is filled with.
#[derive(Clone, Copy, Debug)]
enum Fill {
    Items,
    Entries,
    Members,
}

const EMPTY: &str = "the stack holds too little";
const NOT_UTF8: &str = "a text that is not UTF-8";

fn text_node(bytes: &[u8]) -> Option<Node<'_>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(Node::Text(text)),
        Err(_) => literal::is_utf8_with_surrogates(bytes).then_some(Node::Surrogates(bytes)),
    }
}
