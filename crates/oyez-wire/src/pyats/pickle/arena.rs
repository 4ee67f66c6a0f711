//! What the machine has made: nodes that name each other by number. Texts and bytes stay where they are in the pickle.

use oyez_model::Value;

/// The number of a node.
pub(super) type Id = u32;

/// No node.
pub(super) const NOTHING: Id = Id::MAX;
pub(super) const NONE: Id = 0;
pub(super) const TRUE: Id = 1;
pub(super) const FALSE: Id = 2;
pub(super) const EMPTY_TUPLE: Id = 3;

/// One thing that a pickle made.
#[derive(Clone, Copy, Debug)]
pub(super) enum Node<'p> {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    /// Two's complement, least significant byte first.
    Long(&'p [u8]),
    Text(&'p str),
    /// UTF-8 as Python writes it when there are lone surrogates.
    Surrogates(&'p [u8]),
    Bytes(&'p [u8]),
    ByteArray(&'p [u8]),
    /// Something without parts that does not stand in the pickle as it is: where it is in [`Arena::owned`].
    Owned(u32),
    Tuple(Run),
    FrozenSet(Run),
    List(Chain),
    Dict(Chain),
    Set(Chain),
    /// A class or function: the nodes of two texts.
    Global {
        module: Id,
        name: Id,
    },
    /// Where it is in [`Arena::objects`].
    Object(u32),
    /// Something that cannot be kept, and what is known of it.
    Placeholder {
        what: &'static str,
        of: Id,
    },
}

/// Parts that stand one after the other in [`Arena::parts`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) start: u32,
    pub(super) len: u32,
}

/// Parts that came in several runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chain {
    first: u32,
    last: u32,
    /// How many parts there are in all.
    pub(super) len: u32,
}

impl Chain {
    pub(super) const EMPTY: Chain = Chain { first: NOTHING, last: NOTHING, len: 0 };
}

#[derive(Clone, Copy, Debug)]
struct Link {
    run: Run,
    next: u32,
}

/// How an object is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    Called,
    New,
}

/// An object of any class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Object {
    pub(super) made: Made,
    /// The class or function.
    pub(super) callee: Id,
    /// Always a tuple.
    pub(super) args: Run,
    /// A dictionary, or nothing.
    pub(super) kwargs: Chain,
    pub(super) state: Id,
    pub(super) items: Chain,
    pub(super) entries: Chain,
    pub(super) members: Chain,
}

impl Object {
    /// Nothing was done to it after it was made.
    pub(super) fn is_plain(&self) -> bool {
        self.state == NOTHING && self.items.len == 0 && self.entries.len == 0 && self.members.len == 0
    }
}

/// All nodes of one pickle. The numbers of nodes and parts fit 32 bits because the machine counts them against its limit.
#[derive(Debug)]
pub(super) struct Arena<'p> {
    nodes: Vec<Node<'p>>,
    parts: Vec<Id>,
    links: Vec<Link>,
    pub(super) objects: Vec<Object>,
    pub(super) owned: Vec<Value>,
    /// Something with parts was named again: it may be within itself.
    pub(super) shared: bool,
}

impl<'p> Arena<'p> {
    pub(super) fn new() -> Self {
        let mut nodes = Vec::with_capacity(80);
        nodes.extend([
            Node::None,
            Node::Bool(true),
            Node::Bool(false),
            Node::Tuple(Run { start: 0, len: 0 }),
        ]);
        Arena {
            nodes,
            parts: Vec::with_capacity(80),
            links: Vec::with_capacity(8),
            objects: Vec::new(),
            owned: Vec::new(),
            shared: false,
        }
    }

    /// How many nodes and parts there are.
    pub(super) fn size(&self) -> usize {
        self.nodes.len().max(self.parts.len())
    }

    pub(super) fn add(&mut self, node: Node<'p>) -> Id {
        let id = number(self.nodes.len());
        self.nodes.push(node);
        id
    }

    pub(super) fn own(&mut self, value: Value) -> Node<'p> {
        let at = number(self.owned.len());
        self.owned.push(value);
        Node::Owned(at)
    }

    pub(super) fn object(&mut self, object: Object) -> Node<'p> {
        let at = number(self.objects.len());
        self.objects.push(object);
        Node::Object(at)
    }

    /// Every number of a node that there is comes from [`Arena::add`], and no node is ever removed.
    pub(super) fn node(&self, id: Id) -> Node<'p> {
        self.nodes.get(id as usize).copied().unwrap_or(Node::None)
    }

    pub(super) fn node_mut(&mut self, id: Id) -> Option<&mut Node<'p>> {
        self.nodes.get_mut(id as usize)
    }

    pub(super) fn run(&mut self, parts: &[Id]) -> Run {
        let start = number(self.parts.len());
        self.parts.extend_from_slice(parts);
        Run { start, len: number(parts.len()) }
    }

    pub(super) fn parts(&self, run: Run) -> &[Id] {
        let start = run.start as usize;
        self.parts.get(start..start + run.len as usize).unwrap_or_default()
    }

    /// The chain with these parts after its own.
    pub(super) fn extended(&mut self, chain: Chain, parts: &[Id]) -> Chain {
        if parts.is_empty() {
            return chain;
        }
        let end = number(self.parts.len());
        let run = self.run(parts);
        let len = chain.len + run.len;
        let link = number(self.links.len());
        if let Some(last) = self.links.get_mut(chain.last as usize) {
            if last.run.start + last.run.len == end {
                last.run.len += run.len;
                return Chain { len, ..chain };
            }
            last.next = link;
        }
        self.links.push(Link { run, next: NOTHING });
        Chain { first: if chain.len == 0 { link } else { chain.first }, last: link, len }
    }

    /// The runs of a chain, in order.
    pub(super) fn runs(&self, chain: Chain) -> impl Iterator<Item = &[Id]> {
        let mut next = chain.first;
        std::iter::from_fn(move || {
            let link = self.links.get(next as usize)?;
            next = link.next;
            Some(self.parts(link.run))
        })
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Text(text) => Some(text),
            Node::Owned(at) => self.owned.get(at as usize).and_then(Value::as_str),
            _ => None,
        }
    }
}

/// The machine stops long before a count passes 32 bits.
fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(NOTHING)
}
