//! Which parameters are templates (specs/contest.md 4).

use crate::plan::StepKind;

/// How a parameter's value is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// As it was written.
    Plain,
    /// Its text is a template; of what is no text, its JSON.
    Template,
    /// Each text in it is one; of objects the names of members as well when `names` is set.
    Deep { names: bool },
    /// A secret: not shown, but its template is tried.
    Secret,
}

/// The rule for a parameter of a step.
pub(super) fn of(kind: &StepKind, name: &str) -> Rule {
    let templates: &[&str] = match kind {
        StepKind::Cmd(_) => &["args", "dir"],
        StepKind::Echo { .. } => &["text"],
        StepKind::Sleep { .. } => &["duration"],
        StepKind::Variables(_) | StepKind::RandEcho { .. } => &[],
        StepKind::WaitPort(_) => &["target"],
        StepKind::GatherCmd(_) => &["args"],
        StepKind::SshCmd(_) if name == "password" => return Rule::Secret,
        StepKind::SshCmd(_) => {
            &["host", "port", "user", "private_key_file", "executable", "args", "timeout", "known_hosts"]
        }
        StepKind::Exec(_) => return Rule::Deep { names: true },
        StepKind::TerminalExpect(_) => &["port", "match"],
        StepKind::Qemu(_) => return Rule::Template,
        StepKind::S3FileUpload(_) => &["path", "filename"],
        StepKind::External(_) => return Rule::Deep { names: false },
    };
    if templates.contains(&name) { Rule::Template } else { Rule::Plain }
}

/// Whether its templates know a target: `gathercmd` runs once for all of them.
pub(super) fn knows_its_target(kind: &StepKind) -> bool {
    !matches!(kind, StepKind::GatherCmd(_))
}

/// Whether a member of an object must not be shown.
pub(super) fn is_secret(name: &str) -> bool {
    name.eq_ignore_ascii_case("password")
}
