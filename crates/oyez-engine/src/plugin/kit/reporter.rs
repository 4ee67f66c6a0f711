//! What a reporter does.

use serde_json::json;
use serde_json::value::{RawValue, to_raw_value};
use tokio::time::Instant;

use super::super::manager::millis;
use super::super::protocol::{Heard, Say};
use super::{Kit, Tried};

/// It may ask for so many pages.
const PAGES: usize = 100;

impl Kit<'_> {
    pub(super) async fn reporter(&mut self) {
        let asks = "`report` is answered by any number of `query`, each answered by `events`, and one `report` with `success`";
        let tried = self.report(Some(1)).await;
        self.say("report on a run", asks, tried);
        let tried = self.report(None).await;
        self.say("report on the job", "without `run` it is about all runs; all else is the same", tried);
    }

    async fn report(&mut self, run: Option<u32>) -> Tried {
        let mut session = self.bench.open().await?;
        let status = match run {
            Some(run) => json!({"run": run, "tests": [
                {"name": "conformance", "index": 0, "succeeded": 1, "total": 2, "acquire_error": null}
            ]}),
            None => json!({"runs": 2, "tests": [
                {"name": "conformance", "index": 0, "runs": 2, "succeeded": 2.0, "percent": 100.0, "without_targets": 0}
            ]}),
        };
        let message = Say::Report {
            job: "00000000-0000-7000-8000-000000000000",
            run,
            parameters: &self.bench.parameters,
            status: &status,
            timeout_ms: millis(self.bench.patience),
        };
        self.bench.send(&session, &message).await?;
        let until = Instant::now() + self.bench.patience;
        for page in 0..PAGES {
            let heard = loop {
                match self.bench.read(&mut session, "`report`", until).await {
                    Ok(Some(Heard::Log { .. })) => {}
                    Ok(heard) => break Ok(heard),
                    Err(why) => break Err(why),
                }
            };
            let why = match heard {
                Ok(Some(Heard::Report { .. })) => {
                    session.close(self.bench.patience).await;
                    return Ok(None);
                }
                Ok(Some(Heard::Query(query))) => {
                    // One page with an event, and an empty one after it.
                    let (events, next) = match query.after {
                        0 => (vec![event(page as u64 + 1)], Some(page as u64 + 1)),
                        _ => (Vec::new(), None),
                    };
                    self.bench.send(&session, &Say::Events { events, next }).await?;
                    continue;
                }
                Ok(Some(other)) => {
                    format!("it wrote a message `{}`, where `report` was expected", other.kind())
                }
                Ok(None) => "it ended, where `report` was expected".to_owned(),
                Err(why) => why,
            };
            return Err(session.wrong(&why).await);
        }
        Err(session.wrong(&format!("it asked for {PAGES} pages, though the second one is the last")).await)
    }
}

/// An event of a target that failed.
fn event(seq: u64) -> Box<RawValue> {
    let event = json!({
        "seq": seq, "time": "2026-11-20T16:53:21Z", "name": "TargetErr", "run": 1, "test": "conformance", "attempt": 0,
        "target": "kit-1", "label": "kit", "payload": {"Error": "exit status 1"},
    });
    to_raw_value(&event).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
