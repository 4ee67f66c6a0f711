//! Plugins as reporters.

use std::time::Duration;

use oyez_engine::EngineOptions;
use oyez_model::event::EventBody;
use oyez_model::{JobState, Verdict};
use serde_json::{Value, json};

use super::bench::{Bench, HEAD};
use crate::lab::{Ran, echo, job, shell, test};

/// A job of two runs on which a plugin reports, each and at the end.
fn reported(name: &str, parameters: Value) -> Value {
    let mut fails = shell("check", "echo $0; [ $0 != T2 ]");
    fails["parameters"]["args"].as_array_mut().unwrap().push(json!("{{ .ID }}"));
    let mut job = job(vec![test("t", &["T1", "T2"], vec![echo("hi", "x"), fails])]);
    job["Runs"] = json!(2);
    let reporter = json!({"Name": name, "Parameters": parameters});
    job["Reporting"] = json!({"RunReporters": [reporter], "FinalReporters": [reporter]});
    job
}

fn reporter_doing(body: &str) -> String {
    format!(
        "{HEAD}
for line in sys.stdin:
    message = json.loads(line)
    if message['type'] == 'hello': hello('reporter')
    elif message['type'] == 'validate': say('validated')
    else:
        print('thinking', file=sys.stderr, flush=True)
        {body}
"
    )
}

/// Why reports could not be made.
fn errors(ran: &Ran) -> Vec<String> {
    let error = |body: &EventBody| match body {
        EventBody::Report(report) => report.error.clone(),
        _ => None,
    };
    ran.events.iter().filter_map(|event| error(&event.body)).collect()
}

#[tokio::test]
async fn a_plugin_reports_on_each_run_and_on_the_job_and_asks_the_journal() {
    let bench = Bench::new();
    bench.example("culprits");
    let ran = bench.run(&reported("Culprits", json!({"allowed": 1}))).await;
    assert_eq!(ran.end.state, JobState::Completed);
    let one = json!({"runs": 1, "culprits": {"T2": ["check: exit status 1"]}});
    let all = json!({"runs": 2, "culprits": {"T2": ["check: exit status 1", "check: exit status 1"]}});
    let runs = ran.run_reports();
    assert_eq!(runs, [(1, "culprits".into(), true, one.clone()), (2, "culprits".into(), true, one)]);
    assert_eq!(ran.final_reports(), [("culprits".to_owned(), true, all)]);
    assert_eq!(ran.end.verdict, Some(Verdict::Success));
}

#[tokio::test]
async fn parameters_of_a_reporter_are_checked_before_anything_starts() {
    let bench = Bench::new();
    bench.example("culprits");
    let wrong = bench.wrong(&reported("culprits", json!({"allowed": -1})));
    let wrong: Vec<_> = wrong.iter().map(|d| (d.path.as_str(), d.message.as_str())).collect();
    assert_eq!(
        wrong,
        [
            ("Reporting.RunReporters[0].Parameters.allowed", "not a number of targets: -1"),
            ("Reporting.FinalReporters[0].Parameters.allowed", "not a number of targets: -1"),
        ]
    );
}

#[tokio::test]
async fn a_query_is_answered_in_pages_and_by_each_of_its_fields() {
    let bench = Bench::new();
    let body = r"def all(**query):
            after, pages, found = 0, 0, []
            while after is not None:
                say('query', after=after, **query)
                answer = json.loads(sys.stdin.readline())
                found += answer['events']; pages += 1; after = answer.get('next')
            return [pages, [[e['name'], e.get('run'), e.get('test'), e.get('label'), e.get('target')] for e in found]]
        everything = all()[1]
        first = all(names=['RunStarted'])
        data = {
            'one': all(target='T1', label='hi', run=1),
            'pages': all(names=['TargetOut', 'TargetErr'], limit=2)[0],
            'none': all(test='u')[1],
            'payload': all(names=['CmdStart'], target='T2')[1],
            'past': all(until='2001-01-01T00:00:00Z')[1],
            'future': len(all(since='2001-01-01T00:00:00Z')[1]) == len(everything),
        }
        say('report', success=True, data=data)";
    bench.write("asks", &reporter_doing(body));
    let ran = bench.run(&reported("asks", json!(null))).await;
    assert_eq!(errors(&ran), Vec::<String>::new());
    let data = &ran.run_reports()[0].3;
    let at = |name: &str, label: &str, target: &str| json!([name, 1, "t", label, target]);
    assert_eq!(data["one"], json!([1, [at("TargetIn", "hi", "T1"), at("TargetOut", "hi", "T1")]]));
    assert_eq!(data["pages"], 3, "four events, two on a page, and an empty one");
    assert_eq!((&data["none"], &data["past"], &data["future"]), (&json!([]), &json!([]), &json!(true)));
    assert_eq!(data["payload"], json!([at("CmdStart", "check", "T2")]));
}

#[tokio::test]
async fn a_reporter_that_hangs_is_cut_off_and_its_report_says_so() {
    let options = EngineOptions { report_timeout: Duration::from_millis(500), ..EngineOptions::default() };
    let bench = Bench::with(options);
    bench.write("hangs", &reporter_doing("subprocess.Popen(['setsid', 'sleep', '600']); time.sleep(600)"));
    let ran = bench.run(&reported("hangs", json!(null))).await;
    assert_eq!(ran.end.state, JobState::Completed);
    let why = "reporter hangs: it gave no `report` within 500ms; its standard error ends with: thinking";
    assert_eq!(errors(&ran), [why, why, why]);
    assert!(ran.run_reports().iter().all(|(_, _, success, data)| !success && data.is_null()));
    assert_eq!(ran.end.verdict, Some(Verdict::Failure));
}

#[tokio::test]
async fn what_a_reporter_does_wrong_is_a_report_that_says_so() {
    for (body, why) in [
        ("sys.exit(2)", "reporter bad: it ended: exit status 2, where `report` was expected"),
        ("print('fine', flush=True)", "reporter bad: it wrote what is no message"),
        (
            "say('target_out', target='T1')",
            "reporter bad: it wrote a message `target_out`, where `report` was expected",
        ),
        ("say('query', since='yesterday')", "reporter bad: \"yesterday\" is no time: "),
        (
            "say('report')",
            "reporter bad: it wrote a message `report` that is not right: missing field `success`",
        ),
    ] {
        let bench = Bench::new();
        bench.write("bad", &reporter_doing(body));
        let ran = bench.run(&reported("bad", json!(null))).await;
        assert_eq!(ran.end.state, JobState::Completed);
        let errors = errors(&ran);
        assert_eq!(errors.len(), 3);
        assert!(errors[0].starts_with(why), "{errors:?}");
        assert!(errors[0].ends_with("; its standard error ends with: thinking"), "{errors:?}");
    }
}
