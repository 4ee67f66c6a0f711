//! What hangs on a section, as it is shown when the section is opened: facts, details, measurements, artifacts,
//! events, log.

use oyez_model::event::Stream;
use oyez_model::{EventBody, Time, Value};

use super::ansi::{self, Style};
use super::markup::{bytes, escape, tagged, thousands};
use super::row::{MAX_NAME, MAX_REASON};
use crate::content::{Content, Item};
use crate::facts::Facts;
use crate::json::{flag_words, stream_word};
use crate::moment;
use crate::text::clip;
use crate::walk::Node;

/// The longest name that is shown in full.
const WHOLE_NAME: usize = 64 << 10;
/// The longest value that is shown.
const MAX_VALUE: usize = 32 << 10;

/// What hangs on a section; `None` when its row says it all.
pub(super) fn of(node: &Node<'_>, content: &Content, job: u64) -> Option<Vec<u8>> {
    let row = node.row;
    let reason = node.reason(content);
    let long_name = row.name.len() > MAX_NAME;
    let says_more = row.planned.is_some() || long_name || reason.len() > MAX_REASON || reason.contains('\n');
    if content.is_empty() && !says_more {
        return None;
    }
    let mut out = Vec::with_capacity(512);
    facts(&mut out, node);
    if long_name {
        tagged(&mut out, "p", "name", clip(&row.name, WHOLE_NAME));
    }
    if !reason.is_empty() {
        tagged(&mut out, "pre", "why", clip(reason, MAX_VALUE));
    }
    let shown = Shown { job, id: row.id.to_string(), start: row.started.unwrap_or(node.window.start) };
    shown.content(&mut out, content);
    Some(out)
}

/// What hangs on the job itself.
pub(super) fn of_job(facts: &Facts) -> Option<Vec<u8>> {
    if facts.content.is_empty() {
        return None;
    }
    let mut out = Vec::new();
    let shown = Shown { job: facts.id.0, id: "0.0".to_owned(), start: facts.window.start };
    shown.content(&mut out, &facts.content);
    Some(out)
}

fn facts(out: &mut Vec<u8>, node: &Node<'_>) {
    let row = node.row;
    let mut words = Vec::new();
    if let Some(started) = row.started {
        words.push(moment::for_people(started));
    }
    if let Some(nanos) = row.duration() {
        words.push(moment::human(nanos));
    }
    if let Some(planned) = row.planned {
        words.push(format!("{} of {} planned", thousands(row.seen), thousands(planned)));
    }
    words.extend(flag_words(row).into_iter().map(|word| word.replace('_', " ")));
    tagged(out, "p", "facts", &words.join(" · "));
}

/// Whose content it is.
struct Shown {
    job: u64,
    id: String,
    start: Time,
}

impl Shown {
    fn content(&self, out: &mut Vec<u8>, content: &Content) {
        self.table(out, content);
        self.measurements(out, content);
        self.events(out, content);
        for item in &content.items {
            if let EventBody::SectionDetail(b) = &item.body {
                value(out, &b.detail);
            }
        }
        if content.items_left_out > 0 {
            let text = format!(
                "{} more events of this section are left out here: oyez events {}",
                thousands(content.items_left_out),
                self.job
            );
            tagged(out, "p", "cut", &text);
        }
        self.log(out, content);
    }

    /// What its producer says about the section, and its artifacts.
    fn table(&self, out: &mut Vec<u8>, content: &Content) {
        let mut rows: Vec<(String, Vec<u8>)> = Vec::new();
        let text = |text: &str| {
            let mut cell = Vec::new();
            escape(&mut cell, clip(text, MAX_VALUE));
            cell
        };
        let of_value = |v: &Value| {
            let mut cell = Vec::new();
            value(&mut cell, v);
            cell
        };
        for item in &content.items {
            match &item.body {
                EventBody::TestStarted(b) => {
                    if let Some(suite) = b.suite.as_ref().filter(|suite| !suite.is_empty()) {
                        rows.push(("suite".to_owned(), text(&suite.join(" › "))));
                    }
                    for (key, said) in b.variant.iter().flatten() {
                        rows.push((key.clone(), text(said)));
                    }
                }
                EventBody::SectionStarted(b) => {
                    rows.extend(b.description.iter().map(|said| ("about".to_owned(), text(said))));
                    if let Some(source) = &b.source {
                        let line = source.line.map(|line| format!(":{line}")).unwrap_or_default();
                        rows.push(("source".to_owned(), text(&format!("{}{line}", source.file))));
                    }
                    rows.extend(b.parameters.iter().map(|v| ("parameters".to_owned(), of_value(v))));
                    rows.extend(b.extra.iter().map(|v| ("extra".to_owned(), of_value(v))));
                }
                EventBody::SectionStopped(b) => {
                    rows.extend(b.data.iter().map(|v| ("data".to_owned(), of_value(v))));
                }
                EventBody::VariableEmitted(b) => rows.push((b.name.clone(), text(&b.value.0))),
                EventBody::Artifact(b) => {
                    let what = match b.rest_of {
                        Some(stream) => format!("rest of {}", stream_word(stream)),
                        None => "artifact".to_owned(),
                    };
                    let blob = b.blob.to_string();
                    let said =
                        format!("{} ({}, {}, blob {}…)", b.name, b.mime, bytes(b.size), clip(&blob, 12));
                    rows.push((what, text(&said)));
                }
                _ => {}
            }
        }
        if rows.is_empty() {
            return;
        }
        out.extend_from_slice(b"<dl>");
        for (key, cell) in rows {
            out.extend_from_slice(b"<dt>");
            escape(out, &key);
            out.extend_from_slice(b"</dt><dd>");
            out.extend_from_slice(&cell);
            out.extend_from_slice(b"</dd>");
        }
        out.extend_from_slice(b"</dl>");
    }

