//! From nodes to a tree: what was named twice stands there twice, what is within itself becomes a placeholder.

use oyez_model::Value;
use oyez_model::value::{MAX_DEPTH, Opaque, OpaqueForm};

use super::arena::{Arena, Chain, Id, Made, NOTHING, Node, Object, Run};
use super::{Limits, PickleError, number};

/// The tree under `root`.
pub(super) fn value(arena: &Arena<'_>, root: Id, limits: &Limits) -> Result<Value, PickleError> {
    let depth = limits.depth.clamp(1, MAX_DEPTH);
    let mut builder = Builder {
        arena,
        limits,
        nodes: limits.nodes,
        bytes: limits.bytes,
        path: Vec::new(),
        no_cycles: !arena.shared,
    };
    builder.value(root, depth)
}

/// What stands where a value would be within itself.
pub(super) const RECURSIVE: &str = "recursive reference";

/// `depth` is everywhere how many levels there may be, that of the value itself included.
#[derive(Debug)]
pub(super) struct Builder<'a, 'p> {
    pub(super) arena: &'a Arena<'p>,
    limits: &'a Limits,
    /// How many more values there may be.
    nodes: usize,
    /// How many more bytes.
    bytes: usize,
    /// What the value is in that is being made, up to the root, each with the levels that it had.
    path: Vec<(Id, usize)>,
    no_cycles: bool,
}

impl Builder<'_, '_> {
    pub(super) fn value(&mut self, id: Id, depth: usize) -> Result<Value, PickleError> {
        self.count(1)?;
        Ok(match self.arena.node(id) {
            Node::None => Value::Null,
            Node::Bool(b) => Value::Bool(b),
            Node::Int(n) => Value::Int(n),
            Node::Float(n) => Value::Float(n),
            Node::Long(bytes) => {
                self.weigh(bytes.len())?;
                number::from_twos_complement(bytes)
            }
            Node::Text(text) => Value::Text(self.string(text)?),
            Node::Surrogates(bytes) => Value::Surrogates(self.vec(bytes)?),
            Node::Bytes(bytes) => Value::Bytes(self.vec(bytes)?),
            Node::Owned(at) => self.owned(at)?,
            Node::Global { .. } => self.global(id)?.unwrap_or(Value::Null),
            Node::Tuple(Run { len: 0, .. }) => Value::Tuple(Vec::new()),
            Node::List(Chain { len: 0, .. }) => Value::List(Vec::new()),
            Node::Dict(Chain { len: 0, .. }) => Value::Map(Vec::new()),
            Node::Set(Chain { len: 0, .. }) => Value::Set(Vec::new()),
            node => self.nested(id, node, depth)?,
        })
    }

    fn nested(&mut self, id: Id, node: Node<'_>, depth: usize) -> Result<Value, PickleError> {
        if !self.no_cycles
            && let Some((_, above)) = self.path.iter().rev().find(|(open, _)| *open == id)
        {
            // What it says of itself is one level more.
            if depth <= 1 {
                return Ok(too_deep());
            }
            // How many levels up it is: so it can be written again.
            let levels = i64::try_from(above - depth).unwrap_or(0);
            return Ok(placeholder(RECURSIVE, vec![Value::Int(levels)]));
        }
        self.path.push((id, depth));
        let value = match node {
            Node::Object(at) => match (self.global(id)?, self.arena.objects.get(at as usize).copied()) {
                (None, Some(object)) => self.object(object, depth),
                (global, _) => Ok(global.unwrap_or(Value::Null)),
            },
            _ if depth <= 1 => Ok(too_deep()),
            node => self.container(node, depth - 1),
        };
        self.path.pop();
        value
    }

    fn container(&mut self, node: Node<'_>, depth: usize) -> Result<Value, PickleError> {
        Ok(match node {
            Node::Tuple(run) => Value::Tuple(self.run(run, depth)?),
            Node::List(chain) => Value::List(self.chain(chain, depth)?),
            Node::Set(chain) => Value::Set(self.chain(chain, depth)?),
            Node::Dict(chain) => Value::Map(self.pairs(chain, depth)?),
            Node::ByteArray(bytes) => bytearray(self.vec(bytes)?),
            Node::FrozenSet(run) if run.len == 0 => frozenset(Vec::new()),
            Node::FrozenSet(_) if depth <= 1 => too_deep(),
            Node::FrozenSet(run) => frozenset(self.run(run, depth - 1)?),
            Node::Placeholder { what, of } => placeholder(what, vec![self.value(of, depth)?]),
            _ => Value::Null,
        })
    }

