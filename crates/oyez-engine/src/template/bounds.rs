//! Bounds on what a template does.
//!
//! The engine limits nesting and the rounds of `range`, but not what functions make of text, nor how often templates
//! call each other. So the parsed tree is changed before it is run: the arguments and results of functions that can
//! make text grow are counted, and so is every execution of a body that can run more than once. The names of the
//! functions that count start with a blank: no template can call them.

use std::fmt;

use gotmpl::Value;
use gotmpl::parse::{ActionNode, CommandNode, Expr, ListNode, Node, Number, PipeNode, Pos, SmolStr};

use super::{LONGEST_OUTPUT, session};

/// Bytes that functions may take and give in one expansion.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Nodes that repeated bodies may execute in one expansion.
pub(super) const MOST_NODES: usize = 1 << 20;
/// Verbs in one format: each may pad to 64 KiB.
const MOST_VERBS: usize = 64;

pub(super) const OUTPUT: &str = "it writes more than 1 MiB";
const COPIES: &str = "its functions handle more than 4 MiB of text";
const REPEATS: &str = "it repeats too often";
const VERBS: &str = "a format has more than 64 verbs";

const COUNT_TEXT: &str = " text";
const COUNT_FORMAT: &str = " format";
const COUNT_NODES: &str = " nodes";

/// The engine's functions whose result can be longer than an argument.
const GROWING: [&str; 6] = ["print", "printf", "println", "html", "js", "urlquery"];

/// Where an expansion writes; full at [`LONGEST_OUTPUT`].
#[derive(Default)]
pub(super) struct Output(String);

impl Output {
    pub(super) fn push(&mut self, text: &str) -> fmt::Result {
        if self.0.len().saturating_add(text.len()) > LONGEST_OUTPUT {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text)
    }
}

/// Takes `bytes` from what functions may still handle.
pub(super) fn charge(bytes: usize) -> gotmpl::Result<()> {
    take(|session| &mut session.bytes, bytes, COPIES)
}

fn take(
    of: impl FnOnce(&mut session::Session) -> &mut usize,
    amount: usize,
    bound: &'static str,
) -> gotmpl::Result<()> {
    let enough = session::with(|session| {
        let left = of(session);
        let after = left.checked_sub(amount);
        *left = after.unwrap_or(0);
        if after.is_none() {
            session.exceeded = Some(bound);
        }
        after.is_some()
    });
    if enough == Some(false) { Err(gotmpl::TemplateError::Exec(bound.to_owned())) } else { Ok(()) }
}

/// A function of the template engine.
type Function = fn(&[Value]) -> gotmpl::Result<Value>;

