//! A process that the targets of an attempt share: who is inside, and what comes for whom.
//!
//! One task, [`drive`], hears the process and hands each message to the visit that it is about. It alone says what the
//! process did wrong; whatever that is, the process is ended and every target that is inside hears why.

use std::collections::{HashMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::value::RawValue;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::protocol::{Heard, LONGEST_NAME, MOST_BYTES, MOST_MESSAGES, Resume, Say};
use super::session::{Input, Next, Session, Tail, end_text};
use super::talk::{said, too_long};
use crate::process::{Exit, ProcessPool};
use crate::runner::Desk;
use crate::stop::{Scope, Stop};
use crate::template::check_identifier;

/// Messages about one target that wait to be taken.
const WAITING: usize = 16;
/// The targets that are named in one text.
const NAMED: usize = 10;
/// Names of events that are Oyez's own: who reads a journal relies on them.
const RESERVED: [&str; 9] = [
    "TargetAcquired",
    "TargetAcquireErr",
    "TargetReleased",
    "TargetIn",
    "TargetInErr",
    "TargetOut",
    "TargetErr",
    "TestError",
    "VariableEmitted",
];

/// What a visit hears.
#[derive(Debug)]
pub(super) enum ForVisit {
    Log(String, Option<String>),
    Event(String, Option<Box<RawValue>>),
    Variable(String, Box<RawValue>),
    Out,
    Err(String),
    Paused(Option<Box<RawValue>>),
}

impl ForVisit {
    fn is_result(&self) -> bool {
        matches!(self, ForVisit::Out | ForVisit::Err(_) | ForVisit::Paused(_))
    }
}

/// What visits and the driver share.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) input: Input,
    pub(super) tail: Tail,
    scope: Scope,
    state: Mutex<State>,
    /// The state has changed.
    wake: Notify,
    /// How it ended, once that is known.
    over: watch::Sender<Option<Result<(), String>>>,
    /// Its process has ended, and nobody drives it any more.
    finished: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    targets: HashMap<String, Standing>,
    /// Those that were given up, in the order in which that was; some have their results by now.
    given_up: VecDeque<(Instant, String)>,
    inside: usize,
    /// When the last one left.
    left: Option<Instant>,
    /// It was told to end; no other target is sent to it.
    closing: Option<Closing>,
    is_paused: bool,
}

impl State {
    /// Of those that were given up and have no result yet, the first.
    fn first_given_up(&mut self) -> Option<(Instant, String)> {
        loop {
            let (since, id) = self.given_up.front()?;
            if matches!(self.targets.get(id), Some(Standing::GivenUp)) {
                return Some((*since, id.clone()));
            }
            self.given_up.pop_front();
        }
    }

    /// One that was inside is not any more.
    fn leave(&mut self) {
        self.inside -= 1;
        self.left = Some(Instant::now());
    }
}

#[derive(Clone, Copy, Debug)]
struct Closing {
    since: Instant,
    is_cancelled: bool,
}

#[derive(Debug)]
enum Standing {
    Inside {
        to: mpsc::Sender<ForVisit>,
        messages: u64,
        bytes: u64,
    },
    /// Nobody waits for it any more; the plugin was told so then.
    GivenUp,
    Done,
}

/// A target that is inside; given up when it is dropped before its result came.
#[derive(Debug)]
pub(super) struct Inside {
    talk: Arc<Talk>,
    id: String,
    from: mpsc::Receiver<ForVisit>,
}

/// What a driver needs besides the session.
pub(super) struct Driving {
    pub(super) pool: Arc<ProcessPool>,
    pub(super) desk: Desk,
    pub(super) program: PathBuf,
    pub(super) label: String,
    pub(super) resume: Resume,
    /// How long it has to do what it was told: to give a target up, to end.
    pub(super) patience: Duration,
}

