//! What a step does.

use std::collections::{BTreeMap, BTreeSet};

use oyez_model::Time;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::super::protocol::{At, Heard, Resume, Say};
use super::super::session::Session;
use super::{Kit, Tried};
use crate::target::Target;

/// What came for a target.
enum Came {
    Result,
    Paused(Option<Box<RawValue>>),
}

impl Kit<'_> {
    pub(super) async fn step(&mut self) {
        let asks = "each `target_in` is answered by one `target_out` or `target_err`; after `no_more_targets` it ends by itself";
        let tried = self.one_after_the_other().await;
        self.say("targets, one after the other", asks, tried);
        let tried = self.at_once().await;
        let asks = "targets may come at once, and their results in any order; each gets one result";
        self.say("targets, at once", asks, tried);
        let tried = self.none().await;
        self.say("no targets", "`no_more_targets` may come before any target; then it ends", tried);
        let tried = self.cancel_all().await;
        let asks = "`cancel` without `target` ends it, with results for its targets or without";
        self.say("cancel", asks, tried);
        let tried = self.cancel_one().await;
        let asks = "`cancel` with `target` gives that one up: it gets a result, and the others go on";
        self.say("cancel of one target", asks, tried);
        let tried = self.pause().await;
        let asks = "after `pause` each target gets `paused` or a result, and it ends; `paused` only when `resume` is not `lost`";
        self.say("pause", asks, tried);
        let tried = self.resume().await;
        self.say("resume", "a target that was paused comes again with its `state`, and gets a result", tried);
    }

    /// Started, with an attempt begun.
    async fn begun(&self) -> Result<Session, String> {
        let session = self.bench.open().await?;
        let at = At { job: "00000000-0000-7000-8000-000000000000", run: 1, test: "conformance", attempt: 0 };
        let parameters = &self.bench.parameters;
        let begin = Say::Begin { at: &at, cleanup: false, label: "kit", parameters, timeout_ms: None };
        self.bench.send(&session, &begin).await?;
        Ok(session)
    }

    async fn target_in(&self, session: &Session, id: &str, state: Option<&RawValue>) -> Result<(), String> {
        let target = Target { id: id.to_owned(), fqdn: format!("{id}.example.org"), ..Target::default() };
        let message = Say::TargetIn {
            target: &target,
            parameters: &self.bench.parameters,
            variables: BTreeMap::new(),
            began: Time(1_795_193_683_019_000_000),
            state,
        };
        self.bench.send(session, &message).await
    }

    /// Hears until these targets have their results; says what came for each.
    async fn results(
        &self,
        session: &mut Session,
        ids: &[&str],
        may_pause: bool,
    ) -> Result<BTreeMap<String, Came>, String> {
        let result = self.hear_results(session, ids, may_pause).await;
        match result {
            Ok(came) => Ok(came),
            Err(why) => Err(session.wrong(&why).await),
        }
    }

    async fn hear_results(
        &self,
        session: &mut Session,
        ids: &[&str],
        may_pause: bool,
    ) -> Result<BTreeMap<String, Came>, String> {
        let mut came = BTreeMap::new();
        let mut missing: BTreeSet<&str> = ids.iter().copied().collect();
        let until = Instant::now() + self.bench.patience;
        while let Some(next) = missing.first() {
            let what = format!("result for {next}");
            let Some(message) = self.bench.read(session, &what, until).await? else {
                return Err(format!("it ended, where a {what} was expected"));
            };
            let (target, result) = match message {
                Heard::Log { target: None, .. } => continue,
                Heard::Log { target: Some(target), .. }
                | Heard::Event { target, .. }
                | Heard::Variable { target, .. } => (target, None),
                Heard::TargetOut { target } | Heard::TargetErr { target, .. } => (target, Some(Came::Result)),
                Heard::Paused { .. } if !may_pause => {
                    return Err("it wrote `paused`, which nobody asked for".to_owned());
                }
                Heard::Paused { .. } if self.bench.resume == Resume::Lost => {
                    return Err(
                        "it wrote `paused`, though its `hello` does not say that it can resume".to_owned()
                    );
                }
                Heard::Paused { target, state } => (target, Some(Came::Paused(state))),
                other => {
                    return Err(format!("it wrote a message `{}`, which is none of a step's", other.kind()));
                }
            };
            if !ids.contains(&target.as_str()) {
                return Err(format!("it wrote of target {target}, which it was not given"));
            }
            if !missing.contains(target.as_str()) {
                return Err(format!("it wrote again of target {target}, which had its result"));
            }
            if let Some(result) = result {
                missing.remove(target.as_str());
                came.insert(target, result);
            }
        }
        Ok(came)
    }

    async fn one_after_the_other(&mut self) -> Tried {
        let mut session = self.begun().await?;
        for id in ["kit-1", "kit-2"] {
            self.target_in(&session, id, None).await?;
            self.results(&mut session, &[id], false).await?;
        }
        self.bench.send(&session, &Say::NoMoreTargets {}).await?;
        self.bench.ends(&mut session).await.map(|()| None)
    }

    async fn at_once(&mut self) -> Tried {
        let mut session = self.begun().await?;
        let ids = ["kit-1", "kit-2", "kit-3"];
        for id in ids {
            self.target_in(&session, id, None).await?;
        }
        self.bench.send(&session, &Say::NoMoreTargets {}).await?;
        self.results(&mut session, &ids, false).await?;
        self.bench.ends(&mut session).await.map(|()| None)
    }

    async fn none(&mut self) -> Tried {
        let mut session = self.begun().await?;
        self.bench.send(&session, &Say::NoMoreTargets {}).await?;
        self.bench.ends(&mut session).await.map(|()| None)
    }

    async fn cancel_all(&mut self) -> Tried {
        let mut session = self.begun().await?;
        for id in ["kit-1", "kit-2"] {
            self.target_in(&session, id, None).await?;
        }
        self.bench.send(&session, &Say::Cancel { target: None, reason: "the kit tries it" }).await?;
        let until = Instant::now() + self.bench.patience;
        loop {
            match self.bench.read(&mut session, "end of it", until).await {
                Ok(None) => return Ok(None),
                Ok(Some(_)) => {}
                Err(why) => return Err(session.wrong(&why).await),
            }
        }
    }

    async fn cancel_one(&mut self) -> Tried {
        let mut session = self.begun().await?;
        for id in ["kit-1", "kit-2"] {
            self.target_in(&session, id, None).await?;
        }
        let cancel = Say::Cancel { target: Some("kit-1"), reason: "the kit tries it" };
        self.bench.send(&session, &cancel).await?;
        self.bench.send(&session, &Say::NoMoreTargets {}).await?;
        self.results(&mut session, &["kit-1", "kit-2"], false).await?;
        self.bench.ends(&mut session).await.map(|()| None)
    }

    /// Pauses with one target inside; what came for it.
    async fn paused(&mut self) -> Result<Came, String> {
        let mut session = self.begun().await?;
        self.target_in(&session, "kit-1", None).await?;
        self.bench.send(&session, &Say::Pause {}).await?;
        let mut came = self.results(&mut session, &["kit-1"], true).await?;
        self.bench.ends(&mut session).await?;
        Ok(came.remove("kit-1").unwrap_or(Came::Result))
    }

    async fn pause(&mut self) -> Tried {
        self.paused().await.map(|_| None)
    }

    async fn resume(&mut self) -> Tried {
        if self.bench.resume == Resume::Lost {
            return Ok(Some("its `hello` says that it cannot resume".to_owned()));
        }
        let Came::Paused(state) = self.paused().await? else {
            return Ok(Some("its target came to its end before it could be paused".to_owned()));
        };
        let state = state.filter(|_| self.bench.resume == Resume::Resumed);
        let mut session = self.begun().await?;
        self.target_in(&session, "kit-1", state.as_deref()).await?;
        self.bench.send(&session, &Say::NoMoreTargets {}).await?;
        self.results(&mut session, &["kit-1"], false).await?;
        self.bench.ends(&mut session).await.map(|()| None)
    }
}
