//! What a reporter may ask the journal, a page at a time. The names and payloads of events are ConTest's
//! (specs/contest.md 3).

use std::collections::HashMap;

use oyez_model::{Event, EventBody, EventSeq, NodeKind, SectionId, Time};
use oyez_store::JobReader;
use serde::Serialize;
use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};

use super::protocol::{PAGE, Query};

/// Events that are read at once,
const READ: usize = 1024;
/// and for one page at most: who asks for what is rare gets empty pages now and then.
const MOST_READ: usize = 64 * READ;
/// The bytes of a page.
const BYTES: usize = 4 << 20;
/// Nodes whose place is remembered.
const REMEMBERED: usize = 50_000;

/// A page of events, and where the next one begins.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) events: Vec<Box<RawValue>>,
    pub(crate) next: Option<u64>,
}

/// Where in a job something is.
#[derive(Clone, Debug, Default, Serialize)]
struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    test: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<String>,
}

#[derive(Serialize)]
struct Shown<'e> {
    seq: u64,
    time: Time,
    name: &'e str,
    #[serde(flatten)]
    place: &'e Place,
    payload: Box<RawValue>,
}

/// An event that reporters know: its name, the node that it is about, a target that it names, its payload.
struct Known<'e> {
    name: &'e str,
    at: SectionId,
    target: Option<&'e str>,
    payload: Box<RawValue>,
}

/// One page. Blocks.
///
/// # Errors
/// The query is wrong, or the store's own trouble.
pub(crate) fn page(reader: &dyn JobReader, query: &Query) -> Result<Page, String> {
    let time = |text: &Option<String>| -> Result<Option<Time>, String> {
        let text = text.as_deref();
        text.map(|text| text.parse().map_err(|e| format!("{text:?} is no time: {e}"))).transpose()
    };
    let (since, until) = (time(&query.since)?, time(&query.until)?);
    let limit = query.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let mut page = Page::default();
    let mut places = HashMap::new();
    let (mut after, mut read, mut bytes) = (query.after, 0, 0);
    while read < MOST_READ {
        let events = reader.events_after(EventSeq(after), READ).map_err(|e| e.to_string())?;
        let is_last = events.len() < READ;
        read += events.len();
        for (seq, event) in &events {
            let is_in_time =
                since.is_none_or(|since| event.time >= since) && until.is_none_or(|until| event.time < until);
            let known = known(event).filter(|_| is_in_time);
            let known = known
                .filter(|known| query.names.is_empty() || query.names.iter().any(|name| name == known.name));
            if let Some(Known { name, at, target, payload }) = known {
                let mut place = place(reader, at, &mut places)?;
                if let Some(target) = target {
                    place.target.get_or_insert_with(|| target.to_owned());
                }
                if fits(query, &place) {
                    let shown = Shown { seq: seq.0, time: event.time, name, place: &place, payload };
                    let shown = to_raw_value(&shown).map_err(|e| e.to_string())?;
                    bytes += shown.get().len();
                    if bytes > BYTES && !page.events.is_empty() {
                        page.next = Some(after);
                        return Ok(page);
                    }
                    page.events.push(shown);
                }
            }
            after = seq.0;
            if page.events.len() == limit {
                page.next = Some(after);
                return Ok(page);
            }
        }
        if is_last {
            return Ok(page);
        }
    }
    page.next = Some(after);
    Ok(page)
}

fn fits(query: &Query, place: &Place) -> bool {
    let is = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
    (query.run.is_none() || query.run == place.run)
        && is(&query.test, &place.test)
        && is(&query.label, &place.label)
        && is(&query.target, &place.target)
}

fn known(event: &Event) -> Option<Known<'_>> {
    let at = |section: oyez_model::SectionRef| section.resolve(event.producer);
    let own = |number: u64| SectionId { producer: event.producer, number };
    let json = |value: serde_json::Value| to_raw_value(&value).unwrap_or_else(|_| RawValue::NULL.to_owned());
    let null = || RawValue::NULL.to_owned();
    let known = |name, at, payload| Some(Known { name, at, target: None, payload });
    match &event.body {
        EventBody::RunStarted(e) => known("RunStarted", own(e.id), json(json!({"RunID": e.run.0}))),
        EventBody::TargetAcquired(e) => known("TargetAcquired", own(e.id), null()),
        EventBody::TargetAcquireErr(e) => {
            known("TargetAcquireErr", at(e.test), json(json!({"Error": e.error})))
        }
        EventBody::TargetReleased(e) => known("TargetReleased", at(e.id), null()),
        EventBody::TargetIn(e) => known("TargetIn", own(e.id), null()),
        EventBody::TargetOut(e) => known("TargetOut", at(e.id), null()),
        EventBody::TargetErr(e) => known("TargetErr", at(e.id), json(json!({"Error": e.error}))),
        EventBody::VariableEmitted(e) => {
            known("VariableEmitted", at(e.id), json(json!({"Name": e.name, "Value": e.value.0})))
        }
        EventBody::Named(e) => {
            let payload =
                e.payload.as_ref().and_then(|payload| RawValue::from_string(payload.0.clone()).ok());
            let (name, target) = (e.name.as_str(), e.target.as_deref());
            Some(Known { name, at: at(e.id), target, payload: payload.unwrap_or_else(null) })
        }
        _ => None,
    }
}

/// Where a node is; what was found is remembered.
fn place(
    reader: &dyn JobReader,
    id: SectionId,
    places: &mut HashMap<SectionId, Place>,
) -> Result<Place, String> {
    // Sections may be nested to any depth: a chain, not a recursion.
    let (mut chain, mut at) = (Vec::new(), id);
    let mut place = loop {
        if at == SectionId::ROOT {
            break Place::default();
        }
        if let Some(known) = places.get(&at) {
            break known.clone();
        }
        let rows = reader.nodes(&[at]).map_err(|e| e.to_string())?;
        let Some(row) = rows.into_iter().next() else { break Place::default() };
        at = row.parent;
        chain.push(row);
    };
    if places.len() + chain.len() > REMEMBERED {
        places.clear();
    }
    for row in chain.into_iter().rev() {
        match row.kind {
            NodeKind::Job => {}
            NodeKind::Run => place.run = Some(row.index),
            NodeKind::Test => (place.test, place.attempt) = (Some(row.name), Some(row.attempt)),
            NodeKind::Section if place.target.is_none() => place.target = Some(row.name),
            NodeKind::Section if place.label.is_none() => place.label = Some(row.name),
            NodeKind::Section => {}
        }
        places.insert(row.id, place.clone());
    }
    Ok(place)
}