    fn object(&mut self, object: Object, depth: usize) -> Result<Value, PickleError> {
        let object = self.made_anew(object);
        if let Some(value) = self.shape(&object, depth)? {
            return Ok(value);
        }
        let Some(depth) = depth.checked_sub(1).filter(|depth| *depth > 0) else { return Ok(too_deep()) };
        let mut args = Vec::with_capacity(object.args.len as usize + 1);
        let (module, name, form) = match (self.callee(object.callee), object.made) {
            (Some((module, name)), made) => {
                let form = if made == Made::New { OpaqueForm::New } else { OpaqueForm::Call };
                (self.string(module)?, self.string(&name)?, form)
            }
            (None, made) => {
                let callee = self.value(object.callee, depth)?;
                // For people; what counts is the object itself.
                let (module, name) = match &callee {
                    Value::Opaque(callee) => (self.string(&callee.module)?, self.string(&callee.name)?),
                    _ => (String::new(), String::new()),
                };
                args.push(callee);
                let form = if made == Made::New { OpaqueForm::NewObject } else { OpaqueForm::CallObject };
                (module, name, form)
            }
        };
        let arena = self.arena;
        for part in arena.parts(object.args) {
            args.push(self.value(*part, depth)?);
        }
        Ok(Value::Opaque(Box::new(Opaque {
            module,
            name,
            args,
            form,
            kwargs: self.pairs(object.kwargs, depth)?,
            items: self.chain(object.items, depth)?,
            entries: self.pairs(object.entries, depth)?,
            members: self.chain(object.members, depth)?,
            state: match object.state {
                NOTHING => None,
                state => Some(self.value(state, depth)?),
            },
        })))
    }

    /// The class or function itself, when a name alone says which.
    fn global(&mut self, id: Id) -> Result<Option<Value>, PickleError> {
        let Some((module, name)) = self.callee(id) else { return Ok(None) };
        let global = Opaque::global(self.string(module)?, self.string(&name)?);
        Ok(Some(Value::Opaque(Box::new(global))))
    }

    fn owned(&mut self, at: u32) -> Result<Value, PickleError> {
        let value = self.arena.owned.get(at as usize).cloned().unwrap_or(Value::Null);
        self.weigh(match &value {
            Value::Text(text) => text.len(),
            Value::Surrogates(bytes) | Value::Bytes(bytes) => bytes.len(),
            Value::Big(n) => n.magnitude.len(),
            _ => 0,
        })?;
        Ok(value)
    }

    fn run(&mut self, run: Run, depth: usize) -> Result<Vec<Value>, PickleError> {
        let mut out = self.room(run.len)?;
        let arena = self.arena;
        for part in arena.parts(run) {
            out.push(self.value(*part, depth)?);
        }
        Ok(out)
    }

    fn chain(&mut self, chain: Chain, depth: usize) -> Result<Vec<Value>, PickleError> {
        let mut out = self.room(chain.len)?;
        let arena = self.arena;
        for run in arena.runs(chain) {
            for part in run {
                out.push(self.value(*part, depth)?);
            }
        }
        Ok(out)
    }

    fn pairs(&mut self, chain: Chain, depth: usize) -> Result<Vec<(Value, Value)>, PickleError> {
        let mut out = self.room(chain.len / 2)?;
        let arena = self.arena;
        // The machine never parts a key from its value: runs of pairs are even.
        for run in arena.runs(chain) {
            for [key, value] in run.as_chunks().0 {
                out.push((self.value(*key, depth)?, self.value(*value, depth)?));
            }
        }
        Ok(out)
    }

    /// Room for so many values, when there may be as many.
    fn room<T>(&self, len: u32) -> Result<Vec<T>, PickleError> {
        if len as usize > self.nodes { Err(self.too_many()) } else { Ok(Vec::with_capacity(len as usize)) }
    }

    pub(super) fn string(&mut self, text: &str) -> Result<String, PickleError> {
        self.weigh(text.len())?;
        Ok(text.to_owned())
    }

    fn vec(&mut self, bytes: &[u8]) -> Result<Vec<u8>, PickleError> {
        self.weigh(bytes.len())?;
        Ok(bytes.to_vec())
    }

    fn count(&mut self, nodes: usize) -> Result<(), PickleError> {
        self.nodes = self.nodes.checked_sub(nodes).ok_or_else(|| self.too_many())?;
        Ok(())
    }

    fn too_many(&self) -> PickleError {
        PickleError::TooMuch { what: "values", limit: self.limits.nodes }
    }

    pub(super) fn weigh(&mut self, bytes: usize) -> Result<(), PickleError> {
        let limit = self.limits.bytes;
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.ok_or(PickleError::TooMuch { what: "bytes of texts and numbers", limit })?;
        Ok(())
    }
}

fn too_deep() -> Value {
    placeholder("nested too deep", Vec::new())
}

fn placeholder(what: &str, args: Vec<Value>) -> Value {
    let form = OpaqueForm::Placeholder;
    Value::Opaque(Box::new(Opaque { form, ..Opaque::call("oyez", what, args) }))
}

pub(super) fn bytearray(bytes: Vec<u8>) -> Value {
    Value::Opaque(Box::new(Opaque::call("builtins", "bytearray", vec![Value::Bytes(bytes)])))
}

pub(super) fn frozenset(items: Vec<Value>) -> Value {
    Value::Opaque(Box::new(Opaque::call("builtins", "frozenset", vec![Value::List(items)])))
}