impl Talk {
    /// A session becomes one that targets share; it is driven by a task of its own.
    pub(super) fn start(session: Session, driving: Driving) -> Arc<Talk> {
        let talk = Arc::new(Talk {
            input: session.input.clone(),
            tail: session.tail.clone(),
            scope: session.scope.clone(),
            state: Mutex::default(),
            wake: Notify::new(),
            over: watch::Sender::new(None),
            finished: watch::Sender::new(false),
        });
        tokio::spawn(drive(session, talk.clone(), driving));
        talk
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A target is about to come in; `None` when none can any more.
    pub(super) fn enter(self: &Arc<Self>, id: &str) -> Option<Inside> {
        let mut state = self.lock();
        if state.closing.is_some() || self.over.borrow().is_some() {
            return None;
        }
        let (to, from) = mpsc::channel(WAITING);
        state.targets.insert(id.to_owned(), Standing::Inside { to, messages: 0, bytes: 0 });
        state.inside += 1;
        Some(Inside { talk: self.clone(), id: id.to_owned(), from })
    }

    fn close(&self, message: &Say<'_>, is_cancelled: bool) {
        let mut state = self.lock();
        let before = state.closing;
        if before.is_none_or(|closing| is_cancelled && !closing.is_cancelled) {
            state.closing = Some(Closing { since: Instant::now(), is_cancelled });
            self.input.say(message);
            self.wake.notify_one();
        }
    }

    /// No other target comes.
    pub(super) fn no_more(&self) {
        self.close(&Say::NoMoreTargets {}, false);
    }

    /// All of it ends.
    pub(super) fn cancel(&self, reason: &str) {
        self.close(&Say::Cancel { target: None, reason }, true);
    }

    /// It ends at once.
    pub(super) fn kill(&self) {
        self.cancel("killed");
        self.scope.kill(Stop::Cancelled);
    }

    /// What can be halted is halted.
    pub(super) fn pause(&self) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.is_paused, true) {
            let since = Instant::now();
            state.closing.get_or_insert(Closing { since, is_cancelled: false });
            self.input.say(&Say::Pause {});
            self.wake.notify_one();
        }
    }

    /// Waits until nothing is left of it.
    pub(super) async fn finished(&self) {
        // The sender lives in `self`.
        drop(self.finished.subscribe().wait_for(|finished| *finished).await);
    }

    /// Waits until it is clear how it ends; says what it did wrong.
    pub(super) async fn over(&self) -> Result<(), String> {
        let mut over = self.over.subscribe();
        // The sender lives in `self`.
        let over = over.wait_for(Option::is_some).await;
        over.ok().and_then(|over| over.clone()).unwrap_or(Ok(()))
    }

    fn give_up(&self, id: &str) {
        let mut state = self.lock();
        if let Some(standing @ Standing::Inside { .. }) = state.targets.get_mut(id) {
            let now = Instant::now();
            *standing = Standing::GivenUp;
            state.given_up.push_back((now, id.to_owned()));
            state.leave();
            self.input.say(&Say::Cancel { target: Some(id), reason: "nobody waits for it any more" });
            self.wake.notify_one();
        }
    }

    /// Those that are inside, for a text.
    fn lost(&self) -> String {
        let state = self.lock();
        let inside = |(id, standing): (&String, &Standing)| {
            matches!(standing, Standing::Inside { .. }).then(|| id.clone())
        };
        let mut ids: Vec<String> = state.targets.iter().filter_map(inside).collect();
        ids.sort();
        if ids.len() > NAMED {
            let more = ids.len() - NAMED;
            ids.truncate(NAMED);
            ids.push(format!("and {more} more"));
        }
        format!("[{}]", ids.join(" "))
    }
}

impl Inside {
    /// What comes for the target; `None` when nothing will any more.
    pub(super) async fn next(&mut self) -> Option<ForVisit> {
        self.from.recv().await
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.talk.give_up(&self.id);
    }
}

/// Hears a process until its end.
async fn drive(mut session: Session, talk: Arc<Talk>, driving: Driving) {
    let outcome = hear(&mut session, &talk, &driving).await;
    {
        // Nobody comes in any more.
        let since = Instant::now();
        talk.lock().closing.get_or_insert(Closing { since, is_cancelled: false });
    }
    if outcome.is_err() {
        session.scope.kill(Stop::Cancelled);
    }
    // By then all of its standard error has been read as well.
    let end = session.ended().await;
    let said = |text: &str| talk.tail.after(&format!("test step {} {text}", driving.label));
    let (over, error) = match outcome {
        Ok(notice) => (Ok(()), notice.map(|notice| said(&notice))),
        Err(why) => (Err(said(&why)), Some(said(&why))),
    };
    talk.over.send_replace(Some(over));
    // The visits hear that nothing more comes, and know why.
    talk.lock().targets.clear();
    if end.exit == Exit::Outlived {
        driving.desk.leave_behind(format!("a process of test step {} could not be killed", driving.label));
    }
    if let Some(text) = error {
        // Once for the step, wherever its targets are.
        driving.desk.test_error(&text).await;
    }
    talk.finished.send_replace(true);
}

