//! What a target manager does.

use serde_json::value::RawValue;

use super::super::manager::{millis, read};
use super::super::protocol::{At, Heard, Say};
use super::{Kit, Tried};
use crate::target::Target;

const AT: At<'static> =
    At { job: "00000000-0000-7000-8000-000000000000", run: 1, test: "conformance", attempt: 0 };

impl Kit<'_> {
    pub(super) async fn manager(&mut self) {
        let mut targets = Vec::new();
        let tried = self.acquire(&mut targets).await;
        let asks = "`acquire` is answered by `targets`, each with an `ID`, or by `error`; then it ends with its input";
        self.say("acquire", asks, tried);
        let tried = self.release(&targets).await;
        let asks = "`release` is answered by `released` or `error`; a process of its own is started for it";
        self.say("release", asks, tried);
    }

    async fn acquire(&mut self, found: &mut Vec<Target>) -> Tried {
        let mut session = self.bench.open().await?;
        let timeout_ms = millis(self.bench.patience);
        let parameters = &self.bench.parameters;
        let message = Say::Acquire { at: &AT, parameters, timeout_ms, busy: vec!["kit-busy".to_owned()] };
        self.bench.send(&session, &message).await?;
        let mut refused = None;
        loop {
            match self.bench.next(&mut session, "`targets`").await? {
                Heard::Log { .. } => {}
                Heard::Targets { targets, more, .. } => {
                    for (n, raw) in targets.iter().enumerate() {
                        match read(raw) {
                            Ok(target) => found.push(target),
                            Err(why) => return Err(session.wrong(&format!("target {}: {why}", n + 1)).await),
                        }
                    }
                    if !more {
                        break;
                    }
                }
                Heard::Error { message } => {
                    refused =
                        Some(format!("it handed out nothing: {message}; --parameters says what it needs"));
                    break;
                }
                other => {
                    let why = format!("it wrote a message `{}`, where `targets` was expected", other.kind());
                    return Err(session.wrong(&why).await);
                }
            }
        }
        self.closes(session).await?;
        Ok(refused)
    }

    async fn release(&mut self, targets: &[Target]) -> Tried {
        let mut session = self.bench.open().await?;
        let timeout_ms = millis(self.bench.patience);
        let none = RawValue::NULL;
        let made_up = Target { id: "kit-1".to_owned(), ..Target::default() };
        let targets: Vec<&Target> =
            if targets.is_empty() { vec![&made_up] } else { targets.iter().collect() };
        let message = Say::Release { at: &AT, parameters: none, timeout_ms, targets: &targets };
        self.bench.send(&session, &message).await?;
        loop {
            match self.bench.next(&mut session, "`released`").await? {
                Heard::Log { .. } => {}
                Heard::Released {} | Heard::Error { .. } => break,
                other => {
                    let why = format!("it wrote a message `{}`, where `released` was expected", other.kind());
                    return Err(session.wrong(&why).await);
                }
            }
        }
        self.closes(session).await?;
        Ok(None)
    }

    async fn closes(&self, session: super::super::session::Session) -> Result<(), String> {
        let tail = session.tail.clone();
        let (end, by_itself) = session.close(self.bench.patience).await;
        match (by_itself, end.exit.is_success()) {
            (true, true) => Ok(()),
            (true, false) => Err(tail.after(&format!("it ended: {}", end.exit))),
            (false, _) => Err("it did not end when its input ended".to_owned()),
        }
    }
}
