//! Errors in Go's words, with the place in the template.
//!
//! The engine says what went wrong, but not where. An error is rare, so the text is parsed again then, and the place
//! is the first that fits what was said.

use std::fmt::Write as _;

use gotmpl::TemplateError as Engine;
use gotmpl::parse::{CommandNode, Expr, ListNode, Node, Number, PipeNode, Pos};

use super::functions::Functions;
use super::{TemplateError, parse_tree};

/// A parse error as Go prints it: `template: :1: what`; the template has no name.
pub(super) fn parse_error(e: &Engine) -> String {
    match e {
        Engine::Parse { line, message, .. } | Engine::Lex { line, message, .. } => {
            format!("template: :{}: {message}", (*line).max(1))
        }
        other => format!("template: :1: {other}"),
    }
}

/// Go looks for functions when it parses; the engine only when it calls them.
pub(super) fn check_functions(
    source: &str,
    body: &ListNode,
    functions: &Functions,
) -> Result<(), TemplateError> {
    let mut unknown = None;
    visit_list(body, &mut |command| {
        for arg in &command.args {
            visit_identifiers(arg, &mut |pos, name| {
                if unknown.is_none() && !functions.is_known(name) {
                    let line = 1 + source[..pos.offset.min(source.len())].matches('\n').count();
                    unknown = Some(format!("template: :{line}: function \"{name}\" not defined"));
                }
            });
        }
    });
    unknown.map_or(Ok(()), |message| Err(TemplateError::Parse(message)))
}

fn visit_identifiers(expr: &Expr, f: &mut impl FnMut(Pos, &str)) {
    match expr {
        Expr::Identifier(pos, name) => f(*pos, name),
        Expr::Chain(_, inner, _) => visit_identifiers(inner, f),
        _ => {}
    }
}

/// An execution error as Go prints it:
/// `template: :1:3: executing "" at <.Nope>: can't evaluate field Nope in type *target.Target`.
pub(super) fn execution_error(source: &str, e: &Engine) -> TemplateError {
    let Ok(tree) = parse_tree(source) else { return TemplateError::Execute(e.to_string()) };
    let bodies = std::iter::once(&tree.main).chain(tree.defines.iter().map(|define| &define.body));
    let (message, wanted) = describe(e);
    let mut found = None;
    for body in bodies {
        visit_list(body, &mut |command| {
            if found.is_none() {
                found = wanted.find_in(command);
            }
        });
    }
    if let Wanted::Variable(name) = wanted {
        return TemplateError::Parse(format!("template: :1: undefined variable \"{name}\""));
    }
    TemplateError::Execute(match found {
        Some((pos, context)) => {
            let (line, column) = place(source, pos.offset);
            format!("template: :{line}:{column}: executing \"\" at <{}>: {message}", clip(&context))
        }
        None => format!("template: :1: executing \"\": {message}"),
    })
}

