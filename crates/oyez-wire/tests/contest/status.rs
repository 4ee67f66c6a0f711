//! The long answer: a recorded one is taken apart and put together again.

use oyez_model::event::{RawJson, Report, Target};
use oyez_model::{EventSeq, JobId, JobState, RunNumber, Time};
use oyez_wire::contest::status::{self, Head, RunAt, StepAt, TestAt};
use serde_json::Value;

use super::examples;

fn time(value: &Value) -> Option<Time> {
    value.as_str().filter(|text| !text.starts_with("0001")).map(|text| text.parse().unwrap())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn list<'v>(value: &'v Value, out: &mut Vec<u8>, mut write: impl FnMut(&'v Value, &mut Vec<u8>)) {
    let mut items = status::items();
    for item in value.as_array().into_iter().flatten() {
        items.next(out);
        write(item, out);
    }
    items.close(out);
}

fn target_json(value: &Value) -> Vec<u8> {
    let field = |name: &str| value[name].as_str().map(str::to_owned);
    status::target(&Target {
        id: field("ID").unwrap(),
        fqdn: field("FQDN"),
        primary_ipv4: field("PrimaryIPv4"),
        primary_ipv6: field("PrimaryIPv6"),
        manager_state: value.get("TMS").map(|state| oyez_model::event::RawJson(state.to_string())),
    })
}

fn visit(value: &Value, test: &TestAt, out: &mut Vec<u8>) {
    let step = StepAt::new(test, text(&value["TestStepName"]), text(&value["TestStepLabel"]));
    step.visit(out, &target_json(&value["Target"]), time(&value["InTime"]), time(&value["OutTime"]));
    oyez_wire::contest::go::string(out, text(&value["Error"]));
    StepAt::visit_events(out);
    list(&value["Events"], out, |event, out| {
        let (data, header) = (&event["Data"], &event["Header"]);
        let number = |value: &Value| value.as_u64().unwrap();
        let target = (!data["Target"].is_null()).then(|| target_json(&data["Target"]));
        // Objects lose their order in a `Value`: the payload is taken in the order in which plugins write it.
        let payload = match data["EventName"].as_str().unwrap() {
            "CmdStart" => {
                let payload = &data["Payload"];
                format!(
                    "{{\"Path\":{},\"Args\":{},\"Dir\":{}}}",
                    payload["Path"], payload["Args"], payload["Dir"]
                )
            }
            _ => data["Payload"].to_string(),
        };
        let attempt = u32::try_from(number(&header["TestAttempt"])).unwrap();
        step.event(
            out,
            (EventSeq(number(&event["SequenceID"])), time(&event["EmitTime"]).unwrap(), attempt),
            target.as_deref(),
            (text(&data["EventName"]), Some(&payload)),
        );
    });
    out.push(b'}');
}

fn run(value: &Value, job: JobId, out: &mut Vec<u8>) {
    let run = RunAt { job, run: u32::try_from(value["RunID"].as_u64().unwrap()).unwrap() };
    run.open(out, time(&value["StartTime"]));
    list(&value["TestStatuses"], out, |value, out| {
        let test = TestAt::new(run, text(&value["TestName"]));
        test.open(out);
        for (i, value) in value["TestStepStatuses"].as_array().unwrap().iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            StepAt::new(&test, text(&value["TestStepName"]), text(&value["TestStepLabel"])).open(out);
            assert!(value["Events"].is_null());
            status::items().close(out);
            StepAt::targets(out);
            list(&value["TargetStatuses"], out, |value, out| visit(value, &test, out));
            out.push(b'}');
        }
        TestAt::targets(out);
        list(&value["TargetStatuses"], out, |value, out| visit(value, &test, out));
        out.push(b'}');
    });
    out.push(b'}');
}

fn report(value: &Value, job: JobId, out: &mut Vec<u8>) {
    let report = Report {
        run: value["RunID"].as_u64().map(|run| RunNumber(u32::try_from(run).unwrap())),
        reporter: text(&value["ReporterName"]).to_owned(),
        success: value["Success"].as_bool().unwrap(),
        data: RawJson(value["Data"].to_string()),
        error: None,
        neutral: None,
    };
    status::report(out, job, time(&value["ReportTime"]).unwrap(), &report);
}

#[test]
fn a_recorded_status_is_put_together_to_the_byte() {
    let mut compared = 0;
    for example in examples().into_iter().filter(|example| example.name == "status-1") {
        let reply: Value = serde_json::from_str(&example.body).unwrap();
        let value = &reply["Data"]["Status"];
        let job = JobId(value["JobReport"]["JobID"].as_u64().unwrap());
        let state: JobState = text(&value["State"]).parse().unwrap();
        let mut out = Vec::new();
        status::begin(
            &mut out,
            &Head {
                server: text(&reply["ServerID"]),
                name: text(&value["Name"]),
                state,
                error: None,
                started: time(&value["StartTime"]),
                ended: time(&value["EndTime"]),
            },
        );
        run(&value["RunStatus"], job, &mut out);
        status::middle(&mut out);
        list(&value["RunStatuses"], &mut out, |value, out| run(value, job, out));
        status::run_reports(&mut out, job);
        list(&value["JobReport"]["RunReports"], &mut out, |reports, out| {
            list(reports, out, |value, out| report(value, job, out));
        });
        status::final_reports(&mut out);
        list(&value["JobReport"]["FinalReports"], &mut out, |value, out| report(value, job, out));
        status::end(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), example.body);
        compared += 1;
    }
    assert!(compared <= 1);
}

#[test]
fn a_job_that_waits_reads_as_one_that_is_unknown_and_has_no_times() {
    let mut out = Vec::new();
    let head = Head {
        server: "labsrv",
        name: "a <b>",
        state: JobState::Queued,
        error: Some("not shown"),
        started: None,
        ended: None,
    };
    status::begin(&mut out, &head);
    status::items().close(&mut out);
    status::middle(&mut out);
    status::items().close(&mut out);
    status::run_reports(&mut out, JobId(3));
    status::items().close(&mut out);
    status::final_reports(&mut out);
    status::items().close(&mut out);
    status::end(&mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"ServerID\":\"labsrv\",\"Type\":\"ResponseTypeStatus\",\"Data\":{\"Status\":{\"Name\":\"a <b>\",\"State\":\"Unknown\",\
         \"StateErrMsg\":\"\",\"StartTime\":\"0001-01-01T00:00:00Z\",\"EndTime\":null,\"RunStatus\":null,\"RunStatuses\":null,\
         \"JobReport\":{\"JobID\":3,\"RunReports\":null,\"FinalReports\":null}}},\"Error\":null}\n"
    );
}
