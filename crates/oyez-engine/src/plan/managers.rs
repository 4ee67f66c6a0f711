//! Target managers of the descriptor to target managers of the plan.

use serde_json::value::RawValue;

use super::external::Of;
use super::fetchers::NO_JSON;
use super::registry::{Kind, find};
use super::{CsvFile, ExternalManager, TargetManager};
use crate::descriptor::{CsvParameters, Level, Reader, TestDescriptor, decode_csv, decode_target_list};
use crate::diagnostic::{Path, Sink};
use crate::plugin::protocol::{Role, Which};
use crate::plugin::{Found, Plugins};

static RELEASE: Level = Level { go: "ReleaseParameters", fields: &[] };

/// The target manager of a test; `None` where it is wrong, which is said.
pub(super) fn plan(
    test: &TestDescriptor,
    plugins: &Plugins<'_>,
    path: &Path<'_>,
    sink: &mut Sink,
) -> Option<TargetManager> {
    let plugin = match plugin(test, plugins, path, sink)? {
        Manager::BuiltIn(plugin) => plugin,
        Manager::External(found) => return external(test, plugins, &found, path, sink),
    };
    let errors = sink.errors();
    let acquire_path = path.field("TargetManagerAcquireParameters");
    let manager = sink.within("could not validate TargetManager acquire parameters: ", |sink| {
        let Some(raw) = test.acquire_parameters.as_deref() else {
            let example = match plugin {
                "CSVFileTargetManager" => {
                    "write {\"FileURI\": \"/path/to/hosts.csv\", \"MaxNumberDevices\": 1}"
                }
                _ => "write {\"Targets\": [{\"ID\": \"...\"}]}",
            };
            sink.error(&acquire_path, NO_JSON).hint(example);
            return None;
        };
        match plugin {
            "CSVFileTargetManager" => csv_file(raw, &acquire_path, sink),
            _ => {
                let targets = decode_target_list(raw, &acquire_path, sink);
                Some(TargetManager::TargetList { targets })
            }
        }
    });
    let release_path = path.field("TargetManagerReleaseParameters");
    sink.within("could not validate TargetManager release parameters: ", |sink| {
        match test.release_parameters.as_deref() {
            Some(raw) => {
                Reader { sink }.object(Some(raw), &RELEASE, &release_path.anew());
            }
            None => {
                sink.error(&release_path, NO_JSON).hint("write {}");
            }
        }
    });
    manager.filter(|_| sink.errors() == errors)
}

/// A target manager of some name.
enum Manager {
    BuiltIn(&'static str),
    External(Found),
}

/// One that is a plugin. Parameters that are not there are `null`.
fn external(
    test: &TestDescriptor,
    plugins: &Plugins<'_>,
    found: &Found,
    path: &Path<'_>,
    sink: &mut Sink,
) -> Option<TargetManager> {
    let of = Of { plugins, found, role: Role::TargetManager };
    let (plugin, _) = of.plugin(&path.field("TargetManagerName"), sink)?;
    let given = |raw: &Option<Box<RawValue>>| raw.clone().unwrap_or_else(|| RawValue::NULL.to_owned());
    let (acquire, release) = (given(&test.acquire_parameters), given(&test.release_parameters));
    let acquire_path = path.field("TargetManagerAcquireParameters");
    let takes_acquire = sink.within("could not validate TargetManager acquire parameters: ", |sink| {
        of.check(Which::Acquire, &acquire, &acquire_path, sink)
    });
    let release_path = path.field("TargetManagerReleaseParameters");
    let takes_release = sink.within("could not validate TargetManager release parameters: ", |sink| {
        of.check(Which::Release, &release, &release_path, sink)
    });
    let manager = || TargetManager::External(Box::new(ExternalManager { plugin, acquire, release }));
    (takes_acquire && takes_release).then(manager)
}

fn plugin(test: &TestDescriptor, plugins: &Plugins<'_>, path: &Path<'_>, sink: &mut Sink) -> Option<Manager> {
    let name = test.target_manager_name.as_str();
    let name_path = path.field("TargetManagerName");
    if sink.has_error_at(&name_path) {
        return None;
    }
    if name.is_empty() {
        sink.within("could not validate test descriptor: ", |sink| {
            let hint = "write \"TargetManagerName\": \"TargetList\"";
            sink.error(&name_path, "target manager name cannot be empty").hint(hint);
        });
        return None;
    }
    let e = match find(Kind::TargetManager, name) {
        Ok(plugin) => return Some(Manager::BuiltIn(plugin)),
        Err(e) => e,
    };
    if let Some(found) = plugins.find(name) {
        return Some(Manager::External(found));
    }
    sink.within(&format!("could not get TargetManager ({name}): "), |sink| {
        sink.error(&name_path, e.message).hint(plugins.hint(&e.hint));
    });
    None
}

fn csv_file(raw: &RawValue, path: &Path<'_>, sink: &mut Sink) -> Option<TargetManager> {
    let CsvParameters { file, least, most, prefixes, shuffle } = decode_csv(raw, path, sink)?;
    Some(TargetManager::CsvFile(CsvFile { file: file.file(), least, most, prefixes, shuffle }))
}
