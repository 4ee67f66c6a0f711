//! The output of OCP diagnostics as events: what becomes of each artifact, and what is said when some are missing.

#![expect(clippy::unwrap_used, reason = "a test may unwrap: its panic is the report")]

use oyez_model::event::EventBody;
use oyez_model::{Outcome, SectionRef};
use oyez_wire::formats::ocp::{Reader, Run, TestResult};
use serde_json::{Value, json};

/// The events of an output, as JSON, and how the run ended.
fn events(text: &str) -> (Vec<EventBody>, Option<TestResult>) {
    let (events, run) = events_of(text, Run::new(SectionRef::own(1)));
    (events, run.result().cloned())
}

fn events_of(text: &str, mut run: Run) -> (Vec<EventBody>, Run) {
    let mut reader = Reader::new();
    let (mut items, mut nodes, mut events) = (Vec::new(), 1, Vec::new());
    reader.push(text.as_bytes(), &mut |item| items.push(item));
    reader.end(&mut |item| items.push(item));
    for item in items {
        let mut node = || {
            nodes += 1;
            nodes
        };
        run.item(item, &mut node, &mut |event| events.push(event));
    }
    (events, run)
}

/// Numbered lines of artifacts.
fn lines(artifacts: &[Value]) -> String {
    let line = |(i, artifact): (usize, &Value)| {
        let mut artifact = artifact.clone();
        artifact["sequenceNumber"] = json!(i);
        artifact["timestamp"] = json!(format!("2026-01-01T00:00:{i:02}Z"));
        format!("{artifact}\n")
    };
    artifacts.iter().enumerate().map(line).collect()
}

fn run(what: Value) -> Value {
    json!({"testRunArtifact": what})
}

fn step(id: &str, mut what: Value) -> Value {
    what["testStepId"] = json!(id);
    json!({"testStepArtifact": what})
}

