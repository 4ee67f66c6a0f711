//! Seeds for the formats that are our own, made by the code as it stands, so that they never fall behind it.

use std::path::PathBuf;

use oyez_model::event::{
    JobStateChanged, JobSubmitted, LogText, ProducerJoined, ProducerLeft, RawJson, RecordWriter, Report,
    RunStarted, RunStopped, SectionDetail, SectionStarted, SectionStopped, SourceCut, Stream, TargetAcquired,
    TargetErr, TargetIn, TargetOut, TargetReleased, TestStarted, TestStopped, VariableEmitted, encode_body,
};
use oyez_model::{
    Changes, Event, EventBody, EventNumber, EventSeq, JobSource, JobState, JobUid, Live, Outcome, ProducerId,
    RunNumber, SectionId, SectionRef, Segment, Time, Value,
};

/// Writes the seeds of one target into the folder that `OYEZ_FUZZ_SEEDS` names; does nothing without it.
pub fn write(target: &str) {
    let Some(folder) = std::env::var_os("OYEZ_FUZZ_SEEDS").map(PathBuf::from) else { return };
    let seeds = match target {
        "records" => chunks(),
        "rows" => rows(),
        "value" => values(),
        _ => checkpoints(),
    };
    std::fs::create_dir_all(&folder).expect("the folder for seeds can be made");
    for (i, seed) in seeds.iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{i:02}")), seed).expect("a seed can be written");
    }
}

/// One job with something of everything.
fn job() -> Vec<Event> {
    let own = SectionRef::own;
    let target = |id: &str| oyez_model::event::Target { id: id.to_owned(), ..Default::default() };
    let state = |state| JobStateChanged { state, error: None }.into();
    let submitted = JobSubmitted {
        uid: JobUid::from_bytes([7; 16]),
        name: "seed".to_owned(),
        requestor: "me".to_owned(),
        source: JobSource::default(),
        tags: vec!["a".to_owned()],
        guids: Vec::new(),
        project: Some("p".to_owned()),
        variant: Default::default(),
        host: None,
        server_id: None,
        priority: None,
        request: Some("{}".to_owned()),
        extended: Some(RawJson("{}".to_owned())),
        command: None,
        version: None,
    };
    let joined = ProducerJoined { pid: Some(1), ppid: None, host: None, program: None, forked_from: None };
    let test = TestStarted {
        id: 2,
        parent: own(1),
        name: "t".to_owned(),
        index: 0,
        attempt: 0,
        planned: Some(2),
        cleanup: None,
        suite: None,
        variant: None,
        began: None,
        ..Default::default()
    };
    let section = SectionStarted {
        id: 7,
        parent: own(2),
        r#type: "Testcase".to_owned(),
        name: "c".to_owned(),
        began: Some(5),
        description: None,
        source: None,
        parameters: Some(all_values()),
        extra: None,
        peer_id: None,
        ..Default::default()
    };
    let stopped = SectionStopped {
        id: own(7),
        outcome: Some(Outcome::Failed),
        reason: Some("why".to_owned()),
        data: None,
        rollup: None,
        ended: None,
        ..Default::default()
    };
    let text = LogText { id: own(4), stream: Stream::Stdout, text: b"hello\n".to_vec().into(), level: None };
    let report = Report {
        run: Some(RunNumber(1)),
        reporter: "TargetSuccess".to_owned(),
        success: false,
        data: RawJson("[]".to_owned()),
        error: None,
        neutral: None,
    };
    let value = RawJson("1".to_owned());
    let bodies: Vec<EventBody> = vec![
        submitted.into(),
        joined.into(),
        state(JobState::Started),
        RunStarted { id: 1, run: RunNumber(1), planned: Some(1) }.into(),
        test.into(),
        TargetAcquired { id: 3, test: own(2), target: target("T1") }.into(),
        TargetIn { id: 4, target: own(3), label: "s1".to_owned(), step: "Cmd".to_owned() }.into(),
        text.into(),
        VariableEmitted { id: own(4), name: "v".to_owned(), value }.into(),
        TargetOut { id: own(4) }.into(),
        TargetReleased { id: own(3) }.into(),
        TargetAcquired { id: 5, test: own(2), target: target("T2") }.into(),
        TargetIn { id: 6, target: own(5), label: "s1".to_owned(), step: "Cmd".to_owned() }.into(),
        TargetErr { id: own(6), error: "exit status 1".to_owned(), outcome: None }.into(),
        section.into(),
        SectionDetail { id: own(7), detail: all_values() }.into(),
        stopped.into(),
        SourceCut { id: own(2), reason: "cut".to_owned() }.into(),
        TestStopped {
            id: own(2),
            outcome: None,
            reason: None,
            retried: None,
            ended: None,
            ..Default::default()
        }
        .into(),
        RunStopped { id: own(1), outcome: None }.into(),
        report.into(),
        ProducerLeft {}.into(),
        state(JobState::Completed),
    ];
    let event = |(i, body)| Event {
        producer: ProducerId::FIRST,
        number: EventNumber(i as u64 + 1),
        time: Time(1_700_000_000_000_000_000 + i as i64),
        body,
    };
    bodies.into_iter().enumerate().map(event).collect()
}