    fn measurements(&self, out: &mut Vec<u8>, content: &Content) {
        let mut any = false;
        for item in &content.items {
            let EventBody::Measurement(b) = &item.body else { continue };
            if !any {
                out.extend_from_slice(
                    b"<table><tr><th>measured</th><th>value</th><th>good from</th><th>to</th></tr>",
                );
                any = true;
            }
            out.extend_from_slice(b"<tr><td>");
            escape(out, &b.name);
            if let Some(index) = b.index {
                escape(out, &format!(" [{index}]"));
            }
            out.extend_from_slice(b"</td><td>");
            let unit = b.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
            escape(out, &format!("{}{unit}", plain_value(&b.value)));
            for bound in [b.low, b.high] {
                out.extend_from_slice(b"</td><td>");
                escape(out, &bound.map(|n| n.to_string()).unwrap_or_default());
            }
            out.extend_from_slice(b"</td></tr>");
        }
        if any {
            out.extend_from_slice(b"</table>");
        }
    }

    /// Everything that has no place of its own, a line each.
    fn events(&self, out: &mut Vec<u8>, content: &Content) {
        let mut any = false;
        for item in &content.items {
            let Some((name, said)) = line_of(item) else { continue };
            if !any {
                out.extend_from_slice(b"<div class=ev>");
                any = true;
            }
            out.extend_from_slice(b"<div><i>");
            escape(out, &self.at(item.time));
            out.extend_from_slice(b"</i><b>");
            escape(out, &name);
            out.extend_from_slice(b"</b><span>");
            escape(out, clip(&said, MAX_VALUE));
            out.extend_from_slice(b"</span></div>");
        }
        if any {
            out.extend_from_slice(b"</div>");
        }
    }

    fn log(&self, out: &mut Vec<u8>, content: &Content) {
        if content.log.is_empty() && content.left_out.bytes == 0 {
            return;
        }
        out.extend_from_slice(b"<div class=log>");
        let mut styles = [Style::default(); 3];
        let mut before = String::new();
        for (at, piece) in content.log.iter().enumerate() {
            if at == content.gap_at {
                self.gap(out, content);
            }
            let class = match piece.stream {
                Stream::Stdout => "",
                Stream::Stderr => " class=e",
                Stream::Log => " class=l",
            };
            let time = self.at(piece.time);
            out.extend_from_slice(format!("<div{class}><i>").as_bytes());
            if time != before {
                out.extend_from_slice(time.as_bytes());
                before = time;
            }
            out.extend_from_slice(b"</i><span>");
            if let Some(level) = &piece.level {
                tagged(out, "b", "", level);
                out.push(b' ');
            }
            let text = piece.bytes.strip_suffix(b"\n").unwrap_or(&piece.bytes);
            ansi::render(out, text, &mut styles[piece.stream as usize]);
            out.extend_from_slice(b"</span></div>");
        }
        if content.gap_at >= content.log.len() {
            self.gap(out, content);
        }
        out.extend_from_slice(b"</div>");
    }

    fn gap(&self, out: &mut Vec<u8>, content: &Content) {
        if content.left_out.bytes > 0 {
            let text = format!(
                "{} of log are left out here: oyez logs {} --section {}",
                bytes(content.left_out.bytes),
                self.job,
                self.id
            );
            tagged(out, "p", "cut", &text);
        }
    }

    /// Seconds since the section began, with milliseconds.
    fn at(&self, time: Time) -> String {
        moment::seconds_3(time.since(self.start))
    }
}

/// An event without a place of its own: its name and what it says.
fn line_of(item: &Item) -> Option<(String, String)> {
    let json = |body: &EventBody| serde_json::to_string(body).unwrap_or_default();
    Some(match &item.body {
        EventBody::SectionDetail(_)
        | EventBody::Measurement(_)
        | EventBody::Artifact(_)
        | EventBody::VariableEmitted(_)
        | EventBody::TestStarted(_)
        | EventBody::SectionStarted(_)
        | EventBody::SectionStopped(_) => return None,
        EventBody::Named(b) => {
            let target = b.target.as_ref().map(|target| format!("{target} ")).unwrap_or_default();
            (b.name.clone(), format!("{target}{}", b.payload.as_ref().map_or("", |payload| &payload.0)))
        }
        EventBody::OutputDropped(b) => {
            ("output dropped".to_owned(), format!("{}: {}", bytes(b.bytes), b.why))
        }
        EventBody::SourceCut(b) => ("source cut off".to_owned(), b.reason.clone()),
        EventBody::TargetAcquireErr(b) => ("targets not acquired".to_owned(), b.error.clone()),
        EventBody::JobControl(b) => {
            let why = b.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            ("asked for".to_owned(), format!("{:?} by {}{why}", b.verb, b.by))
        }
        EventBody::Entry(b) => (b.app.clone().unwrap_or_else(|| "entry".to_owned()), plain_value(&b.fields)),
        body => (body.name().replace('_', " "), json(body)),
    })
}

/// A value: text as it is, anything else as indented JSON.
fn value(out: &mut Vec<u8>, value: &Value) {
    out.extend_from_slice(b"<pre>");
    match value {
        Value::Text(text) => ansi::render(out, clip(text, MAX_VALUE).as_bytes(), &mut Style::default()),
        Value::Surrogates(bytes) => {
            ansi::render(out, &bytes[..bytes.len().min(MAX_VALUE)], &mut Style::default())
        }
        other => escape(out, clip(&serde_json::to_string_pretty(other).unwrap_or_default(), MAX_VALUE)),
    }
    out.extend_from_slice(b"</pre>");
}

fn plain_value(value: &Value) -> String {
    crate::case::value_text(value)
}
