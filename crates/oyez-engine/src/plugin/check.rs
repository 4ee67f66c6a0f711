//! What a plan asks of plugins: who they are, and whether parameters are right.
//!
//! A plan is made by whoever needs one, in a task or out of one, so the process is attended by a thread of its own, which
//! answers one question after the other. A plugin that several steps in turn use is started once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::value::RawValue;

use super::find::{self, Found};
use super::protocol::{Hello, ParameterError, Resume, Role, Which};
use super::session::{Session, Start};
use super::talk;
use crate::process::{CaptureLimits, Cookie, ProcessPool};

/// Each answer is waited for so long,
const PATIENCE: Duration = Duration::from_secs(10);
/// and after the last one the end of the process,
const ENDING: Duration = Duration::from_secs(1);
/// which then gets this between TERM and KILL.
const GRACE: Duration = Duration::from_secs(1);
/// Plans being made at once whose plugins are asked; others wait.
const PROCESSES: usize = 8;

static POOL: LazyLock<ProcessPool> = LazyLock::new(|| ProcessPool::new(PROCESSES));

/// A process that belongs to no job.
pub(super) fn cookie(of: &str) -> Cookie {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // No other process may carry the same: a tree that is ended is found by it.
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    Cookie::new(format!("{of}-{}-{number}", std::process::id()), 0, 0)
}

/// Standard error is told by its tail only.
pub(super) const NO_OUTPUT: CaptureLimits = CaptureLimits { inline: 0, rest: 0, part: 1 };

/// What is known of a plugin that said hello.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) version: String,
    pub(crate) resume: Resume,
}

/// Something that is wrong with parameters.
pub(crate) type Wrong = ParameterError;

/// The plugins of a folder, while one plan is made.
pub(crate) struct Plugins<'e> {
    folder: Option<&'e Path>,
    known: RefCell<HashMap<(PathBuf, Role), Result<Checked, String>>>,
    current: RefCell<Option<Checker>>,
}

impl<'e> Plugins<'e> {
    pub(crate) fn new(folder: Option<&'e Path>) -> Self {
        Plugins { folder, known: RefCell::default(), current: RefCell::default() }
    }

    /// The plugin of a name.
    pub(crate) fn find(&self, name: &str) -> Option<Found> {
        find::find(self.folder?, name)
    }

    /// What to do when there is none.
    pub(crate) fn hint(&self, built_in: &str) -> String {
        match self.folder {
            None => built_in.to_owned(),
            Some(folder) => {
                let names = find::names(folder);
                let folder = folder.display();
                match names.as_slice() {
                    [] => format!("{built_in}; {folder} holds no plugins"),
                    names => format!("{built_in}; plugins in {folder}: {}", names.join(", ")),
                }
            }
        }
    }

    /// Who a plugin is.
    ///
    /// # Errors
    /// It does not say, or cannot be used as this.
    pub(crate) fn hello(&self, found: &Found, role: Role) -> Result<Checked, String> {
        let key = (found.path.clone(), role);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let checked = Checker::start(&found.path, role).map(|(checker, hello)| {
            // Drops the one before, and waits for its end.
            *self.current.borrow_mut() = Some(checker);
            Checked { version: hello.version, resume: hello.resume }
        });
        self.known.borrow_mut().insert(key, checked.clone());
        checked
    }

    /// What is wrong with parameters.
    ///
    /// # Errors
    /// It does not say; from then on it is not asked again.
    pub(crate) fn validate(
        &self,
        found: &Found,
        role: Role,
        which: Which,
        parameters: &RawValue,
    ) -> Result<Vec<Wrong>, String> {
        self.hello(found, role)?;
        let mut current = self.current.borrow_mut();
        if current.as_ref().is_none_or(|checker| checker.program != found.path || checker.role != role) {
            *current = None;
            *current = Some(Checker::start(&found.path, role)?.0);
        }
        let answer = match current.as_ref() {
            Some(checker) => checker.validate(which, parameters),
            None => Err("it is not there any more".to_owned()),
        };
        if let Err(why) = &answer {
            *current = None;
            self.known.borrow_mut().insert((found.path.clone(), role), Err(why.clone()));
        }
        answer
    }
}

type Answer = Result<Vec<ParameterError>, String>;

struct Ask {
    which: Which,
    parameters: Box<RawValue>,
    answer: mpsc::SyncSender<Answer>,
}

/// A plugin that is being asked.
struct Checker {
    program: PathBuf,
    role: Role,
    ask: Option<mpsc::Sender<Ask>>,
    thread: Option<JoinHandle<()>>,
}

impl Checker {
    fn start(program: &Path, role: Role) -> Result<(Checker, Hello), String> {
        let (ask, asked) = mpsc::channel();
        let (greet, greeted) = mpsc::sync_channel(1);
        let path = program.to_owned();
        let thread = std::thread::Builder::new().name("oyez-plugin".to_owned());
        let thread = thread
            .spawn(move || attend(&path, role, &greet, &asked))
            .map_err(|e| format!("no thread for it: {e}"))?;
        let checker = Checker { program: program.to_owned(), role, ask: Some(ask), thread: Some(thread) };
        let hello = greeted.recv().unwrap_or_else(|_| Err("its thread broke down".to_owned()))?;
        Ok((checker, hello))
    }

    fn validate(&self, which: Which, parameters: &RawValue) -> Answer {
        let (answer, answered) = mpsc::sync_channel(1);
        let ask = Ask { which, parameters: parameters.to_owned(), answer };
        let sent = self.ask.as_ref().is_some_and(|to| to.send(ask).is_ok());
        let gone = || Err("its thread broke down".to_owned());
        if sent { answered.recv().unwrap_or_else(|_| gone()) } else { gone() }
    }
}

impl Drop for Checker {
    fn drop(&mut self) {
        drop(self.ask.take());
        if let Some(thread) = self.thread.take() {
            // A panic in there has been said.
            let _ = thread.join();
        }
    }
}

/// The thread: attends the process from its start to its end.
fn attend(
    program: &Path,
    role: Role,
    greet: &mpsc::SyncSender<Result<Hello, String>>,
    asked: &mpsc::Receiver<Ask>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return drop(greet.send(Err(format!("it cannot be asked: {e}")))),
    };
    runtime.block_on(async {
        let slot = POOL.slot().await;
        let start = Start {
            program: program.to_owned(),
            cookie: cookie("plan"),
            grace: GRACE,
            limits: NO_OUTPUT,
            log: None,
            alive: None,
        };
        let mut session = match Session::start(&POOL, slot, start) {
            Ok(session) => session,
            Err(e) => return drop(greet.send(Err(format!("it cannot be started: {e}")))),
        };
        let hello = talk::hello(&mut session, program, role, PATIENCE).await;
        let is_wrong = hello.is_err();
        let _gone = greet.send(hello);
        if is_wrong {
            session.scope.kill(crate::stop::Stop::Cancelled);
            session.ended().await;
            return;
        }
        // Nothing else is done in here, so a wait may block.
        while let Ok(Ask { which, parameters, answer }) = asked.recv() {
            let result = talk::validate(&mut session, program, which, &parameters, PATIENCE).await;
            let is_wrong = result.is_err();
            let _gone = answer.send(result);
            if is_wrong {
                session.scope.kill(crate::stop::Stop::Cancelled);
                break;
            }
        }
        session.close(ENDING).await;
    });
}
