use super::*;
use crate::pyats::tree::Tree;
use oyez_model::ProducerId;

fn tree(text: &str, format: Format) -> (Tree, Imported) {
    let mut tree = Tree::new();
    let found = read(text.as_bytes(), format, 1, &mut |time, body| {
        tree.apply_body(ProducerId(1), time, &body);
    });
    (tree, found.unwrap())
}

const SMALL: &str = r#"{"version": "3.4", "report": {"type": "TestSuite", "id": "J", "name": "job",
 "starttime": "2026-11-20 10:00:00+05:30", "stoptime": "2026-11-20 10:00:09.500000+05:30", "runtime": 9.5,
 "result": {"value": "failed"}, "extra": {"a": null}, "tasks": [
  {"type": "Task", "id": "T", "name": "t", "starttime": "2026-11-20 10:00:01+05:30", "result": {"value": "failed"},
   "summary": {"errored": 1}, "details": ["d"], "sections": [
    {"type": "Testcase", "id": "s", "starttime": "2026-11-20 10:00:02+05:30",
     "stoptime": "2026-11-20 10:00:03+05:30", "runtime": 1.25, "logs": {"file": "L", "begin": 1, "size": 2},
     "result": {"value": "failed", "reason": "why", "data": {"x": NaN}}, "xref": {"line": 3}}]}]}}"#;

#[test]
fn a_file_becomes_the_tree_that_made_it() {
    let (tree, found) = tree(SMALL, Format::Json);
    assert_eq!(found, Imported { version: "3.4".to_owned(), objects: 3 });
    let suite = tree.suite().unwrap();
    let zone = tree.zone().to_offset(jiff::Timestamp::UNIX_EPOCH);
    assert_eq!(zone.seconds(), 19_800);
    assert_eq!(tree.node(suite).runtime, Some(9.5));
    let task = tree.child(suite, "T").unwrap();
    assert_eq!((tree.node(task).kind, tree.node(task).stopped), (Kind::Task, None));
    assert_eq!(tree.node(task).details, [Value::text("d")]);
    let section = tree.node(tree.child(task, "s").unwrap());
    assert_eq!((section.runtime, section.shown_type()), (Some(1.25), "Testcase"));
    assert_eq!(section.logs.as_ref().unwrap().size, Some(2));
    assert_eq!(section.attribute("xref").and_then(|x| x.get("line").cloned()), Some(Value::Int(3)));
    let verdict = section.verdict().unwrap();
    assert_eq!((verdict.reason().as_str(), verdict.outcome), (Some("why"), oyez_model::Outcome::Failed));
}

#[test]
fn yaml_says_the_same_as_json() {
    let yaml = "report:\n  id: J\n  starttime: 2026-11-20 10:00:00.000001+00:00\n  tasks:\n    - type: Task\n      id: T\n      \
        extra:\n        f: !!float 'inf'\n        b: !!binary |\n          YWJj\n        s: !!set\n          a: null\n        n: \
        '1'\n      sections:\n        - type: Step\n          id: s\nversion: '3.4'\n";
    let (tree, found) = tree(yaml, Format::Yaml);
    assert_eq!((found.objects, found.version.as_str()), (3, "3.4"));
    let task = tree.child(tree.suite().unwrap(), "T").unwrap();
    assert_eq!(tree.node(tree.suite().unwrap()).started.map(|t| t % 1_000_000), Some(1000));
    assert!(tree.child(task, "s").is_some());
    let extra = Value::Map(tree.node(task).extra.clone());
    assert_eq!(extra.get("n"), Some(&Value::text("1")));
    assert_eq!(extra.get("f"), Some(&Value::Float(f64::INFINITY)));
    assert_eq!(extra.get("b"), Some(&Value::Bytes(b"abc".to_vec())));
}

#[test]
fn another_file_is_refused_with_a_word_on_what_is_missing() {
    let refused = |text: &str, format| read(text.as_bytes(), format, 1, &mut |_, _| {}).unwrap_err();
    assert!(matches!(refused("{\"a\": 1}", Format::Json), ImportError::NoReport { .. }));
    assert!(matches!(refused("- a\n", Format::Yaml), ImportError::NoReport { .. }));
    assert!(matches!(refused(&SMALL[..300], Format::Json), ImportError::Syntax { .. }));
    let deep = "{\"report\": ".to_owned() + &"{\"id\": \"x\", \"sections\": [".repeat(10_000);
    assert_eq!(refused(&deep, Format::Json), ImportError::TooDeep);
}
