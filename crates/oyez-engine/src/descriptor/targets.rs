//! The parameters of the target manager `TargetList`: the targets themselves, perhaps a million of them.

use std::collections::HashSet;
use std::net::IpAddr;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::fields::{Level, Reader};
use super::raw::{Kind, kind};
use crate::diagnostic::{Path, Sink};
use crate::target::{Target, parse_address};

static ACQUIRE: Level = Level { go: "AcquireParameters", fields: &["Targets"] };
static TARGET: Level = Level { go: "Target", fields: &["ID", "FQDN", "PrimaryIPv4", "PrimaryIPv6", "TMS"] };

/// As many as fit the longest descriptor.
const MOST_TARGETS: usize = 4_000_000;

/// Reads the targets; `path` is that of the acquire parameters.
pub(crate) fn decode_target_list(raw: &RawValue, path: &Path<'_>, sink: &mut Sink) -> Vec<Target> {
    let anew = path.anew();
    let list_path = anew.field("Targets");
    let targets = match fast(raw) {
        Some(targets) => targets,
        None => slow(raw, &anew, &list_path, sink),
    };
    check(&targets, &list_path, sink);
    targets
}

/// The list as nearly everybody writes it. Whatever is unusual about it (a name in another case, an unknown or
/// repeated field, a wrong type) is left to [`slow`], which knows how to say so.
fn fast(raw: &RawValue) -> Option<Vec<Target>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct List {
        #[serde(rename = "Targets")]
        targets: Vec<Item>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        #[serde(rename = "ID")]
        id: String,
        #[serde(rename = "FQDN", default)]
        fqdn: String,
        #[serde(rename = "PrimaryIPv4")]
        primary_ipv4: Option<IpAddr>,
        #[serde(rename = "PrimaryIPv6")]
        primary_ipv6: Option<IpAddr>,
    }
    let list: List = serde_json::from_str(raw.get()).ok()?;
    let target = |item: Item| Target {
        id: item.id,
        fqdn: item.fqdn,
        primary_ipv4: item.primary_ipv4.map(|a| a.to_canonical()),
        primary_ipv6: item.primary_ipv6.map(|a| a.to_canonical()),
        manager_state: None,
    };
    Some(list.targets.into_iter().map(target).collect())
}

fn slow(raw: &RawValue, path: &Path<'_>, list_path: &Path<'_>, sink: &mut Sink) -> Vec<Target> {
    let mut reader = Reader { sink };
    let object = reader.object(Some(raw), &ACQUIRE, path);
    let items =
        reader.many_items(object.get("Targets"), &ACQUIRE, "[]*target.Target", list_path, MOST_TARGETS);
    items.iter().enumerate().map(|(i, raw)| decode_target(raw, &list_path.item(i), &mut reader)).collect()
}

fn decode_target(raw: &RawValue, path: &Path<'_>, reader: &mut Reader<'_>) -> Target {
    if kind(raw) == Kind::Null {
        reader.sink.error(path, "target is null");
        return Target::default();
    }
    let target = reader.object(Some(raw), &TARGET, path);
    let address = |name: &str, reader: &mut Reader<'_>| {
        let path = path.field(name);
        let text = reader.string(target.get(name), &TARGET, &path);
        parse_address(&text).unwrap_or_else(|message| {
            reader.sink.error(&path, message);
            None
        })
    };
    Target {
        id: reader.string(target.get("ID"), &TARGET, &path.field("ID")),
        fqdn: reader.string(target.get("FQDN"), &TARGET, &path.field("FQDN")),
        primary_ipv4: address("PrimaryIPv4", reader),
        primary_ipv6: address("PrimaryIPv6", reader),
        manager_state: target.get("TMS").filter(|raw| kind(raw) != Kind::Null).map(ToOwned::to_owned),
    }
}

fn check(targets: &[Target], list_path: &Path<'_>, sink: &mut Sink) {
    if targets.is_empty() && !sink.has_error_at(list_path) {
        sink.warning(list_path, "there are no targets, so the test cannot succeed");
    }
    let mut seen = HashSet::with_capacity(targets.len());
    for (i, target) in targets.iter().enumerate() {
        let item = list_path.item(i);
        let path = item.field("ID");
        if target.id.trim().is_empty() {
            if !sink.has_error_at(&path) && !sink.has_error_at(&item) {
                sink.error(&path, "invalid target with empty ID");
            }
        } else if !seen.insert(target.id.as_str()) {
            sink.warning(&path, format!("target \"{}\" is listed twice; it runs once", target.id));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Vec<Target>, Vec<String>) {
        let raw: &RawValue = serde_json::from_str(json).unwrap();
        let mut sink = Sink::new();
        let targets = decode_target_list(raw, &Path::Root.field("P"), &mut sink);
        (targets, sink.finish().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn targets_are_read_with_their_addresses() {
        let usual = r#"{"Targets":[{"ID":"T1","FQDN":"a","PrimaryIPv4":"1.2.3.4","PrimaryIPv6":"::1"}]}"#;
        let unusual = r#"{"targets":[{"id":"T1","fqdn":"a","primaryipv4":"1.2.3.4","primaryipv6":"::1"}]}"#;
        for json in [usual, unusual] {
            let (targets, said) = read(json);
            assert_eq!(said, [""; 0]);
            let expected = "Target{ID: \"T1\", FQDN: \"a\", PrimaryIPv4: \"1.2.3.4\", PrimaryIPv6: \"::1\"}";
            assert_eq!(targets[0].to_string(), expected);
        }
    }

    #[test]
    fn every_wrong_target_is_named_with_its_place() {
        let json =
            r#"{"Targets":[{"ID":" "},null,{"ID":5},{"ID":"T","PrimaryIPv4":"1.2"},{"ID":"T","Fqdm":"x"}]}"#;
        assert_eq!(
            read(json).1,
            [
                "error: P.Targets[1]: target is null",
                "error: P.Targets[2].ID: must be a string, not a number (5) (hint: write it in quotes: \"5\")",
                "error: P.Targets[3].PrimaryIPv4: invalid IP address: 1.2",
                "warning: P.Targets[4].Fqdm: unknown field; it is ignored (hint: did you mean \"FQDN\"?)",
                "error: P.Targets[0].ID: invalid target with empty ID",
                "warning: P.Targets[4].ID: target \"T\" is listed twice; it runs once",
            ]
        );
    }

    #[test]
    fn no_targets_are_pointed_out() {
        for json in ["null", "{}", r#"{"Targets":[]}"#, r#"{"Targets":null}"#] {
            assert_eq!(
                read(json).1,
                ["warning: P.Targets: there are no targets, so the test cannot succeed"]
            );
        }
    }
}
