//! Reporters of the descriptor to reporters of the plan.

use serde_json::value::RawValue;

use super::external::Of;
use super::registry::{Kind, find};
use super::{ExternalReporter, PlannedReporter};
use crate::descriptor::{Level, Reader, ReporterDescriptor, Reporting, too_long};
use crate::diagnostic::{Path, Sink};
use crate::expression::Expression;
use crate::plugin::protocol::{Role, Which};
use crate::plugin::{Found, Plugins};
use crate::reporters::{Noop, Reporter, TargetSuccess};

static RUN: Level = Level { go: "RunParameters", fields: &["SuccessExpression"] };
static FINAL: Level = Level { go: "FinalParameters", fields: &["AverageSuccessExpression"] };

/// The bytes that the name of a reporter may have.
const LONGEST_NAME: usize = 32;

/// When a reporter reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Run,
    Final,
}

impl When {
    fn name(self) -> &'static str {
        match self {
            When::Run => "run",
            When::Final => "final",
        }
    }
}

/// The run reporters and the final reporters; those that are wrong are missing.
pub(super) fn plan(
    reporting: &Reporting,
    plugins: &Plugins<'_>,
    sink: &mut Sink,
) -> (Vec<PlannedReporter>, Vec<PlannedReporter>) {
    let path = Path::Root.field("Reporting");
    sink.within("error while building reporters bundles: ", |sink| {
        let mut all = |reporters: &[ReporterDescriptor], when, list| {
            let path = path.field(list);
            let planned = reporters
                .iter()
                .enumerate()
                .map(|(i, reporter)| one(reporter, when, plugins, &path.item(i), sink));
            planned.flatten().map(|reporter| PlannedReporter { reporter }).collect()
        };
        let run = all(&reporting.run_reporters, When::Run, "RunReporters");
        (run, all(&reporting.final_reporters, When::Final, "FinalReporters"))
    })
}

/// One that is a plugin. Parameters that are not there are `null`.
fn external(
    reporter: &ReporterDescriptor,
    when: When,
    (plugins, found): (&Plugins<'_>, &Found),
    path: &Path<'_>,
    sink: &mut Sink,
) -> Option<Reporter> {
    let of = Of { plugins, found, role: Role::Reporter };
    let (plugin, _) = of.plugin(&path.field("Name"), sink)?;
    let parameters = reporter.parameters.clone().unwrap_or_else(|| RawValue::NULL.to_owned());
    let which = match when {
        When::Run => Which::Run,
        When::Final => Which::Final,
    };
    let takes = sink.within("could not validate run reporter parameters: ", |sink| {
        of.check(which, &parameters, &path.field("Parameters"), sink)
    });
    takes.then(|| Reporter::External(Box::new(ExternalReporter { plugin, parameters })))
}

fn one(
    reporter: &ReporterDescriptor,
    when: When,
    plugins: &Plugins<'_>,
    path: &Path<'_>,
    sink: &mut Sink,
) -> Option<Reporter> {
    let name = reporter.name.as_str();
    let name_path = path.field("Name");
    if name.trim().is_empty() {
        if !sink.has_error_at(&name_path) && !sink.has_error_at(path) {
            sink.error(&name_path, format!("invalid empty or all-whitespace {} reporter name", when.name()));
        }
        return None;
    }
    if let Some(message) = too_long("Reporter name", name, LONGEST_NAME) {
        sink.error(&name_path, message);
        return None;
    }
    sink.within(&format!("failed to create bundle for {} reporter '{name}': ", when.name()), |sink| {
        let plugin = match find(Kind::Reporter, name) {
            Ok(plugin) => plugin,
            Err(e) => {
                if let Some(found) = plugins.find(name) {
                    return external(reporter, when, (plugins, &found), path, sink);
                }
                sink.within(&format!("could not get reporter '{name}': "), |sink| {
                    sink.error(&name_path, e.message).hint(plugins.hint(&e.hint));
                });
                return None;
            }
        };
        match plugin {
            "TargetSuccess" => {
                // ConTest says "run reporter" of final reporters as well.
                let prefix = "could not validate run reporter parameters: ";
                let parameters = reporter.parameters.as_deref();
                sink.within(prefix, |sink| target_success(parameters, when, &path.field("Parameters"), sink))
            }
            _ => Some(Reporter::Noop(Noop)),
        }
    })
}

fn target_success(raw: Option<&RawValue>, when: When, path: &Path<'_>, sink: &mut Sink) -> Option<Reporter> {
    let (level, field, refusal): (&'static Level, _, _) = match when {
        When::Run => (&RUN, "SuccessExpression", "could not parse success expression"),
        When::Final => (&FINAL, "AverageSuccessExpression", "could not parse average success expression"),
    };
    let example = format!("write \"Parameters\": {{\"{field}\": \"=100%\"}}");
    let Some(raw) = raw else {
        sink.error(path, "unexpected end of JSON input").hint(example);
        return None;
    };
    let path = path.anew();
    let mut reader = Reader { sink };
    let parameters = reader.object(Some(raw), level, &path);
    let field_path = path.field(field);
    let errors = reader.sink.errors();
    let text = reader.string(parameters.get(field), level, &field_path);
    if reader.sink.errors() > errors || sink.has_error_at(&path) {
        return None;
    }
    match text.parse::<Expression>() {
        Ok(expression) => Some(Reporter::TargetSuccess(TargetSuccess::new(expression))),
        Err(e) => {
            let hint = match format!(">={}", text.trim()).parse::<Expression>() {
                Ok(meant) => format!("the operator stands first: \"{meant}\""),
                Err(_) if text.is_empty() => example,
                Err(_) => e.to_string(),
            };
            sink.error(&field_path, refusal).hint(hint);
            None
        }
    }
}
