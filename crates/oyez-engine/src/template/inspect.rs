//! What can be known of a template before it is expanded, so that a plan can warn of it. ConTest finds all of this
//! only at run time, target by target.

use gotmpl::parse::{CommandNode, Expr, ListNode, Node, PipeNode};

use super::functions::Functions;
use super::locate::{check_functions, visit_list, visit_pipe};
use super::{Field, parse_tree, variables};

/// A variable that a template reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    /// The step that is to emit it.
    pub label: String,
    /// Its name.
    pub name: String,
}

/// What is known of a template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What will surely go wrong when it is reached, in Go's words.
    pub problems: Vec<String>,
    /// The variables that it names.
    pub variables: Vec<VariableUse>,
}

/// Looks at a template without expanding it.
#[must_use]
pub fn inspect(source: &str, functions: &Functions) -> Inspection {
    let mut seen = Inspection::default();
    if !source.contains("{{") {
        return seen;
    }
    let tree = match parse_tree(source) {
        Ok(tree) => tree,
        Err(e) => {
            seen.problems.push(e.to_string());
            return seen;
        }
    };
    let bodies = std::iter::once(&tree.main).chain(tree.defines.iter().map(|define| &define.body));
    for body in bodies {
        if let Err(e) = check_functions(source, body, functions) {
            seen.problems.push(e.to_string());
        }
        visit_list(body, &mut |command| seen.look_for_variables(command));
    }
    seen.look_for_fields(&tree.main);
    seen
}

impl Inspection {
    fn look_for_variables(&mut self, command: &CommandNode) {
        let [Expr::Identifier(_, function), Expr::String(_, reference)] = command.args.as_slice() else {
            return;
        };
        if function != "StringVar" && function != "IntVar" {
            return;
        }
        match variables::split_reference(reference) {
            Ok((label, name)) => {
                self.variables.push(VariableUse { label: label.to_owned(), name: name.to_owned() });
            }
            Err(e) => self.problems.push(format!("error calling {function}: {e}")),
        }
    }

    /// Where `.` is surely the target, its fields are known.
    fn look_for_fields(&mut self, list: &ListNode) {
        for node in &list.nodes {
            match node {
                Node::Action(action) => self.look_at_pipe(&action.pipe),
                Node::If(branch) => {
                    self.look_at_pipe(&branch.pipe);
                    self.look_for_fields(&branch.body);
                    if let Some(body) = &branch.else_body {
                        self.look_for_fields(body);
                    }
                }
                Node::With(branch) | Node::Range(branch) => self.look_at_pipe(&branch.pipe),
                _ => {}
            }
        }
    }

    fn look_at_pipe(&mut self, pipe: &PipeNode) {
        visit_pipe(pipe, &mut |command| {
            for arg in &command.args {
                let fields = match arg {
                    Expr::Field(_, fields) => fields,
                    Expr::Variable(_, name, fields) if name == "$" => fields,
                    _ => continue,
                };
                if let Some(name) = fields.first().filter(|name| Field::named(name).is_none()) {
                    self.problems.push(format!("can't evaluate field {name} in type *target.Target"));
                }
            }
        });
    }
}
