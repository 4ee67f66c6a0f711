//! Values of all kinds, held against what the real server made of them (`record.py`, `values.json`).

use oyez_model::event::{
    ContextClosed, ContextOpened, EventBody, SectionStarted, SectionStopped, SectionUpdated, TestStarted,
    TestStopped,
};
use oyez_model::{Outcome, ProducerId, SectionRef, Value};
use oyez_report::pyats;
use oyez_wire::pyats::import::Format;
use oyez_wire::pyats::pickle::{self, Limits};
use oyez_wire::pyats::tree::Tree;
use serde::Deserialize;

use crate::{assert_same, imported, written};

#[derive(Deserialize)]
struct Recorded {
    yaml: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    pickle: String,
    json: Option<String>,
}

impl Recorded {
    fn read() -> Recorded {
        serde_json::from_str(include_str!("values.json")).unwrap()
    }

    fn extra(&self) -> Vec<(Value, Value)> {
        self.cases.iter().map(|case| (Value::text(case.id.as_str()), case.value())).collect()
    }
}

impl Case {
    fn value(&self) -> Value {
        let digits = |at: usize| u8::from_str_radix(&self.pickle[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..self.pickle.len()).step_by(2).map(digits).collect();
        pickle::read(&bytes, &Limits::default()).unwrap()
    }
}

/// 2026-11-20 10:00:00 UTC.
const NOON: i64 = 1_795_168_800_000_000_000;

/// The report that `record.py` asks the real server for.
fn report(extra: Vec<(Value, Value)>) -> Tree {
    let root = SectionRef::default();
    let (task, section) = (SectionRef::own(1), SectionRef::own(2));
    let said = |pairs: Vec<(&str, Value)>| {
        Some(Value::Map(pairs.into_iter().map(|(k, v)| (Value::text(k), v)).collect()))
    };
    let id = |id: &str| Some(id.to_owned());
    let events: Vec<EventBody> = vec![
        SectionUpdated { peer: said(vec![("id", "J".into()), ("name", "job".into())]), ..Default::default() }
            .into(),
        ContextOpened { id: root, ..Default::default() }.into(),
        TestStarted { id: 1, parent: root, name: "task".into(), peer_id: id("T"), ..Default::default() }
            .into(),
        ContextOpened { id: task, ..Default::default() }.into(),
        SectionStarted {
            id: 2,
            parent: task,
            r#type: "Testcase".into(),
            name: "s".into(),
            peer_id: id("s"),
            extra: Some(Value::Map(extra)),
            ..Default::default()
        }
        .into(),
        SectionStopped { id: section, outcome: Some(Outcome::Passed), ..Default::default() }.into(),
        TestStopped { id: task, ..Default::default() }.into(),
        ContextClosed { id: root, ..Default::default() }.into(),
    ];
    let mut tree = Tree::new();
    events.iter().for_each(|body| tree.apply_body(ProducerId(1), NOON, body));
    tree
}

#[test]
fn values_of_all_kinds_stand_in_yaml_as_the_real_server_writes_them() {
    let recorded = Recorded::read();
    let tree = report(recorded.extra());
    assert_same("results.yaml", &recorded.yaml, &written(&tree, pyats::yaml));
}

#[test]
fn values_that_json_can_say_stand_there_as_the_real_server_writes_them() {
    let recorded = Recorded::read();
    let mut compared = 0;
    for case in &recorded.cases {
        let text = written(&report(vec![("v".into(), case.value())]), pyats::json);
        let (_, rest) = text.split_once("\"extra\": {\"v\": ").unwrap();
        let (value, _) = rest.split_once("}, \"health_summary\"").unwrap();
        if let Some(expected) = &case.json {
            assert_same(&case.id, expected, value);
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}

#[test]
fn what_json_cannot_say_is_told_and_costs_nothing_else() {
    let recorded = Recorded::read();
    let json = |id: &str| {
        let case = recorded.cases.iter().find(|case| case.id == id).unwrap();
        let text = written(&report(vec![("v".into(), case.value())]), pyats::json);
        let text = text.split_once("\"extra\": {\"v\": ").unwrap().1;
        text.split_once("}, \"health_summary\"").unwrap().0.to_owned()
    };
    let cases = [
        ("bytes", "\"b'abc'\""),
        ("set", "[1, 2, 3]"),
        ("frozenset", "[1]"),
        ("date", "\"2026-01-02\""),
        ("type", "\"<class 'int'>\""),
        ("decimal", "{\"repr\": \"Decimal('1.50')\", \"type\": \"<class 'decimal.Decimal'>\"}"),
        ("unknown", "{\"repr\": \"Port(3)\", \"type\": \"<class 'lab.Port'>\"}"),
        ("deque", "[1, 2]"),
        ("bytes_key", "{\"b'x'\": 1}"),
        (
            "uuid",
            "{\"repr\": \"UUID('00000000-0000-0000-0000-000000000005')\", \"type\": \"<class 'uuid.UUID'>\"}",
        ),
    ];
    for (id, want) in cases {
        assert_eq!(json(id), want, "{id}");
    }
}

#[test]
fn results_yaml_comes_back_from_what_it_says() {
    let mut extra = Recorded::read().extra();
    // Of a counter or a result in an extra YAML says no more than of a dictionary, and lone surrogates it does not take.
    extra.retain(|(key, _)| key.as_str() != Some("counts") && key.as_str() != Some("results"));
    let yaml =
        written(&report(extra), pyats::yaml).replace("\\uD83D", "\\uFFFD").replace("\\uD800", "\\uFFFD");
    let tree = imported(yaml.as_bytes(), Format::Yaml);
    assert_same("results.yaml", &yaml, &written(&tree, pyats::yaml));
}
