//! What processes print.

use std::sync::Arc;

use oyez_engine::{Control, EngineOptions};
use oyez_model::event::Stream;
use oyez_model::{EventBody, JobState};
use serde_json::json;

use super::lab::{Lab, Ran, Watcher, fifo, job, shell, test, write};

/// All that is kept of a stream: in place, then in blobs; and the length of each blob.
async fn all(lab: &Lab, ran: &Ran, stream: Stream) -> (Vec<u8>, Vec<usize>) {
    let (mut out, mut lengths) = (ran.text(stream), Vec::new());
    for event in &ran.events {
        if let EventBody::Artifact(e) = &event.body
            && e.rest_of == Some(stream)
        {
            let blob = lab.store.get_blob(e.blob).await.unwrap();
            assert_eq!(blob.len() as u64, e.size);
            lengths.push(blob.len());
            out.extend_from_slice(&blob);
        }
    }
    (out, lengths)
}

fn numbers(to: u32) -> Vec<u8> {
    (1..=to).flat_map(|n| format!("{n}\n").into_bytes()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_output_is_kept_to_the_byte_in_place_and_in_blobs() {
    for lab in [Lab::new(), Lab::on_disk()] {
        let script = "seq 1 1500000; seq 1 10 >&2";
        let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", script)])])).await;
        let (out, lengths) = all(&lab, &ran, Stream::Stdout).await;
        assert!(out == numbers(1_500_000), "{} bytes", out.len());
        assert_eq!(ran.text(Stream::Stdout).len(), 64 << 10);
        assert!(lengths.iter().all(|length| *length <= 8 << 20), "{lengths:?}");
        assert_eq!(all(&lab, &ran, Stream::Stderr).await.0, numbers(10));
        assert_eq!((ran.count("output_dropped"), ran.row.complete.as_str()), (0, "yes"));
    }
}

#[tokio::test]
async fn what_is_beyond_all_limits_is_counted_and_makes_the_job_incomplete() {
    let limits = EngineOptions { output_limit: 1000, blob_limit: 50_000, ..EngineOptions::default() };
    let lab = Lab::with(limits);
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![shell("s", "seq 1 100000")])])).await;
    let (out, _) = all(&lab, &ran, Stream::Stdout).await;
    let expected = numbers(100_000);
    assert_eq!(out, expected[..51_000]);
    let dropped = ran.events.iter().find_map(|event| match &event.body {
        EventBody::OutputDropped(e) => Some(e.bytes),
        _ => None,
    });
    assert_eq!(dropped, Some(expected.len() as u64 - 51_000));
    assert_eq!((ran.end.state, ran.row.complete.as_str()), (JobState::Completed, "no"));
}

#[tokio::test]
async fn bytes_that_are_no_text_stay_as_they_are() {
    let lab = Lab::new();
    let mut step = shell("s", "printf 'a\\377\\376b\\n'; printf '\\200' >&2");
    step["parameters"]["emit_stdout"] = json!([true]);
    step["parameters"]["emit_stderr"] = json!([true]);
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![step])])).await;
    assert_eq!(ran.text(Stream::Stdout), b"a\xff\xfeb\n");
    assert_eq!(ran.text(Stream::Stderr), b"\x80");
    let payloads = ran.events.iter().filter_map(|event| match &event.body {
        EventBody::Named(e) if e.name.starts_with("CmdStd") => Some(e.payload.clone().unwrap().0),
        _ => None,
    });
    let payloads: Vec<_> = payloads.collect();
    assert_eq!(payloads, [r#"{"Msg":"a\ufffd\ufffdb\n"}"#, r#"{"Msg":"\ufffd"}"#]);
}

#[tokio::test]
async fn lines_are_recorded_while_the_process_runs_and_many_of_them_together() {
    let lab = Lab::new();
    let go = lab.path("go");
    fifo(&go);
    let script = format!("echo early; read x < {}; seq 1 2000", go.display());
    let job = job(vec![test("A", &["T1"], vec![shell("s", &script)])]);
    let watcher = Arc::new(Watcher::default());
    let tell = async {
        watcher.until("log_text", 1).await;
        write(go.clone(), "go\n").await;
    };
    let (ran, ()) = tokio::join!(lab.run_watched(&job, Control::new(), watcher.clone()), tell);
    let expected = [b"early\n".to_vec(), numbers(2000)].concat();
    assert_eq!(ran.text(Stream::Stdout), expected);
    assert!(ran.count("log_text") < 20, "{}", ran.count("log_text"));
}

#[tokio::test]
async fn a_message_that_is_too_long_is_cut_and_that_is_said() {
    let lab = Lab::new();
    let mut step = shell("s", "head -c 1500000 /dev/zero");
    step["parameters"]["emit_stdout"] = json!([true]);
    let ran = lab.run(&job(vec![test("A", &["T1"], vec![step])])).await;
    assert_eq!(all(&lab, &ran, Stream::Stdout).await.0.len(), 1_500_000);
    let log = String::from_utf8(ran.text(Stream::Log)).unwrap();
    assert_eq!(log, "CmdStdout leaves out the last 451424 bytes; the output itself has them\n");
}