/// Says what the process did wrong; or, when it did all for its targets and ended badly, how.
async fn hear(session: &mut Session, talk: &Arc<Talk>, driving: &Driving) -> Result<Option<String>, String> {
    let mut notice = None;
    let mut is_stopping = false;
    loop {
        let (due, is_idle) = next_due(talk, driving.patience, is_stopping);
        let due = async {
            match due {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            next = session.next() => match next {
                Next::Line(line) => {
                    let message = Heard::read(&line).map_err(|why| format!("wrote {why}"))?;
                    hand_on(message, line.len() as u64, talk, driving).await?;
                }
                Next::TooLong => return Err(too_long().replacen("it wrote", "wrote", 1)),
                Next::Ended(end) => {
                    let state = talk.lock();
                    let (inside, closing) = (state.inside, state.closing);
                    drop(state);
                    let how = end_text(&driving.program, &end);
                    return match closing {
                        Some(Closing { is_cancelled: true, .. }) => Ok(None),
                        _ if inside > 0 => Err(format!("lost targets {}: {how}", talk.lost())),
                        None => Err(format!(
                            "closed output channels (api violation): {how} before there were no more targets"
                        )),
                        Some(_) if end.exit.is_success() || notice.is_some() => Ok(notice),
                        Some(_) => Ok(Some(format!("returned error: {how}"))),
                    };
                }
            },
            () = talk.wake.notified() => {}
            () = driving.pool.wanted(), if is_idle => talk.no_more(),
            () = due => {
                if let Some(target) = overdue(talk, driving.patience) {
                    return Err(format!(
                        "did not give up target {target} within {} after it was cancelled",
                        said(driving.patience)
                    ));
                }
                is_stopping = true;
                notice = Some("did not return".to_owned());
                session.scope.stop(Stop::Cancelled);
            }
        }
    }
}

/// When something has to be done even if nothing is heard; and whether it has nothing to do.
fn next_due(talk: &Talk, patience: Duration, is_stopping: bool) -> (Option<Instant>, bool) {
    let mut state = talk.lock();
    let first = state.first_given_up().map(|(since, _)| since);
    let closing = state.closing.filter(|closing| !is_stopping && (closing.is_cancelled || state.inside == 0));
    let due = [
        first.filter(|_| !is_stopping),
        closing.map(|closing| match closing.is_cancelled {
            true => closing.since,
            false => state.left.map_or(closing.since, |left| left.max(closing.since)),
        }),
    ];
    let due = due.into_iter().flatten().min().map(|since| since + patience);
    (due, state.inside == 0 && state.closing.is_none() && first.is_none())
}

/// A target that was to be given up long ago.
fn overdue(talk: &Talk, patience: Duration) -> Option<String> {
    let mut state = talk.lock();
    if state.closing.is_some_and(|closing| closing.is_cancelled) {
        return None;
    }
    let first = state.first_given_up().filter(|(since, _)| since.elapsed() >= patience);
    first.map(|(_, id)| id)
}

/// A message goes to whom it is about.
async fn hand_on(message: Heard, bytes: u64, talk: &Talk, driving: &Driving) -> Result<(), String> {
    let kind = message.kind().to_owned();
    let (target, message) = match message {
        Heard::Log { target: None, text, level } => {
            driving.desk.log(text, level).await;
            return Ok(());
        }
        Heard::Log { target: Some(target), text, level } => (target, ForVisit::Log(text, level)),
        Heard::Event { target, name, payload } => {
            check_name(&name)?;
            (target, ForVisit::Event(name, payload))
        }
        Heard::Variable { target, name, value } => {
            check_identifier(&name).map_err(|e| format!("wrote a variable of a wrong name '{name}': {e}"))?;
            (target, ForVisit::Variable(name, value))
        }
        Heard::TargetOut { target } => (target, ForVisit::Out),
        Heard::TargetErr { target, error } => (target, ForVisit::Err(error)),
        Heard::Paused { target, state } => {
            if driving.resume == Resume::Lost {
                return Err(format!("paused target {target}, though it says that it cannot resume"));
            }
            (target, ForVisit::Paused(state))
        }
        Heard::Unknown(_) => return Ok(()),
        _ => return Err(format!("wrote a message `{kind}`, which is none of a step's")),
    };
    let to = {
        let mut state = talk.lock();
        if matches!(message, ForVisit::Paused(_)) && !state.is_paused {
            return Err(format!("paused target {target}, though it was not asked to"));
        }
        let is_result = message.is_result();
        match state.targets.get_mut(&target) {
            None if is_result => return Err(format!("returned unexpected result for {target}")),
            None => return Err(format!("wrote a message `{kind}` for target {target}, which is not in it")),
            Some(Standing::Done) if is_result => {
                return Err(format!("returned duplicate result for {target}"));
            }
            // It is late, and no harm.
            Some(Standing::Done) if matches!(message, ForVisit::Log(..)) => return Ok(()),
            Some(Standing::Done) => {
                return Err(format!("wrote a message `{kind}` for target {target}, which has left it"));
            }
            Some(standing @ Standing::GivenUp) => {
                if is_result {
                    *standing = Standing::Done;
                }
                return Ok(());
            }
            Some(standing @ Standing::Inside { .. }) if is_result => {
                let Standing::Inside { to, .. } = std::mem::replace(standing, Standing::Done) else {
                    return Ok(());
                };
                state.leave();
                to
            }
            Some(Standing::Inside { to, messages, bytes: so_far }) => {
                *messages += 1;
                *so_far += bytes;
                if *messages > MOST_MESSAGES || *so_far > MOST_BYTES {
                    return Err(format!(
                        "flooded target {target}: at most {MOST_MESSAGES} messages and {} MiB are taken for one",
                        MOST_BYTES >> 20
                    ));
                }
                to.clone()
            }
        }
    };
    // A visit that has ended meanwhile has given its target up.
    let _gone = to.send(message).await;
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if name.is_empty() || name.len() > LONGEST_NAME || !name.bytes().all(known) {
        let shown: String = name.chars().take(LONGEST_NAME).collect();
        return Err(format!(
            "wrote an event of a wrong name '{shown}': it is 1 to {LONGEST_NAME} letters, digits, `_`, `-` and `.`"
        ));
    }
    if RESERVED.contains(&name) {
        return Err(format!("wrote an event '{name}', which is Oyez's own"));
    }
    Ok(())
}