/// The functions that count.
pub(super) fn functions() -> [(&'static str, Function); 3] {
    [(COUNT_TEXT, count_text), (COUNT_FORMAT, count_format), (COUNT_NODES, count_nodes)]
}

fn count_text(args: &[Value]) -> gotmpl::Result<Value> {
    let value = match args.last() {
        // A map is the target itself, which prints as its method `String` says, also through `printf`.
        Some(Value::Map(target)) => target.get("String").cloned().unwrap_or(Value::Nil),
        Some(other) => other.clone(),
        None => Value::Nil,
    };
    // Numbers are at most a few digits.
    charge(value.as_str().map_or(64, str::len))?;
    Ok(value)
}

fn count_format(args: &[Value]) -> gotmpl::Result<Value> {
    let value = count_text(args)?;
    let verbs = value.as_str().map_or(0, |format| format.bytes().filter(|b| *b == b'%').count());
    if verbs > MOST_VERBS {
        session::with(|session| session.exceeded = Some(VERBS));
        return Err(gotmpl::TemplateError::Exec(VERBS.to_owned()));
    }
    Ok(value)
}

fn count_nodes(args: &[Value]) -> gotmpl::Result<Value> {
    let nodes = args.first().and_then(Value::as_int).and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
    take(|session| &mut session.nodes, nodes, REPEATS)?;
    Ok(Value::String("".into()))
}

/// Puts the counting into the main template, in which `.` is the target and prints as such.
pub(super) fn instrument_main(list: &mut ListNode) {
    print_target(list);
    instrument(list);
}

/// Puts the counting into a template that others may call.
pub(super) fn instrument_define(list: &mut ListNode) {
    instrument(list);
    count_body(list);
}

/// `{{ . }}` and `{{ $ }}` print the target as Go does, by its method `String`.
fn print_target(list: &mut ListNode) {
    for node in &mut list.nodes {
        match node {
            Node::Action(ActionNode { pipe, .. }) if pipe.decl.is_empty() => {
                let [command] = pipe.commands.as_mut_slice() else { continue };
                let [arg] = command.args.as_mut_slice() else { continue };
                match arg {
                    Expr::Dot(pos) => *arg = Expr::Field(*pos, vec![SmolStr::new_static("String")]),
                    Expr::Variable(_, name, fields) if name == "$" && fields.is_empty() => {
                        fields.push(SmolStr::new_static("String"));
                    }
                    _ => {}
                }
            }
            Node::If(branch) => {
                print_target(&mut branch.body);
                if let Some(body) = &mut branch.else_body {
                    print_target(body);
                }
            }
            _ => {}
        }
    }
}

fn instrument(list: &mut ListNode) {
    for node in &mut list.nodes {
        match node {
            Node::List(inner) => instrument(inner),
            Node::Action(action) => instrument_pipe(&mut action.pipe),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                instrument_pipe(&mut branch.pipe);
                instrument(&mut branch.body);
                if let Some(body) = &mut branch.else_body {
                    instrument(body);
                }
            }
            Node::Template(call) => {
                if let Some(pipe) = &mut call.pipe {
                    instrument_pipe(pipe);
                }
            }
            Node::Define(define) => instrument(&mut define.body),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
        if let Node::Range(branch) = node {
            count_body(&mut branch.body);
        }
    }
}

/// Lets a body count its nodes whenever it is executed.
fn count_body(body: &mut ListNode) {
    let nodes = i64::try_from(size(body)).unwrap_or(i64::MAX);
    let number = Expr::Number(body.pos, Number::Int(nodes));
    let pipe = call(body.pos, COUNT_NODES, vec![number]);
    body.nodes.insert(0, Node::Action(ActionNode { pos: body.pos, pipe }));
}

fn size(list: &ListNode) -> usize {
    let inner = |list: Option<&ListNode>| list.map_or(0, size);
    list.nodes
        .iter()
        .map(|node| match node {
            Node::List(list) => size(list),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                1 + size(&branch.body) + inner(branch.else_body.as_ref())
            }
            Node::Action(action) => action.pipe.commands.iter().map(|command| command.args.len()).sum(),
            _ => 1,
        })
        .sum::<usize>()
        + 1
}

fn instrument_pipe(pipe: &mut PipeNode) {
    let mut commands = Vec::with_capacity(pipe.commands.len());
    for mut command in pipe.commands.drain(..) {
        for arg in &mut command.args {
            instrument_expr(arg);
        }
        let name = match command.args.first() {
            Some(Expr::Identifier(_, name)) if GROWING.contains(&name.as_str()) => name.clone(),
            _ => {
                commands.push(command);
                continue;
            }
        };
        let pos = command.pos;
        let counter = |i: usize| if i == 0 && name == "printf" { COUNT_FORMAT } else { COUNT_TEXT };
        let counted = CommandNode { pos, args: vec![Expr::Identifier(pos, SmolStr::new_static(COUNT_TEXT))] };
        if !commands.is_empty() {
            // What is piped in is the last argument; it is the format only if there is no other.
            let name = SmolStr::new_static(counter(command.args.len() - 1));
            commands.push(CommandNode { pos, args: vec![Expr::Identifier(pos, name)] });
        }
        for (i, arg) in command.args.iter_mut().skip(1).enumerate() {
            let inner = std::mem::replace(arg, Expr::Nil(pos));
            *arg = Expr::Pipe(pos, call(inner.pos(), counter(i), vec![inner]));
        }
        commands.push(command);
        commands.push(counted);
    }
    pipe.commands = commands;
}

fn instrument_expr(expr: &mut Expr) {
    match expr {
        Expr::Pipe(_, pipe) => instrument_pipe(pipe),
        Expr::Chain(_, inner, _) => instrument_expr(inner),
        _ => {}
    }
}

fn call(pos: Pos, name: &'static str, mut args: Vec<Expr>) -> PipeNode {
    args.insert(0, Expr::Identifier(pos, SmolStr::new_static(name)));
    PipeNode { pos, decl: Vec::new(), commands: vec![CommandNode { pos, args }], is_assign: false }
}
