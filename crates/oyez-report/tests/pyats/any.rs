//! Reports of anything at all: no text and no value costs a file.

use oyez_model::event::{
    ContextOpened, EventBody, SectionDetail, SectionStarted, SectionStopped, SectionUpdated, TestStarted,
};
use oyez_model::value::Opaque;
use oyez_model::{Outcome, ProducerId, SectionRef, Value};
use oyez_report::pyats;
use oyez_wire::pyats::import::Format;
use oyez_wire::pyats::tree::Tree;
use proptest::prelude::*;

use crate::{assert_same, imported, written};

fn tree(events: Vec<EventBody>) -> Tree {
    let mut tree = Tree::new();
    let id = Value::Map(vec![("id".into(), "J".into())]);
    let suite = SectionUpdated { peer: Some(id), ..Default::default() };
    let task =
        TestStarted { id: 1, parent: SectionRef::default(), peer_id: Some("T".into()), ..Default::default() };
    let begin: [EventBody; 3] = [suite.into(), ContextOpened::default().into(), task.into()];
    begin.iter().chain(&events).for_each(|body| tree.apply_body(ProducerId(1), 7_000, body));
    tree
}

#[test]
fn a_deep_tree_takes_no_stack() {
    let section = |id: u64| SectionStarted {
        id,
        parent: SectionRef::own(id - 1),
        r#type: "Step".into(),
        name: "s".into(),
        peer_id: Some("s".into()),
        ..Default::default()
    };
    let deep = 10_000;
    let tree = tree((2..deep + 2).map(|id| section(id).into()).collect());
    let writers = [pyats::json, pyats::yaml, pyats::details_xml, pyats::summary_xml];
    // Far less than a frame for each of them would take.
    let small = std::thread::Builder::new().stack_size(256 << 10);
    let check = small.spawn(move || writers.map(|write| written(&tree, write))).unwrap();
    let files = check.join().unwrap();
    assert_eq!(
        files[0].matches("\"idlist\"").count(),
        130,
        "each says all above it: deeper ones are left out"
    );
    for file in &files[..3] {
        // In YAML a long line goes on in the next.
        let words = file.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(words.matches("nested too deep: sections below, 1").count(), 1);
        assert!(file.len() < 8 << 20, "{}", file.len());
    }
}

#[test]
fn a_tree_without_anything_is_a_report_without_anything() {
    assert_eq!(written(&Tree::new(), pyats::json), "{\"version\": \"3.4\", \"report\": {}}");
    assert_eq!(written(&Tree::new(), pyats::yaml), "report: {}\nversion: '3.4'\n");
    assert!(written(&Tree::new(), pyats::details_xml).ends_with("</aereport>\n"));
    assert!(written(&Tree::new(), pyats::summary_xml).ends_with("<jobSummary/>\n"));
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,200}",
        "[a-z :#'\"\n\t\\\\-]{0,60}",
        "[0-9.:_eTZ +-]{0,12}",
        "(word |\u{e9}|\n ){0,40}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any::<f64>().prop_map(Value::Float),
        text().prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..80).prop_map(Value::Bytes),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Value::Surrogates),
    ];
    leaf.prop_recursive(4, 30, 5, |inner| {
        let items = prop::collection::vec(inner.clone(), 0..4);
        let pairs = prop::collection::vec((inner.clone(), inner), 0..4);
        prop_oneof![
            items.clone().prop_map(Value::List),
            items.clone().prop_map(Value::Tuple),
            items.clone().prop_map(Value::Set),
            pairs.clone().prop_map(Value::Map),
            (items, pairs, "[a-z.]{0,9}", "[A-Z][a-zE]{0,9}").prop_map(|(args, entries, module, name)| {
                Value::Opaque(Box::new(Opaque { entries, ..Opaque::call(module, name, args) }))
            }),
        ]
    })
}

fn report(said: &str, value: Value) -> Tree {
    // An empty tuple is kept, and read back as an empty list it is left out.
    let value = Value::List(vec![value]);
    tree(vec![
        SectionStarted {
            id: 2,
            parent: SectionRef::own(1),
            r#type: said.into(),
            name: said.into(),
            description: Some(said.into()),
            peer_id: Some(said.into()),
            parameters: Some(value.clone()),
            extra: Some(Value::Map(vec![(Value::text(said), value.clone())])),
            ..Default::default()
        }
        .into(),
        SectionDetail { id: SectionRef::own(2), detail: value.clone() }.into(),
        SectionDetail { id: SectionRef::own(2), detail: Value::text(said) }.into(),
        SectionStopped {
            id: SectionRef::own(2),
            outcome: Some(Outcome::Failed),
            reason: Some(said.into()),
            data: Some(value),
            ..Default::default()
        }
        .into(),
    ])
}

proptest! {
    #[test]
    fn json_and_yaml_say_the_same_after_they_were_read(said in text(), value in value()) {
        let tree = report(&said, value);
        let json = written(&tree, pyats::json);
        prop_assert!(json.is_ascii() && !json.contains('\n'));
        assert_same("results.json", &json, &written(&imported(json.as_bytes(), Format::Json), pyats::json));
        let yaml = written(&tree, pyats::yaml);
        prop_assert!(yaml.is_ascii());
        let again = imported(yaml.as_bytes(), Format::Yaml);
        prop_assert_eq!(again.len(), tree.len());
    }

    #[test]
    fn texts_come_back_from_yaml(said in text()) {
        let tree = report(&said, Value::text(said.as_str()));
        let yaml = written(&tree, pyats::yaml);
        assert_same("results.yaml", &yaml, &written(&imported(yaml.as_bytes(), Format::Yaml), pyats::yaml));
    }

    #[test]
    fn xml_is_well_formed_whatever_it_says(said in text(), value in value()) {
        let tree = report(&said, value);
        for write in [pyats::details_xml as crate::Write, pyats::summary_xml] {
            let text = written(&tree, write);
            let forbidden = |c: char| matches!(c, '\0'..='\x08' | '\x0b'..='\x1f' | '\u{fffe}' | '\u{ffff}');
            prop_assert!(!text.contains(forbidden), "{text:?}");
            let mut reader = quick_xml::Reader::from_str(&text);
            reader.config_mut().check_end_names = true;
            loop {
                match reader.read_event() {
                    Ok(quick_xml::events::Event::Eof) => break,
                    Ok(quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag)) => {
                        prop_assert!(tag.attributes().all(|a| a.is_ok()));
                    }
                    Ok(_) => {}
                    Err(e) => prop_assert!(false, "{e}: {text}"),
                }
            }
        }
    }
}
