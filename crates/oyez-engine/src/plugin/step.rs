//! A plugin as a step: one process for all targets of an attempt, started when the first of them comes.
//!
//! While it has no target inside and others wait for a process, it is told that there are no more targets and ends; if
//! more come after all, it is started again. So a step that waits for targets never keeps those from coming.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use oyez_model::Outcome;
use oyez_model::event::RawJson;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::manager::millis;
use super::parameters::Tree;
use super::protocol::{At, Resume, Role, Say};
use super::session::{Session, Start};
use super::shared::{Driving, ForVisit, Inside, Talk};
use super::talk;
use crate::plan::ExternalStep;
use crate::runner::Visit;
use crate::steps::{Resumption, TimedStep, Visited};
use crate::stop::Stop;
use crate::template::Functions;

/// A plugin says hello within this time.
pub(super) const HELLO: Duration = Duration::from_secs(10);

/// A step of a plan.
#[derive(Debug)]
pub(crate) struct PluginStep(Arc<Planned>);

#[derive(Debug)]
struct Planned {
    step: ExternalStep,
    parameters: Tree,
}

/// The same in one attempt.
#[derive(Debug)]
struct OpenStep {
    planned: Arc<Planned>,
    stage: tokio::sync::Mutex<Stage>,
    /// The process that runs, for who cannot wait.
    current: Mutex<Option<Arc<Talk>>>,
    /// Visits whose target has come in, or never will; and how many there are at all, once that is known.
    arrived: AtomicUsize,
    all: AtomicUsize,
}

#[derive(Debug)]
enum Stage {
    Idle,
    Running(Arc<Talk>),
    /// It did something wrong and is not started again.
    Broken(String),
}

impl PluginStep {
    pub(crate) fn new(step: &ExternalStep, functions: &Functions) -> Self {
        let parameters = Tree::new(&step.parameters, functions);
        PluginStep(Arc::new(Planned { step: step.clone(), parameters }))
    }
}

fn resumption(step: &ExternalStep) -> Resumption {
    match step.resume {
        Resume::Resumed => Resumption::Resumed,
        Resume::Repeated => Resumption::Repeated,
        Resume::Lost => Resumption::Lost,
    }
}

#[async_trait]
impl TimedStep for PluginStep {
    fn resumption(&self) -> Resumption {
        resumption(&self.0.step)
    }

    fn open(&self) -> Option<Arc<dyn TimedStep>> {
        Some(Arc::new(OpenStep {
            planned: self.0.clone(),
            stage: tokio::sync::Mutex::new(Stage::Idle),
            current: Mutex::default(),
            arrived: AtomicUsize::new(0),
            all: AtomicUsize::new(usize::MAX),
        }))
    }

    async fn run(&self, _visit: &mut Visit) -> Visited {
        let why = "the step was not opened; this is a fault of Oyez, please report it";
        Visited::Ended(Outcome::Errored, why.to_owned())
    }
}

/// A visit on its way in.
struct Arriving<'s>(&'s OpenStep);

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        self.0.arrived.fetch_add(1, Ordering::SeqCst);
        self.0.say_no_more();
    }
}

#[async_trait]
impl TimedStep for OpenStep {
    fn resumption(&self) -> Resumption {
        resumption(&self.planned.step)
    }

    fn no_more(&self, all: usize) {
        self.all.store(all, Ordering::SeqCst);
        self.say_no_more();
    }

    async fn close(&self) {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(talk) = current {
            talk.no_more();
            talk.finished().await;
        }
    }

    async fn run(&self, visit: &mut Visit) -> Visited {
        let arriving = Arriving(self);
        let deadline = visit.timeout.map(|[left, whole]| (Instant::now() + left.to_std(), whole));
        let parameters = match self.planned.parameters.expand(&visit.subject()) {
            Ok(parameters) => parameters,
            Err(e) => return Visited::Failed(e),
        };
        let can_halt = self.planned.step.resume != Resume::Lost;
        let entered = tokio::select! {
            biased;
            _ = visit.stopped() => return Visited::Stopped,
            () = visit.paused(), if can_halt => return Visited::Paused(visit.state.take()),
            entered = self.enter(visit, &parameters) => entered,
        };
        let (talk, inside) = match entered {
            Ok(entered) => entered,
            Err(visited) => return visited,
        };
        drop(arriving);
        stay(visit, &talk, inside, deadline).await
    }
}

