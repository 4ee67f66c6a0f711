//! Plugins as target managers.

use oyez_model::JobState;
use serde_json::{Value, json};

use super::bench::{Bench, HEAD};
use crate::lab::{echo, job, target, test};

fn managed(name: &str, acquire: Value, release: Value) -> Value {
    let mut test = test("t", &[], vec![echo("say", "{{ .ID }} {{ .FQDN }}")]);
    test["TargetManagerName"] = json!(name);
    test["TargetManagerAcquireParameters"] = acquire;
    test["TargetManagerReleaseParameters"] = release;
    test
}

fn manager_doing(acquire: &str, release: &str) -> String {
    format!(
        "{HEAD}
for line in sys.stdin:
    message = json.loads(line)
    kind = message['type']
    if kind == 'hello': hello('target_manager')
    elif kind == 'validate': say('validated')
    elif kind == 'acquire':
        print('looking', file=sys.stderr, flush=True)
        {acquire}
    elif kind == 'release': {release}
"
    )
}

#[tokio::test]
async fn a_plugin_hands_out_targets_and_gets_them_back() {
    let bench = Bench::new();
    bench.example("shelf");
    let shelf = bench.lab.path("shelf.json");
    let things = json!([
        {"id": "A", "host": "a.lab", "tags": ["arm"]},
        {"id": "B", "tags": ["x86"]},
        {"id": "C", "host": "c.lab", "tags": ["arm", "big"]},
    ]);
    std::fs::write(&shelf, things.to_string()).unwrap();
    let log = bench.lab.path("log");
    let acquire = json!({"file": shelf, "tags": ["arm"], "count": 2});
    let ran = bench.run(&job(vec![managed("Shelf", acquire, json!({"log": log}))])).await;
    assert_eq!((ran.end.state, ran.errors()), (JobState::Completed, vec![]));
    assert!(ran.run_reports()[0].2, "{:?}", ran.run_reports());
    assert_eq!(std::fs::read_to_string(&log).unwrap(), "A is back\nC is back\n");
    let said = String::from_utf8(ran.text(oyez_model::event::Stream::Log)).unwrap();
    assert_eq!(said, "A a.lab\nC c.lab\n");
}

#[tokio::test]
async fn a_plugin_that_cannot_acquire_says_why_and_the_job_goes_on() {
    let bench = Bench::new();
    bench.example("shelf");
    let acquire = json!({"file": bench.lab.path("nowhere.json")});
    let ran = bench.run(&job(vec![managed("shelf", acquire, json!(null))])).await;
    assert_eq!(ran.end.state, JobState::Completed);
    assert!(ran.errors()[0].contains("No such file or directory"), "{:?}", ran.errors());
    assert!(!ran.run_reports()[0].2);
}

#[tokio::test]
async fn parameters_of_a_manager_are_checked_before_anything_starts() {
    let bench = Bench::new();
    bench.example("shelf");
    let wrong = bench.wrong(&job(vec![managed("shelf", json!({"count": 0}), json!({"file": "x"}))]));
    let wrong: Vec<_> = wrong.iter().map(|d| (d.path.as_str(), d.message.as_str())).collect();
    assert_eq!(
        wrong,
        [
            ("TestDescriptors[0].TargetManagerAcquireParameters.file", "file is missing"),
            ("TestDescriptors[0].TargetManagerAcquireParameters.count", "not a number of targets: 0"),
            ("TestDescriptors[0].TargetManagerReleaseParameters.file", "unknown parameter file"),
        ]
    );
}

#[tokio::test]
async fn a_manager_that_hangs_fails_the_job_in_contests_words() {
    let bench = Bench::new();
    bench.write("hangs", &manager_doing("time.sleep(600)", "pass"));
    let mut descriptor = job(vec![managed("hangs", json!({}), json!({}))]);
    descriptor["TargetManagerAcquireTimeout"] = json!("1s");
    let ran = bench.run(&descriptor).await;
    assert_eq!(ran.end.state, JobState::Failed);
    assert_eq!(ran.end.error.as_deref(), Some("target manager acquire timed out after 1s"));
    bench.write("keeps", &manager_doing(&handing_out(&["T1"]), "time.sleep(600)"));
    let mut descriptor = job(vec![managed("keeps", json!({}), json!({}))]);
    descriptor["TargetManagerReleaseTimeout"] = json!("1s");
    let ran = bench.run(&descriptor).await;
    assert_eq!(ran.end.state, JobState::Failed);
    assert_eq!(ran.end.error.as_deref(), Some("target manager release timed out after 1s"));
    assert!(
        bench.lab.store.held_targets(None, 10).await.unwrap().is_empty(),
        "the locks are given back all the same"
    );
}

fn handing_out(ids: &[&str]) -> String {
    let targets: Vec<_> = ids.iter().map(|id| target(id)).collect();
    format!("say('targets', targets=json.loads({:?}))", json!(targets).to_string())
}

#[tokio::test]
async fn what_a_manager_does_wrong_is_an_error_of_the_attempt_with_its_standard_error() {
    for (acquire, why) in [
        ("sys.exit(9)", "target manager bad: it ended: exit status 9, where `targets` was expected"),
        ("print('[]', flush=True)", "target manager bad: it wrote what is no message"),
        (
            "say('released')",
            "target manager bad: it wrote a message `released`, where `targets` was expected",
        ),
        (
            "while True: sys.stdout.write('x' * 65536)",
            "target manager bad: it wrote a line of more than 1048576 bytes",
        ),
    ] {
        let bench = Bench::new();
        bench.write("bad", &manager_doing(acquire, "pass"));
        let ran = bench.run(&job(vec![managed("bad", json!({}), json!({}))])).await;
        let error = ran.errors().remove(0);
        assert!(
            error.starts_with(why) && error.ends_with("; its standard error ends with: looking"),
            "{error}"
        );
    }
    let bench = Bench::new();
    bench.write("bad", &manager_doing("say('targets', targets=[{'ID': 'T1'}, {'ID': ' '}])", "pass"));
    let ran = bench.run(&job(vec![managed("bad", json!({}), json!({}))])).await;
    assert_eq!(ran.errors(), ["target manager bad: target 2: its ID is empty"]);
}
