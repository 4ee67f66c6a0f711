//! Parameter templates: Go's `text/template` over a target, as ConTest expands a step's parameters.
//!
//! A template is parsed once for a parameter of a step and expanded for each target. The crate `gotmpl` parses and
//! executes; around it stand:
//!
//! * ConTest's data (the target's fields) and functions ([`Functions`]);
//! * Go's texts for errors, with the place in the template (`locate`), since people search for them;
//! * bounds (`bounds`): on what an expansion writes, copies and repeats. A template is foreign text: without them
//!   `{{range 40}}{{$x = print $x $x}}{{end}}` fills the memory;
//! * two short cuts, as nearly all parameters are plain text or text with a field of the target in it.
//!
//! One thing is better than in ConTest: an address that is not set is empty text, not `<nil>`.

mod blocks;
mod bounds;
mod functions;
mod inspect;
mod locate;
mod session;
mod variables;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use gotmpl::Value;
use gotmpl::parse::{Expr, ListNode, Node, Parser};
use thiserror::Error;

use crate::target::Target;

pub use functions::{Functions, NoParameters, ParameterSource};
pub use inspect::{Inspection, VariableUse, inspect};
pub use variables::{NotAnIdentifier, StepVariables, VariableError, VariableMap, check_identifier};

/// An expanded parameter has at most this many bytes.
pub const LONGEST_OUTPUT: usize = 1 << 20;

/// The name of the main template among those that the text defines; no `{{define}}` can have it.
const MAIN: &str = " main";

/// Why a template cannot be parsed or expanded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// It is no template; ConTest finds that out only at run time.
    #[error("failed to parse template: {0}")]
    Parse(String),
    /// It cannot be executed for this target; the text is Go's, with the place.
    #[error("{0}")]
    Execute(String),
    /// It would do or write too much.
    #[error("the template does too much: {0}")]
    TooMuch(&'static str),
}

/// A parsed template.
pub struct Template {
    source: Box<str>,
    program: Program,
}

enum Program {
    /// Nothing to expand.
    Text,
    /// Text and fields of the target, nothing else.
    Pieces(Vec<Piece>),
    /// Anything.
    Go(Box<gotmpl::Template>),
}

enum Piece {
    Text(Arc<str>),
    Field(Field),
}

/// The fields of a target that a template can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Fqdn,
    PrimaryIpv4,
    PrimaryIpv6,
    ManagerState,
    /// In Go a method of the target, which is also how `{{ . }}` prints it.
    String,
}

impl Field {
    const NAMES: [(&'static str, Field); 6] = [
        ("ID", Field::Id),
        ("FQDN", Field::Fqdn),
        ("PrimaryIPv4", Field::PrimaryIpv4),
        ("PrimaryIPv6", Field::PrimaryIpv6),
        ("TargetManagerState", Field::ManagerState),
        ("String", Field::String),
    ];

    fn named(name: &str) -> Option<Field> {
        Field::NAMES.into_iter().find(|(known, _)| *known == name).map(|(_, field)| field)
    }

    fn of(self, target: &Target) -> Cow<'_, str> {
        let address = |a: Option<IpAddr>| a.map_or(Cow::Borrowed(""), |a| Cow::Owned(a.to_string()));
        match self {
            Field::Id => Cow::Borrowed(&target.id),
            Field::Fqdn => Cow::Borrowed(&target.fqdn),
            Field::PrimaryIpv4 => address(target.primary_ipv4),
            Field::PrimaryIpv6 => address(target.primary_ipv6),
            Field::ManagerState => Cow::Borrowed(target.manager_state.as_deref().map_or("", |raw| raw.get())),
            Field::String => Cow::Owned(target.to_string()),
        }
    }
}

/// What templates are expanded for: a target, and the variables that its steps have emitted.
pub struct Subject<'t> {
    target: &'t Target,
    variables: Option<Arc<dyn StepVariables>>,
    /// The target as the template engine wants it, made when the first template needs it.
    data: OnceCell<Value>,
}

impl<'t> Subject<'t> {
    /// A target in a test, with the variables emitted for it so far.
    #[must_use]
    pub fn new(target: &'t Target, variables: Option<Arc<dyn StepVariables>>) -> Self {
        Subject { target, variables, data: OnceCell::new() }
    }

    fn data(&self) -> &Value {
        static NAMES: LazyLock<Vec<(Arc<str>, Field)>> = LazyLock::new(|| {
            Field::NAMES.into_iter().map(|(name, field)| (Arc::from(name), field)).collect()
        });
        self.data.get_or_init(|| {
            let fields = NAMES.iter().map(|(name, field)| {
                let text: Arc<str> = match field.of(self.target) {
                    Cow::Borrowed(text) => Arc::from(text),
                    Cow::Owned(text) => Arc::from(text),
                };
                (Arc::clone(name), Value::String(text))
            });
            Value::Map(Arc::new(fields.collect::<BTreeMap<_, _>>()))
        })
    }
}

