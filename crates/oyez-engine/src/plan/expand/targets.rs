//! Which target a test's parameters are shown for.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::hosts;
use crate::nearest::did_you_mean;
use crate::plan::{Plan, TargetManager};
use crate::target::Target;

/// So many known targets are named in an error.
const NAMED: usize = 20;
/// The nearest name is looked for among so many.
const COMPARED: usize = 10_000;

/// No test runs on the target that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no test runs on a target {asked:?}; {known}{}", hint.as_ref().map(|h| format!(": {h}")).unwrap_or_default())]
pub struct UnknownTarget {
    asked: String,
    /// Those that there are, as part of a sentence.
    known: String,
    hint: Option<String>,
}

/// A test's target.
pub(super) struct Chosen {
    pub(super) target: Option<Target>,
    pub(super) note: Option<String>,
}

/// What is known of a test's targets.
enum Offer<'p> {
    /// All of them.
    All(std::borrow::Cow<'p, [Target]>),
    /// Nothing, and why.
    Unknown(String),
}

/// The target of each test that runs.
pub(super) fn choose(plan: &Plan, asked: Option<&str>) -> Result<Vec<Chosen>, UnknownTarget> {
    let mut files = BTreeMap::new();
    let offers: Vec<Offer<'_>> =
        plan.tests.iter().map(|test| offer(&test.target_manager, &mut files)).collect();
    if let Some(asked) = asked {
        check(asked, &offers)?;
    }
    Ok(offers.iter().map(|offer| pick(offer, asked)).collect())
}

/// Files that were read, by where they are and which of their targets are wanted.
type Files<'p> = BTreeMap<(&'p std::path::Path, &'p [String]), Result<Vec<Target>, String>>;

fn offer<'p>(manager: &'p TargetManager, files: &mut Files<'p>) -> Offer<'p> {
    match manager {
        TargetManager::TargetList { targets } => Offer::All(targets.into()),
        TargetManager::CsvFile(csv) => {
            let read = || hosts::read(csv).map(|hosts| hosts.targets);
            let read = files.entry((csv.file.as_path(), csv.prefixes.as_slice())).or_insert_with(read);
            match read {
                Ok(_) if csv.most == 0 => Offer::All([].as_slice().into()),
                Ok(targets) => Offer::All(targets.clone().into()),
                Err(why) => Offer::Unknown(why.clone()),
            }
        }
        TargetManager::External(manager) => {
            Offer::Unknown(format!("the plugin {} says which targets there are", manager.plugin.name))
        }
    }
}

fn check(asked: &str, offers: &[Offer<'_>]) -> Result<(), UnknownTarget> {
    let mut known: Vec<&str> = Vec::new();
    for offer in offers {
        match offer {
            Offer::Unknown(_) => return Ok(()),
            Offer::All(targets) => {
                if targets.iter().any(|target| target.id == asked) {
                    return Ok(());
                }
                known.extend(targets.iter().map(|target| target.id.as_str()));
            }
        }
    }
    let mut seen = std::collections::HashSet::new();
    known.retain(|id| seen.insert(*id));
    let hint = did_you_mean(asked, &known[..known.len().min(COMPARED)]);
    let named = known[..known.len().min(NAMED)].join(", ");
    let known = match known.len() {
        0 => "there are none at all".to_owned(),
        n if n > NAMED => format!("there are {named} and {} more", n - NAMED),
        _ => format!("there are {named}"),
    };
    Err(UnknownTarget { asked: asked.to_owned(), known, hint })
}

fn pick(offer: &Offer<'_>, asked: Option<&str>) -> Chosen {
    match (offer, asked) {
        (Offer::All(targets), Some(asked)) => {
            let target = targets.iter().find(|target| target.id == asked).cloned();
            let note = target.is_none().then(|| format!("it does not run on {asked}"));
            Chosen { target, note }
        }
        (Offer::All(targets), None) => {
            let target = targets.first().cloned();
            let note = target.is_none().then(|| "it has no targets: it cannot succeed".to_owned());
            Chosen { target, note }
        }
        (Offer::Unknown(why), asked) => {
            let example = |text: &str| Target { id: text.to_owned(), ..Target::default() };
            let target = match asked {
                Some(asked) => example(asked),
                None => Target { fqdn: "<FQDN>".to_owned(), ..example("<ID>") },
            };
            let note = format!("nothing else is known of the target: {why}");
            Chosen { target: Some(target), note: Some(note) }
        }
    }
}