fn chunk(events: &[Event]) -> Vec<u8> {
    let mut writer = RecordWriter::new();
    let mut body = Vec::new();
    for event in events {
        body.clear();
        encode_body(&event.body, &mut body);
        writer.push(event.producer, event.number, event.time, event.body.kind(), &body);
    }
    writer.take()
}

fn chunks() -> Vec<Vec<u8>> {
    let events = job();
    let mut out: Vec<_> = events.iter().map(|event| chunk(std::slice::from_ref(event))).collect();
    out.push(chunk(&events));
    out
}

/// The live state after each event, and all rows that left on the way.
fn folded() -> (Vec<Live>, Vec<Vec<u8>>) {
    let (mut live, mut lives, mut rows) = (Live::new(), Vec::new(), Vec::new());
    let mut changes = Changes::default();
    for (i, event) in job().iter().enumerate() {
        live.apply(EventSeq(i as u64 + 1), event, &(), &mut changes);
        rows.extend(changes.nodes.iter().map(|row| row.pack(live.epoch())));
        rows.extend(changes.segments.iter().map(|segment| segment.data.clone()));
        changes.clear();
        rows.extend(live.open_rows().map(|row| row.pack(live.epoch())));
        lives.push(live.clone());
    }
    (lives, rows)
}

fn checkpoints() -> Vec<Vec<u8>> {
    folded().0.iter().map(Live::checkpoint).collect()
}

fn rows() -> Vec<Vec<u8>> {
    let mut rows = folded().1;
    let node = |number| SectionId { producer: ProducerId::FIRST, number };
    rows.push(Segment::of_children(node(1), 0, &[node(2), node(3), node(900)]).data);
    rows.sort();
    rows.dedup();
    rows.truncate(60);
    rows
}

fn all_values() -> Value {
    let text = |text: &str| Value::Text(text.to_owned());
    Value::Map(vec![
        (text("null"), Value::Null),
        (Value::Int(-3), Value::Bool(true)),
        (text("float"), Value::Float(f64::NAN)),
        (text("bytes"), Value::Bytes(vec![0, 255])),
        (text("lone"), Value::Surrogates(vec![0xed, 0xa0, 0x80])),
        (text("list"), Value::List(vec![Value::Int(1), Value::Tuple(vec![]), Value::Set(vec![text("x")])])),
        (
            text("big"),
            Value::Big(oyez_model::value::BigInt {
                negative: true,
                magnitude: vec![1, 0, 0, 0, 0, 0, 0, 0, 0],
            }),
        ),
        (
            text("opaque"),
            Value::Opaque(Box::new(oyez_model::value::Opaque {
                module: "m".to_owned(),
                name: "C".to_owned(),
                args: vec![Value::Int(1)],
                state: Some(text("s")),
                items: vec![Value::Int(2)],
                ..Default::default()
            })),
        ),
    ])
}

fn values() -> Vec<Vec<u8>> {
    let Value::Map(pairs) = all_values() else { return Vec::new() };
    let parts = pairs.into_iter().map(|(_, value)| value).chain([all_values()]);
    let mut out: Vec<Vec<u8>> = parts.filter_map(|value| minicbor::to_vec(&value).ok()).collect();
    // [civil time, offset, zone] under our tag for dates.
    out.push(
        [&[0xd9, 0x9c, 0xa7, 0x83, 0x73][..], b"2026-01-02T03:04:05", &[0x19, 0x0e, 0x10, 0xf6]].concat(),
    );
    out
}