impl Template {
    /// Parses a parameter.
    ///
    /// # Errors
    /// [`TemplateError::Parse`] as Go says it, also for a function that does not exist.
    pub fn parse(source: &str, functions: &Functions) -> Result<Template, TemplateError> {
        let program = if source.contains("{{") { parse(source, functions)? } else { Program::Text };
        Ok(Template { source: source.into(), program })
    }

    /// The text that it was parsed from.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The text for a target.
    ///
    /// # Errors
    /// [`TemplateError::Execute`] when a field, a variable or a function's argument is wrong,
    /// [`TemplateError::TooMuch`] at a bound.
    pub fn expand(&self, subject: &Subject<'_>) -> Result<Cow<'_, str>, TemplateError> {
        match &self.program {
            Program::Text => Ok(Cow::Borrowed(&self.source)),
            Program::Pieces(pieces) => {
                let mut out = bounds::Output::default();
                for piece in pieces {
                    let written = match piece {
                        Piece::Text(text) => out.push(text),
                        Piece::Field(field) => out.push(&field.of(subject.target)),
                    };
                    written.map_err(|fmt::Error| TemplateError::TooMuch(bounds::OUTPUT))?;
                }
                Ok(Cow::Owned(out.into_text()))
            }
            Program::Go(template) => self.execute(template, subject).map(Cow::Owned),
        }
    }

    fn execute(&self, template: &gotmpl::Template, subject: &Subject<'_>) -> Result<String, TemplateError> {
        let session = session::Guard::enter(&subject.target.id, subject.variables.clone());
        let mut out = bounds::Output::default();
        let result = template.execute_template_fmt(&mut out, MAIN, subject.data());
        let exceeded = session.leave();
        match result {
            Ok(()) => Ok(out.into_text()),
            Err(gotmpl::TemplateError::Write) => Err(TemplateError::TooMuch(bounds::OUTPUT)),
            Err(e) => Err(match exceeded {
                Some(what) => TemplateError::TooMuch(what),
                None => locate::execution_error(&self.source, &e),
            }),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.source).finish()
    }
}

impl fmt::Debug for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subject").field("target", &self.target.id).finish_non_exhaustive()
    }
}

/// A text and what it defines, as parsed.
struct Tree {
    main: ListNode,
    defines: Vec<gotmpl::parse::DefineNode>,
}

/// Parses without looking at functions; the errors are worded as Go's.
fn parse_tree(source: &str) -> Result<Tree, TemplateError> {
    if source.len() > LONGEST_OUTPUT {
        return Err(TemplateError::TooMuch("its text is longer than 1 MiB"));
    }
    let refused = |e: &gotmpl::TemplateError| TemplateError::Parse(locate::parse_error(e));
    let parser = Parser::new(source, "{{", "}}").map_err(|e| refused(&e))?;
    // The library takes an `{{end}}` too many for the end of the text, and one too few for none.
    blocks::check(source).map_err(TemplateError::Parse)?;
    let (main, defines) = parser.parse().map_err(|e| refused(&e))?;
    Ok(Tree { main, defines })
}

fn parse(source: &str, functions: &Functions) -> Result<Program, TemplateError> {
    let Tree { main, mut defines } = parse_tree(source)?;
    if defines.is_empty()
        && let Some(pieces) = as_pieces(&main)
    {
        return Ok(Program::Pieces(pieces));
    }
    let bodies = std::iter::once(&main).chain(defines.iter().map(|define| &define.body));
    for body in bodies {
        locate::check_functions(source, body, functions)?;
    }
    let mut main = main;
    bounds::instrument_main(&mut main);
    let mut template =
        gotmpl::Template::new("").missing_key(gotmpl::MissingKey::Error).funcs(functions.map().clone());
    for define in &mut defines {
        bounds::instrument_define(&mut define.body);
        template = template.add_parse_tree(&define.name, define.body.clone());
    }
    Ok(Program::Go(Box::new(template.add_parse_tree(MAIN, main))))
}

/// The pieces of a template that is nothing but text and fields of the target.
fn as_pieces(list: &ListNode) -> Option<Vec<Piece>> {
    let piece = |node: &Node| match node {
        Node::Text(text) => Some(Piece::Text(Arc::clone(&text.text))),
        Node::Action(action) if action.pipe.decl.is_empty() => {
            let [command] = action.pipe.commands.as_slice() else { return None };
            match command.args.as_slice() {
                [Expr::Field(_, names)] => match names.as_slice() {
                    [name] => Field::named(name).map(Piece::Field),
                    _ => None,
                },
                [Expr::Dot(_)] => Some(Piece::Field(Field::String)),
                _ => None,
            }
        }
        _ => None,
    };
    list.nodes.iter().map(piece).collect()
}

#[cfg(test)]
mod tests;