/// A target is inside until its result comes.
async fn stay(
    visit: &mut Visit,
    talk: &Arc<Talk>,
    mut inside: Inside,
    deadline: Option<(Instant, crate::GoDuration)>,
) -> Visited {
    let (mut is_stopped, mut is_paused) = (false, false);
    loop {
        let late = async {
            match deadline {
                Some((deadline, timeout)) => {
                    tokio::time::sleep_until(deadline).await;
                    timeout
                }
                None => std::future::pending().await,
            }
        };
        let message = tokio::select! {
            biased;
            why = visit.stopped(), if !is_stopped => {
                is_stopped = true;
                talk.cancel(&why.text());
                continue;
            }
            _ = visit.killed() => {
                talk.kill();
                return Visited::Stopped;
            }
            () = visit.paused(), if !is_paused && !is_stopped => {
                is_paused = true;
                talk.pause();
                continue;
            }
            message = inside.next() => message,
            timeout = late, if !is_stopped => {
                return Visited::Failed(talk.tail.after(&Stop::TimedOut(timeout).text()));
            }
        };
        match message {
            Some(ForVisit::Log(text, level)) => visit.log_as(text, level).await,
            Some(ForVisit::Event(name, payload)) => {
                visit.event(&name, payload.map(|payload| RawJson(payload.get().to_owned()))).await;
            }
            Some(ForVisit::Variable(name, value)) => visit.emit(&name, value).await,
            Some(ForVisit::Out) => return Visited::Passed,
            Some(ForVisit::Err(_)) | None if is_stopped => return Visited::Stopped,
            Some(ForVisit::Err(error)) => return Visited::Failed(error),
            Some(ForVisit::Paused(state)) => return Visited::Paused(state.or_else(crate::steps::begun)),
            None => {
                let why = talk.over().await.err();
                let why = why.unwrap_or_else(|| "its process was ended".to_owned());
                return Visited::Ended(Outcome::Errored, why);
            }
        }
    }
}

impl OpenStep {
    /// Tells the process that no other target comes, once all have come in.
    fn say_no_more(&self) {
        if self.arrived.load(Ordering::SeqCst) >= self.all.load(Ordering::SeqCst) {
            let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(talk) = current {
                talk.no_more();
            }
        }
    }

    /// A target comes into the process that runs; starts one when none does.
    async fn enter(&self, visit: &Visit, parameters: &RawValue) -> Result<(Arc<Talk>, Inside), Visited> {
        let broken = |why: &str| Visited::Ended(Outcome::Errored, why.to_owned());
        // Before anything is done to the target, the journal says that it came in.
        if !visit.committed().await {
            return Err(Visited::Stopped);
        }
        let mut stage = self.stage.lock().await;
        let (talk, inside) = loop {
            let talk = match &*stage {
                Stage::Broken(why) => return Err(broken(why)),
                Stage::Idle => match self.start(visit).await {
                    Ok(talk) => {
                        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(talk.clone());
                        *stage = Stage::Running(talk.clone());
                        talk
                    }
                    Err(None) => return Err(Visited::Stopped),
                    Err(Some(why)) => {
                        let why = format!("test step {} returned error: {why}", visit.label);
                        *stage = Stage::Broken(why.clone());
                        drop(stage);
                        visit.test_error(&why).await;
                        return Err(broken(&why));
                    }
                },
                Stage::Running(talk) => talk.clone(),
            };
            if let Some(inside) = talk.enter(&visit.target.id) {
                break (talk, inside);
            }
            *stage = match talk.over().await {
                Ok(()) => Stage::Idle,
                Err(why) => Stage::Broken(why),
            };
        };
        drop(stage);
        let mut variables: BTreeMap<&str, BTreeMap<&str, &RawValue>> = BTreeMap::new();
        let known = visit.variables();
        for (label, name, value) in known.iter().flat_map(|known| known.iter()) {
            variables.entry(label).or_default().insert(name, value);
        }
        let message = Say::TargetIn {
            target: &visit.target,
            parameters,
            variables,
            began: visit.began,
            state: visit.state.as_deref(),
        };
        talk.input.send(&message).await.map_err(Visited::Failed)?;
        Ok((talk, inside))
    }

    /// Starts a process; `None` when the visit was stopped meanwhile.
    async fn start(&self, visit: &Visit) -> Result<Arc<Talk>, Option<String>> {
        let ExternalStep { plugin, resume, parameters } = &self.planned.step;
        let slot = visit.long_slot().await.ok_or(None)?;
        let desk = visit.desk();
        let program = plugin.executable.clone();
        let start = Start {
            program: program.clone(),
            cookie: desk.cookie(),
            grace: visit.grace(),
            limits: desk.limits(),
            log: Some(desk.output()),
            alive: Some(desk.alive()),
        };
        let started = Session::start(visit.pool(), slot, start);
        let mut session = started.map_err(|e| Some(format!("{} cannot be started: {e}", plugin.name)))?;
        talk::hello(&mut session, &program, Role::Step, HELLO).await.map_err(Some)?;
        let course = &visit.course;
        let at = At { job: &desk.job_uid(), run: course.run, test: &course.test, attempt: course.attempt };
        let timeout_ms = visit.timeout.map(|[_, whole]| millis(whole.to_std()));
        let begin =
            Say::Begin { at: &at, cleanup: course.is_cleanup, label: &visit.label, parameters, timeout_ms };
        session.input.send(&begin).await.map_err(Some)?;
        let driving = Driving {
            pool: visit.pool().clone(),
            desk,
            program,
            label: visit.label.clone(),
            resume: *resume,
            patience: visit.grace(),
        };
        Ok(Talk::start(session, driving))
    }
}

impl Drop for OpenStep {
    fn drop(&mut self) {
        if let Some(talk) = self.current.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nothing is killed that has ended in order.
            talk.kill();
        }
    }
}