/// What each event says, shortly.
fn shown(events: &[EventBody]) -> Vec<String> {
    let one = |event: &EventBody| match event {
        EventBody::SectionStarted(e) => {
            format!("+{} {} {} below {}", e.id, e.r#type, e.name, e.parent.number)
        }
        EventBody::SectionStopped(e) => {
            format!(
                "-{} {:?}{}",
                e.id.number,
                e.outcome,
                e.reason.as_ref().map_or(String::new(), |r| format!(" {r}"))
            )
        }
        EventBody::Measurement(e) => {
            let value = serde_json::to_value(&e.value).unwrap();
            format!("@{} {} = {value} {:?} {:?}..{:?}", e.id.number, e.name, e.unit, e.low, e.high)
        }
        EventBody::SectionDetail(e) => {
            format!("@{} {}", e.id.number, serde_json::to_value(&e.detail).unwrap())
        }
        EventBody::LogText(e) => {
            format!("@{} {:?} {:?}", e.id.number, e.level.as_deref(), String::from_utf8_lossy(&e.text.0))
        }
        EventBody::TestStarted(e) => {
            format!("+{} test {} {} below {}", e.id, e.index, e.name, e.parent.number)
        }
        EventBody::TestStopped(e) => format!("-{} test {:?}", e.id.number, e.outcome),
        EventBody::SourceCut(e) => format!("@{} cut: {}", e.id.number, e.reason),
        other => format!("{other:?}"),
    };
    events.iter().map(one).collect()
}

#[test]
fn a_run_of_each_kind_of_artifact_becomes_sections_with_all_that_was_said() {
    let text = lines(&[
        json!({"schemaVersion": {"major": 2, "minor": 0}}),
        run(json!({"testRunStart": {
            "name": "fans", "version": "1.2", "commandLine": "fans --all", "parameters": {"all": true},
            "dutInfo": {"dutInfoId": "1"}}})),
        run(
            json!({"log": {"severity": "INFO", "message": "begins", "sourceLocation": {"file": "f.c", "line": 7}}}),
        ),
        step("0", json!({"testStepStart": {"name": "speed"}})),
        step(
            "0",
            json!({"measurement": {
            "name": "fan 0", "value": 1500, "unit": "rpm", "hardwareInfoId": "5",
            "validators": [{"type": "GREATER_THAN_OR_EQUAL", "value": 1000}, {"type": "LESS_THAN", "value": 2000.5}]}}),
        ),
        step(
            "0",
            json!({"measurementSeriesStart": {"measurementSeriesId": "s", "name": "noise", "unit": "dB"}}),
        ),
        step(
            "0",
            json!({"measurementSeriesElement": {"measurementSeriesId": "s", "index": 0, "value": 30.5}}),
        ),
        step("0", json!({"measurementSeriesElement": {"measurementSeriesId": "s", "index": 1, "value": 31}})),
        step("0", json!({"measurementSeriesEnd": {"measurementSeriesId": "s", "totalCount": 2}})),
        step("0", json!({"diagnosis": {"verdict": "fans-ok", "type": "PASS"}})),
        step("0", json!({"file": {"displayName": "trace", "uri": "file:///tmp/trace", "isSnapshot": true}})),
        step("0", json!({"extension": {"name": "ours", "content": {"a": [1]}}})),
        step("0", json!({"testStepEnd": {"status": "COMPLETE"}})),
        step("1", json!({"testStepStart": {"name": "heat"}})),
        step("1", json!({"error": {"symptom": "i2c", "message": "no answer"}})),
        step("1", json!({"diagnosis": {"verdict": "too-hot", "type": "FAIL", "message": "90 C"}})),
        step("1", json!({"testStepEnd": {"status": "COMPLETE"}})),
        run(json!({"testRunEnd": {"status": "COMPLETE", "result": "FAIL"}})),
    ]);
    let (events, result) = events(&text);
    assert_eq!(result, Some(TestResult::Fail));
    let validators =
        "[{\"type\":\"GREATER_THAN_OR_EQUAL\",\"value\":1000},{\"type\":\"LESS_THAN\",\"value\":2000.5}]";
    let expected = [
        "+2 TestRun fans below 1".to_owned(),
        "@2 Some(\"INFO\") \"begins (f.c:7)\\n\"".to_owned(),
        "+3 Step speed below 2".to_owned(),
        format!(
            "@3 {{\"measurement\":{{\"hardwareInfoId\":\"5\",\"name\":\"fan 0\",\"validators\":{validators}}}}}"
        ),
        "@3 fan 0 = 1500 Some(\"rpm\") Some(1000.0)..Some(2000.5)".to_owned(),
        "@3 noise = 30.5 Some(\"dB\") None..None".to_owned(),
        "@3 noise = 31 Some(\"dB\") None..None".to_owned(),
        "@3 {\"diagnosis\":{\"type\":\"PASS\",\"verdict\":\"fans-ok\"}}".to_owned(),
        "@3 {\"file\":{\"displayName\":\"trace\",\"isSnapshot\":true,\"uri\":\"file:///tmp/trace\"}}"
            .to_owned(),
        "@3 {\"ours\":{\"a\":[1]}}".to_owned(),
        "-3 Some(Passed)".to_owned(),
        "+4 Step heat below 2".to_owned(),
        "@4 Some(\"ERROR\") \"i2c: no answer\\n\"".to_owned(),
        "@4 {\"error\":{\"message\":\"no answer\",\"symptom\":\"i2c\"}}".to_owned(),
        "@4 {\"diagnosis\":{\"message\":\"90 C\",\"type\":\"FAIL\",\"verdict\":\"too-hot\"}}".to_owned(),
        "-4 Some(Failed) too-hot: 90 C".to_owned(),
        "-2 Some(Failed)".to_owned(),
    ];
    assert_eq!(shown(&events), expected);
    let EventBody::SectionStarted(start) = &events[0] else { panic!() };
    assert_eq!(serde_json::to_value(&start.parameters).unwrap(), json!({"all": true}));
    let extra = serde_json::to_value(&start.extra).unwrap();
    assert_eq!((&extra["version"], &extra["commandLine"]), (&json!("1.2"), &json!("fans --all")));
    assert_eq!(start.began, Some(1_767_225_601_000_000_000));
}

#[test]
fn the_older_shape_of_contests_plugin_is_read_too() {
    let text = r#"{"sequenceNumber":1,"timestamp":"t","testRunArtifact":{"testRunStart":{"name":"n","version":"1"}}}
{"sequenceNumber":2,"timestamp":"t","testStepArtifact":{"testStepId":"7","testStepStart":{"name":"s"}}}
{"sequenceNumber":3,"timestamp":"t","testStepArtifact":{"testStepId":"7","log":{"severity":"WARNING","text":"w"}}}
{"sequenceNumber":4,"timestamp":"t","testStepArtifact":{"testStepId":"7","testStepEnd":{"name":"s","status":"SKIPPED"}}}
{"sequenceNumber":5,"timestamp":"t","testRunArtifact":{"testRunEnd":{"name":"n","status":"COMPLETE","result":"PASS"}}}"#;
    let (events, result) = events(text);
    assert_eq!(result, Some(TestResult::Pass));
    assert_eq!(
        shown(&events),
        [
            "+2 TestRun n below 1",
            "+3 Step s below 2",
            "@3 Some(\"WARNING\") \"w\\n\"",
            "-3 Some(Skipped)",
            "-2 Some(Passed)"
        ]
    );
}

#[test]
fn what_is_missing_is_said_where_it_is_missing() {
    let whole = lines(&[
        json!({"schemaVersion": {"major": 2, "minor": 0}}),
        run(json!({"testRunStart": {"name": "r"}})),
        step("0", json!({"testStepStart": {"name": "s"}})),
        step("0", json!({"measurementSeriesStart": {"measurementSeriesId": "s", "name": "n"}})),
        step("0", json!({"measurementSeriesElement": {"measurementSeriesId": "s", "index": 0, "value": 1}})),
        step("0", json!({"measurementSeriesElement": {"measurementSeriesId": "s", "index": 1, "value": 2}})),
        step("0", json!({"measurementSeriesEnd": {"measurementSeriesId": "s", "totalCount": 2}})),
        step("0", json!({"testStepEnd": {"status": "COMPLETE"}})),
    ]);
    let without = |left_out: &[usize]| -> Vec<String> {
        let kept = whole.lines().enumerate().filter(|(i, _)| !left_out.contains(i));
        let text: String = kept.map(|(_, line)| format!("{line}\n")).collect();
        shown(&events(&text).0).into_iter().filter(|line| line.contains("cut:")).collect()
    };
    assert_eq!(without(&[]), [""; 0]);
    assert_eq!(without(&[0]), [""; 0], "ConTest's samples begin with 1");
    assert_eq!(without(&[0, 1]), ["@1 cut: artifact 1 is missing"]);
    assert_eq!(
        without(&[4]),
        ["@2 cut: artifact 4 is missing", "@3 cut: 1 of 2 measurements of the series n came"]
    );
    assert_eq!(without(&[6]), ["@2 cut: artifact 6 is missing", "@3 cut: the series n has no end"]);
    assert_eq!(without(&[2, 3, 4]), ["@2 cut: artifacts 2 to 4 are missing"]);
    let swapped: String = [0, 1, 3, 2].map(|i| format!("{}\n", whole.lines().nth(i).unwrap())).concat();
    let cuts =
        shown(&events(&swapped).0).into_iter().filter(|line| line.contains("cut:")).collect::<Vec<_>>();
    assert_eq!(cuts, ["@2 cut: artifact 2 is missing", "@2 cut: artifact 2 came after artifact 3"]);
    let half = &whole[..whole.len() - 20];
    assert!(shown(&events(half).0).last().unwrap().contains("breaks off within an artifact"));
}

#[test]
fn only_a_run_that_came_to_its_end_has_a_result() {
    let ended = |status: &str, result: &str| {
        let text = lines(&[
            run(json!({"testRunStart": {"name": "r"}})),
            run(json!({"testRunEnd": {"status": status, "result": result}})),
        ]);
        let (events, result) = events(&text);
        let outcome = events.iter().find_map(|event| match event {
            EventBody::SectionStopped(e) => Some(e.outcome),
            _ => None,
        });
        (result, outcome.unwrap())
    };
    assert_eq!(ended("COMPLETE", "PASS"), (Some(TestResult::Pass), Some(Outcome::Passed)));
    assert_eq!(
        ended("COMPLETE", "NOT_APPLICABLE"),
        (Some(TestResult::NotApplicable), Some(Outcome::Skipped))
    );
    assert_eq!(ended("ERROR", "PASS"), (None, Some(Outcome::Errored)));
    assert_eq!(ended("SKIP", "NOT_APPLICABLE"), (None, Some(Outcome::Skipped)));
    assert_eq!(ended("nonsense", "PASS"), (None, None));
}

#[test]
fn two_runs_in_one_output_are_two_sections_and_count_each_for_itself() {
    let one = lines(&[
        run(json!({"testRunStart": {"name": "r"}})),
        run(json!({"testRunEnd": {"status": "COMPLETE", "result": "PASS"}})),
    ]);
    let (events, result) = events(&one.repeat(2));
    assert_eq!(result, Some(TestResult::Pass));
    assert_eq!(
        shown(&events),
        ["+2 TestRun r below 1", "-2 Some(Passed)", "+3 TestRun r below 1", "-3 Some(Passed)"]
    );
}

#[test]
fn the_elements_of_a_series_may_come_in_any_order_each_with_its_place_and_time() {
    let series = |indices: &[u64]| {
        let mut artifacts = vec![
            run(json!({"testRunStart": {"name": "r"}})),
            step("0", json!({"testStepStart": {"name": "s"}})),
            step(
                "0",
                json!({"measurementSeriesStart": {"measurementSeriesId": "1", "name": "noise", "unit": "dB",
                "validators": [{"type": "EQUAL", "value": 30}]}}),
            ),
        ];
        artifacts.extend(indices.iter().map(|index| {
            step(
                "0",
                json!({"measurementSeriesElement": {"measurementSeriesId": "1", "index": index, "value": 30,
                "timestamp": format!("2026-01-01T00:01:{index:02}Z")}}),
            )
        }));
        let end = json!({"measurementSeriesEnd": {"measurementSeriesId": "1", "totalCount": indices.len()}});
        artifacts.push(step("0", end));
        events(&lines(&artifacts)).0
    };
    let measured = |events: &[EventBody]| -> Vec<_> {
        let one = |event: &EventBody| match event {
            EventBody::Measurement(e) => Some((e.index, e.at, e.low, e.high)),
            _ => None,
        };
        events.iter().filter_map(one).collect()
    };
    let minute = 1_767_225_660_000_000_000;
    let expected = [2_i64, 0, 1]
        .map(|i| (u64::try_from(i).ok(), Some(minute + i * 1_000_000_000), Some(30.0), Some(30.0)));
    let unordered = series(&[2, 0, 1]);
    assert_eq!(measured(&unordered), expected);
    let cuts = |events: &[EventBody]| shown(events).into_iter().filter(|line| line.contains("cut:")).count();
    assert_eq!(cuts(&unordered), 0);
    assert_eq!(cuts(&series(&[0, 2])), 1);
    assert_eq!(cuts(&series(&[0, 0, 2])), 1);
}

#[test]
fn what_a_range_cannot_hold_stands_beside_the_measurement() {
    let validators = json!([
        {"type": "NOT_EQUAL", "value": 0}, {"type": "REGEX_MATCH", "value": "^a"},
        {"type": "REGEX_NO_MATCH", "value": "b$"}, {"type": "IN_SET", "value": ["a", "ab"]},
        {"type": "NOT_IN_SET", "value": [1, 2]}, {"type": "LESS_THAN", "value": "zz", "name": "order"}]);
    let subcomponent = json!({"name": "DIMM0", "location": "A1", "type": "CONNECTOR"});
    let text = lines(&[
        run(
            json!({"testRunStart": {"name": "r", "dutInfo": {"dutInfoId": "d", "softwareInfos": [{"softwareInfoId": "1"}]},
            "metadata": {"k": 1}}}),
        ),
        step("0", json!({"testStepStart": {"name": "s", "ours": true}})),
        step(
            "0",
            json!({"measurement": {"name": "m", "value": "ab", "hardwareInfoId": "3",
            "subcomponent": subcomponent, "validators": validators, "metadata": {"x": null}}}),
        ),
        step("0", json!({"error": {"symptom": "s", "softwareInfoIds": ["1"]}})),
        step(
            "0",
            json!({"diagnosis": {"verdict": "v", "type": "UNKNOWN", "hardwareInfoId": "3",
            "subcomponent": subcomponent}}),
        ),
        step("0", json!({"testStepEnd": {"status": "SKIP"}})),
        run(json!({"testRunEnd": {"status": "COMPLETE", "result": "NOT_APPLICABLE"}})),
    ]);
    let events = events(&text).0;
    let details: Vec<Value> = events
        .iter()
        .filter_map(|event| match event {
            EventBody::SectionDetail(e) => Some(serde_json::to_value(&e.detail).unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(
        details,
        [
            json!({"measurement": {"name": "m", "hardwareInfoId": "3", "subcomponent": subcomponent,
                "validators": validators, "metadata": {"x": null}}}),
            json!({"error": {"symptom": "s", "softwareInfoIds": ["1"]}}),
            json!({"diagnosis": {"verdict": "v", "type": "UNKNOWN", "hardwareInfoId": "3",
                "subcomponent": subcomponent}}),
        ]
    );
    assert!(
        events.iter().any(|e| matches!(e, EventBody::Measurement(m) if m.low.is_none() && m.high.is_none()))
    );
    let extras: Vec<Value> = events
        .iter()
        .filter_map(|event| match event {
            EventBody::SectionStarted(e) => Some(serde_json::to_value(&e.extra).unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(extras[0]["dutInfo"]["softwareInfos"][0]["softwareInfoId"], "1");
    assert_eq!((&extras[0]["metadata"]["k"], &extras[1]["ours"]), (&json!(1), &json!(true)));
}

#[test]
fn runs_may_be_tests_whose_cases_are_their_steps() {
    let one = lines(&[
        run(json!({"testRunStart": {"name": "r", "version": "1", "parameters": {"a": 1}}})),
        step("0", json!({"testStepStart": {"name": "s"}})),
        step("0", json!({"testStepEnd": {"status": "COMPLETE"}})),
        run(json!({"testRunEnd": {"status": "COMPLETE", "result": "PASS"}})),
    ]);
    let of_tests = || Run::of_tests(SectionRef::own(1), SectionRef::own(9), 5);
    let (events, run) = events_of(&format!("before\n{}", one.repeat(2)), of_tests());
    assert_eq!(run.unfinished(), None);
    let test = |id: u64, index: u64| {
        let detail = json!({"testRunStart": {"version": "1", "parameters": {"a": 1}}});
        [
            format!("+{id} test {index} r below 1"),
            format!("@{id} {detail}"),
            format!("+{} Step s below {id}", id + 1),
            format!("-{} Some(Passed)", id + 1),
            format!("-{id} test Some(Passed)"),
        ]
    };
    let expected = [vec!["@9 None \"before\\n\"".to_owned()], test(2, 5).into(), test(4, 6).into()].concat();
    let mut found = shown(&events);
    for line in &mut found {
        // A map's keys come in the order of the text; JSON values of a test are sorted.
        if let Some((at, text)) = line.split_once(" {") {
            *line = format!("{at} {}", serde_json::from_str::<Value>(&format!("{{{text}")).unwrap());
        }
    }
    assert_eq!(found, expected);
    let broken = &one[..one.len() - 30];
    assert_eq!(events_of(broken, of_tests()).1.unfinished().unwrap(), "the output ends within the run r");
    assert_eq!(events_of("text", of_tests()).1.unfinished().unwrap(), "no run of a diagnostic is in it");
}

#[test]
fn a_run_that_fails_without_a_step_that_does_is_a_case_itself() {
    let output = |diagnosis: &str| {
        lines(&[
            run(json!({"testRunStart": {"name": "r"}})),
            step("0", json!({"testStepStart": {"name": "s"}})),
            step("0", json!({"diagnosis": {"verdict": "v", "type": diagnosis}})),
            step("0", json!({"testStepEnd": {"status": "COMPLETE"}})),
            run(json!({"testRunEnd": {"status": "COMPLETE", "result": "FAIL"}})),
        ])
    };
    let cases = |text: &str| {
        let (events, _) = events_of(text, Run::of_tests(SectionRef::own(1), SectionRef::own(1), 0));
        shown(&events).into_iter().filter(|line| line.contains("itself")).count()
    };
    assert_eq!((cases(&output("PASS")), cases(&output("FAIL"))), (1, 0));
}