/// What to look for in the template.
enum Wanted<'e> {
    /// An access to this field.
    Field(&'e str),
    /// A call of this function.
    Call(&'e str),
    /// This variable.
    Variable(&'e str),
    /// Nothing in particular.
    Any,
}

fn describe(e: &Engine) -> (String, Wanted<'_>) {
    match e {
        Engine::MissingKey { key } => {
            (format!("can't evaluate field {key} in type *target.Target"), Wanted::Field(key))
        }
        Engine::UndefinedVariable(name) => (e.to_string(), Wanted::Variable(name)),
        Engine::UndefinedTemplate(name) => (format!("template {name:?} not defined"), Wanted::Any),
        Engine::ArgCount { name, expected, got } => {
            let message = format!("wrong number of args for {name}: want at least {expected} got {got}");
            (message, Wanted::Call(name))
        }
        Engine::RecursionLimit => ("exceeded maximum template depth".to_owned(), Wanted::Any),
        Engine::Exec(message) => {
            let wanted = message
                .strip_prefix("error calling ")
                .and_then(|rest| rest.split(':').next())
                .map(Wanted::Call)
                .or_else(|| {
                    let rest = message.strip_prefix("wrong number of args for ")?;
                    rest.split(':').next().map(Wanted::Call)
                })
                .or_else(|| {
                    let rest = message.strip_prefix("can't evaluate field ")?;
                    rest.split(' ').next().map(Wanted::Field)
                })
                .unwrap_or(Wanted::Any);
            (message.clone(), wanted)
        }
        other => (other.to_string(), Wanted::Any),
    }
}

impl Wanted<'_> {
    fn find_in(&self, command: &CommandNode) -> Option<(Pos, String)> {
        match self {
            Wanted::Field(name) => command.args.iter().find_map(|arg| {
                let fields = match arg {
                    Expr::Field(_, fields) | Expr::Variable(_, _, fields) | Expr::Chain(_, _, fields) => {
                        fields
                    }
                    _ => return None,
                };
                fields.iter().any(|field| field == name).then(|| (arg.pos(), expr_text(arg)))
            }),
            Wanted::Call(name) => match command.args.first() {
                Some(Expr::Identifier(pos, called)) if called == name => Some((*pos, command_text(command))),
                _ => None,
            },
            Wanted::Variable(_) | Wanted::Any => None,
        }
    }
}

/// Line from 1 and column from 0, in bytes, as Go counts them.
fn place(source: &str, offset: usize) -> (usize, usize) {
    let before = &source.as_bytes()[..offset.min(source.len())];
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    (1 + before.iter().filter(|b| **b == b'\n').count(), before.len() - line_start)
}

/// Go shows at most 20 characters of the context.
fn clip(context: &str) -> String {
    if context.chars().count() > 20 {
        let start: String = context.chars().take(20).collect();
        format!("{start}...")
    } else {
        context.to_owned()
    }
}

fn command_text(command: &CommandNode) -> String {
    command.args.iter().map(expr_text).collect::<Vec<_>>().join(" ")
}

fn pipe_text(pipe: &PipeNode) -> String {
    pipe.commands.iter().map(command_text).collect::<Vec<_>>().join(" | ")
}

fn expr_text(expr: &Expr) -> String {
    let with_fields = |start: String, fields: &[gotmpl::parse::SmolStr]| {
        fields.iter().fold(start, |mut text, field| {
            let _infallible = write!(text, ".{field}");
            text
        })
    };
    match expr {
        Expr::Dot(_) => ".".to_owned(),
        Expr::Field(_, fields) => with_fields(String::new(), fields),
        Expr::Variable(_, name, fields) => with_fields(name.to_string(), fields),
        Expr::Identifier(_, name) => name.to_string(),
        Expr::String(_, text) => format!("{text:?}"),
        Expr::Number(_, Number::Int(n)) => n.to_string(),
        Expr::Number(_, Number::Uint(n)) => n.to_string(),
        Expr::Number(_, Number::Float(n)) => n.to_string(),
        Expr::Bool(_, b) => b.to_string(),
        Expr::Nil(_) => "nil".to_owned(),
        Expr::Pipe(_, pipe) => format!("({})", pipe_text(pipe)),
        Expr::Chain(_, inner, fields) => with_fields(expr_text(inner), fields),
    }
}

/// Shows every command of a body, in the order of the text.
pub(super) fn visit_list(list: &ListNode, f: &mut dyn FnMut(&CommandNode)) {
    for node in &list.nodes {
        match node {
            Node::List(inner) => visit_list(inner, f),
            Node::Action(action) => visit_pipe(&action.pipe, f),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                visit_pipe(&branch.pipe, f);
                visit_list(&branch.body, f);
                if let Some(body) = &branch.else_body {
                    visit_list(body, f);
                }
            }
            Node::Template(call) => {
                if let Some(pipe) = &call.pipe {
                    visit_pipe(pipe, f);
                }
            }
            Node::Define(define) => visit_list(&define.body, f),
            Node::Text(_) | Node::Break(_) | Node::Continue(_) => {}
        }
    }
}

pub(super) fn visit_pipe(pipe: &PipeNode, f: &mut dyn FnMut(&CommandNode)) {
    for command in &pipe.commands {
        f(command);
        for arg in &command.args {
            visit_inner(arg, f);
        }
    }
}

fn visit_inner(expr: &Expr, f: &mut dyn FnMut(&CommandNode)) {
    match expr {
        Expr::Pipe(_, pipe) => visit_pipe(pipe, f),
        Expr::Chain(_, inner, _) => visit_inner(inner, f),
        _ => {}
    }
}
