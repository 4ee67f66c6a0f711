//! The conformance kit: is an executable a plugin that Oyez can use? Each case starts it anew, does one thing with it, and
//! says what is wrong and what the protocol asks for.

mod any;
mod bench;
mod manager;
mod reporter;
mod step;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::value::RawValue;

use super::protocol::{Hello, Role};
use bench::Bench;

/// What to check, and with what.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only as this; without it, as all that the plugin says it can be.
    pub role: Option<Role>,
    /// Parameters that are right, JSON; without them those of the plugin's `example`, else `{}`.
    pub parameters: Option<Box<RawValue>>,
    /// Parameters that are wrong; without them those of its `bad_example`, else the case is left out.
    pub bad_parameters: Option<Box<RawValue>>,
    /// How long each answer, and the end of the process, is waited for.
    pub patience: Duration,
}

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// As the protocol asks.
    Passed,
    /// Not so; says what was seen.
    Failed(String),
    /// It could not be tried; says why.
    Skipped(String),
}

/// A case that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// As what the plugin was tried; `None` before that is known.
    pub role: Option<Role>,
    /// Its name.
    pub name: &'static str,
    /// What the protocol asks for.
    pub asks: &'static str,
    /// What came of it.
    pub verdict: Verdict,
}

/// What a case gives: why it was left out, if it was.
///
/// # Errors
/// What is wrong.
type Tried = Result<Option<String>, String>;

/// Checks an executable; `tell` hears of each case. Says whether none failed.
pub async fn check(program: &Path, options: &Options, tell: &mut (dyn FnMut(&Case) + Send)) -> bool {
    let program = std::path::absolute(program).unwrap_or_else(|_| program.to_owned());
    let mut kit = Kit { bench: Bench::new(program, options), role: None, all_passed: true, tell };
    let hello = kit.hello(options.role).await;
    let Some(hello) = hello else { return false };
    let given =
        |given: &Option<Box<RawValue>>, own: &Option<Box<RawValue>>| given.clone().or_else(|| own.clone());
    let parameters = given(&options.parameters, &hello.example);
    let nothing = || RawValue::from_string("{}".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned());
    kit.bench.parameters = parameters.unwrap_or_else(nothing);
    kit.bench.bad_parameters = given(&options.bad_parameters, &hello.bad_example);
    kit.bench.resume = hello.resume;
    let roles = options.role.map_or(hello.roles, |role| vec![role]);
    for role in Role::ALL.into_iter().filter(|role| roles.contains(role)) {
        kit.role = Some(role);
        kit.bench.role = role;
        kit.any().await;
        match role {
            Role::Step => kit.step().await,
            Role::TargetManager => kit.manager().await,
            Role::Reporter => kit.reporter().await,
        }
    }
    kit.all_passed
}

struct Kit<'k> {
    bench: Bench,
    role: Option<Role>,
    all_passed: bool,
    tell: &'k mut (dyn FnMut(&Case) + Send),
}

impl Kit<'_> {
    fn say(&mut self, name: &'static str, asks: &'static str, tried: Tried) {
        let verdict = match tried {
            Ok(None) => Verdict::Passed,
            Ok(Some(why)) => Verdict::Skipped(why),
            Err(why) => Verdict::Failed(why),
        };
        self.all_passed &= !matches!(verdict, Verdict::Failed(_));
        (self.tell)(&Case { role: self.role, name, asks, verdict });
    }

    /// Who it is: without that nothing else can be tried.
    async fn hello(&mut self, role: Option<Role>) -> Option<Hello> {
        let asks =
            "the first message is `hello`; the answer is `hello` with `protocol`: 1, `name` and `roles`";
        let wanted: Vec<Role> = role.map_or_else(|| Role::ALL.to_vec(), |role| vec![role]);
        let mut last = String::new();
        for role in wanted {
            match self.bench.greet(role).await {
                Ok(hello) => {
                    self.role = Some(role);
                    self.say("hello", asks, Ok(None));
                    return Some(hello);
                }
                Err(why) => {
                    let is_other = why.starts_with("it is no ");
                    last = why;
                    // It said what it is; the next one may be that.
                    if !is_other {
                        break;
                    }
                }
            }
        }
        self.say("hello", asks, Err(last));
        None
    }
}

/// The executable's name, for people.
#[must_use]
pub fn name(program: &Path) -> String {
    let name = program.file_name().map(PathBuf::from);
    name.unwrap_or_else(|| program.to_owned()).display().to_string()
}
