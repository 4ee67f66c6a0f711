//! Target managers of the descriptor to target managers of the plan.

use serde_json::value::RawValue;

use super::fetchers::NO_JSON;
use super::registry::{Kind, find};
use super::{CsvFile, TargetManager};
use crate::descriptor::{CsvParameters, Level, Reader, TestDescriptor, decode_csv, decode_target_list};
use crate::diagnostic::{Path, Sink};

static RELEASE: Level = Level { go: "ReleaseParameters", fields: &[] };

/// The target manager of a test; `None` where it is wrong, which is said.
pub(super) fn plan(test: &TestDescriptor, path: &Path<'_>, sink: &mut Sink) -> Option<TargetManager> {
    let plugin = plugin(test, path, sink)?;
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

fn plugin(test: &TestDescriptor, path: &Path<'_>, sink: &mut Sink) -> Option<&'static str> {
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
    find(Kind::TargetManager, name)
        .map_err(|e| {
            sink.within(&format!("could not get TargetManager ({name}): "), |sink| {
                sink.error(&name_path, e.message).hint(e.hint);
            });
        })
        .ok()
}

fn csv_file(raw: &RawValue, path: &Path<'_>, sink: &mut Sink) -> Option<TargetManager> {
    let CsvParameters { file, least, most, prefixes, shuffle } = decode_csv(raw, path, sink)?;
    Some(TargetManager::CsvFile(CsvFile { file: file.file(), least, most, prefixes, shuffle }))
}
