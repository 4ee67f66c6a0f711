//! The fields that come from what hangs on a section or on the job.

use oyez_model::{EventBody, Time};

use super::{JsonReport, stream_word};
use crate::content::{Content, Item};

impl JsonReport<'_> {
    /// The fields that come from what hangs on a section.
    pub(super) fn content(&mut self, content: &Content) {
        if content.is_empty() {
            return;
        }
        if !content.log.is_empty() {
            self.json.key("log");
            self.json.open(b'[');
            for piece in &content.log {
                self.json.open(b'{');
                self.time_if("time", Some(piece.time));
                self.text("stream", stream_word(piece.stream));
                self.text_if("level", piece.level.as_deref());
                self.text("text", &String::from_utf8_lossy(&piece.bytes));
                self.json.close(b'}');
            }
            self.json.close(b']');
        }
        if content.left_out.bytes > 0 {
            self.json.key("log_left_out");
            self.json.open(b'{');
            self.any("after", &content.gap_at);
            self.any("pieces", &content.left_out.pieces);
            self.any("bytes", &content.left_out.bytes);
            self.json.close(b'}');
        }
        self.description(content);
        for (key, belongs) in GROUPS {
            self.group(key, content.items.iter().filter(|item| belongs(&item.body)));
        }
        if content.items_left_out > 0 {
            self.any("items_left_out", &content.items_left_out);
        }
    }

    /// What its producer said about the section itself.
    fn description(&mut self, content: &Content) {
        for item in &content.items {
            match &item.body {
                EventBody::TestStarted(b) => {
                    if let Some(suite) = b.suite.as_ref().filter(|suite| !suite.is_empty()) {
                        self.any("suite", suite);
                    }
                    if let Some(variant) = b.variant.as_ref().filter(|variant| !variant.is_empty()) {
                        self.any("variant", variant);
                    }
                }
                EventBody::SectionStarted(b) => {
                    self.text_if("description", b.description.as_deref());
                    if let Some(source) = &b.source {
                        self.any("source", source);
                    }
                    for (key, value) in [("parameters", &b.parameters), ("extra", &b.extra)] {
                        if let Some(value) = value {
                            self.json.key(key);
                            self.json.value(value);
                        }
                    }
                }
                EventBody::SectionStopped(b) => {
                    if let Some(data) = &b.data {
                        self.json.key("data");
                        self.json.value(data);
                    }
                }
                _ => {}
            }
        }
    }

    fn group<'i>(&mut self, key: &str, items: impl Iterator<Item = &'i Item>) {
        let mut items = items.peekable();
        if items.peek().is_none() {
            return;
        }
        self.json.key(key);
        self.json.open(b'[');
        for item in items {
            self.json.open(b'{');
            let at = match &item.body {
                EventBody::Measurement(b) => b.at.map(Time),
                _ => None,
            };
            self.time_if("time", Some(at.unwrap_or(item.time)));
            self.item(item);
            self.json.close(b'}');
        }
        self.json.close(b']');
    }

    fn item(&mut self, item: &Item) {
        match &item.body {
            EventBody::SectionDetail(b) => {
                self.json.key("value");
                self.json.value(&b.detail);
            }
            EventBody::Measurement(b) => {
                self.text("name", &b.name);
                self.json.key("value");
                self.json.value(&b.value);
                self.text_if("unit", b.unit.as_deref());
                for (key, bound) in [("low", b.low), ("high", b.high)] {
                    if let Some(bound) = bound {
                        self.any(key, &bound);
                    }
                }
                if let Some(index) = b.index {
                    self.any("index", &index);
                }
            }
            EventBody::Artifact(b) => {
                self.text("name", &b.name);
                self.text("mime", &b.mime);
                self.any("size", &b.size);
                self.any("blob", &b.blob);
                if let Some(stream) = b.rest_of {
                    self.text("rest_of", stream_word(stream));
                }
            }
            EventBody::Named(b) => {
                self.text("name", &b.name);
                self.text_if("target", b.target.as_deref());
                if let Some(payload) = &b.payload {
                    self.json.key("payload");
                    self.json.raw(&payload.0);
                }
            }
            EventBody::VariableEmitted(b) => {
                self.text("name", &b.name);
                self.json.key("value");
                self.json.raw(&b.value.0);
            }
            EventBody::Entry(b) => {
                if let Some(guid) = &b.guid {
                    self.text("guid", guid.as_str());
                }
                self.text_if("host", b.host.as_deref());
                self.text_if("app", b.app.as_deref());
                self.text_if("level", b.level.as_deref());
                self.json.key("fields");
                self.json.value(&b.fields);
            }
            body => {
                self.text("kind", body.name());
                self.any("event", body);
            }
        }
    }
}

type Rule = fn(&EventBody) -> bool;

/// The groups that hanging events stand in, with the rule for each.
const GROUPS: [(&str, Rule); 7] = [
    ("details", |body| matches!(body, EventBody::SectionDetail(_))),
    ("measurements", |body| matches!(body, EventBody::Measurement(_))),
    ("artifacts", |body| matches!(body, EventBody::Artifact(_))),
    ("named_events", |body| matches!(body, EventBody::Named(_))),
    ("variables", |body| matches!(body, EventBody::VariableEmitted(_))),
    ("entries", |body| matches!(body, EventBody::Entry(_))),
    ("other_events", is_other),
];

fn is_other(body: &EventBody) -> bool {
    !matches!(
        body,
        EventBody::SectionDetail(_)
            | EventBody::Measurement(_)
            | EventBody::Artifact(_)
            | EventBody::Named(_)
            | EventBody::VariableEmitted(_)
            | EventBody::Entry(_)
            | EventBody::TestStarted(_)
            | EventBody::SectionStarted(_)
            | EventBody::SectionStopped(_)
    )
}
