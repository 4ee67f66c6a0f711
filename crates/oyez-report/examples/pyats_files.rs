//! How long pyATS's files take: a report of `sections` sections (nested: test cases of nine, or all of them under one
//! task) is folded from events and each file is written.
//!
//! `cargo run --release -p oyez-report --example pyats_files -- 100000 [flat]`

use std::io::{self, Write};
use std::time::Instant;

use oyez_model::event::{
    ContextClosed, ContextOpened, EventBody, LogSpan, SectionStarted, SectionStopped, SectionUpdated,
    TestStarted, TestStopped,
};
use oyez_model::{Outcome, ProducerId, SectionRef, Value};
use oyez_report::pyats;
use oyez_wire::pyats::import::{self, Format};
use oyez_wire::pyats::tree::Tree;

struct Count(u64);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn map(pairs: &[(&str, Value)]) -> Option<Value> {
    Some(Value::Map(pairs.iter().map(|(k, v)| (Value::text(*k), v.clone())).collect()))
}

fn start(id: u64, parent: u64, kind: &str) -> EventBody {
    SectionStarted {
        id,
        parent: SectionRef::own(parent),
        r#type: kind.to_owned(),
        name: format!("step number {id}"),
        peer_id: Some(format!("STEP {id}")),
        description: Some("what it does".to_owned()),
        extra: map(&[("continue_", false.into())]),
        peer: map(&[(
            "xref",
            map(&[("file", "/jobs/script.py".into()), ("line", 12.into())]).unwrap_or(Value::Null),
        )]),
        ..Default::default()
    }
    .into()
}

fn stop(id: u64) -> EventBody {
    let span = LogSpan {
        file: "TaskLog.T".into(),
        begin: id * 100,
        begin_lines: Some(id),
        size: Some(90),
        size_lines: Some(1),
    };
    SectionStopped {
        id: SectionRef::own(id),
        outcome: Some(Outcome::Passed),
        span: Some(span),
        ..Default::default()
    }
    .into()
}

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let sections: u64 = args.next().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let flat = args.next().is_some();
    let mut tree = Tree::new();
    let mut now = 1_795_168_800_123_456_000;
    let began = Instant::now();
    let mut apply = |body: EventBody| {
        now += 1_234_000;
        tree.apply_body(ProducerId(1), now, &body);
    };
    let root = SectionRef::default();
    apply(SectionUpdated { peer: map(&[("id", "J".into())]), ..Default::default() }.into());
    apply(ContextOpened { id: root, ..Default::default() }.into());
    apply(
        TestStarted {
            id: 1,
            parent: root,
            name: "T".into(),
            peer_id: Some("T".into()),
            ..Default::default()
        }
        .into(),
    );
    apply(ContextOpened { id: SectionRef::own(1), ..Default::default() }.into());
    let mut id = 2;
    while id < sections + 2 {
        if flat {
            apply(start(id, 1, "Testcase"));
            apply(stop(id));
            id += 1;
            continue;
        }
        let case = id;
        apply(start(case, 1, "Testcase"));
        for step in case + 1..case + 10 {
            apply(start(step, case, "TestSection"));
            apply(stop(step));
        }
        apply(stop(case));
        id += 10;
    }
    apply(TestStopped { id: SectionRef::own(1), ..Default::default() }.into());
    apply(ContextClosed { id: root, ..Default::default() }.into());
    println!("{:>8.3} s  {} sections folded", began.elapsed().as_secs_f64(), tree.len());
    memory("tree");
    type Files = [(&'static str, fn(&Tree, &mut dyn Write) -> io::Result<()>); 4];
    let files: Files = [
        ("results.json", pyats::json),
        ("results.yaml", pyats::yaml),
        ("ResultsDetails.xml", pyats::details_xml),
        ("ResultsSummary.xml", pyats::summary_xml),
    ];
    for (name, write) in files {
        let (began, mut to) = (Instant::now(), Count(0));
        write(&tree, &mut to)?;
        println!("{:>8.3} s  {name}: {} bytes", began.elapsed().as_secs_f64(), to.0);
    }
    memory("files");
    for (format, write) in
        [(Format::Json, pyats::json as fn(&Tree, &mut dyn Write) -> _), (Format::Yaml, pyats::yaml)]
    {
        let mut text = Vec::new();
        write(&tree, &mut text)?;
        let (began, mut events) = (Instant::now(), 0u64);
        let found = import::read(&text, format, 1, &mut |_, _| events += 1).map_err(io::Error::other)?;
        println!(
            "{:>8.3} s  {format:?} read: {} objects, {events} events",
            began.elapsed().as_secs_f64(),
            found.objects
        );
    }
    Ok(())
}

/// What the process takes, where the system tells.
fn memory(when: &str) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if let Some(line) = status.lines().find(|line| line.starts_with("VmRSS")) {
        println!("            {when}: {}", line.trim_start_matches("VmRSS:").trim());
    }
}
