//! A plugin as a target manager: one process to acquire, another one to release, so that none lives as long as a test.

use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::protocol::{At, Heard, MOST_TARGETS, Role, Say};
use super::session::{Session, Start};
use super::step::HELLO;
use super::talk;
use crate::plan::{ExternalManager, ExternalPlugin};
use crate::runner::{Course, Desk};
use crate::target::{Target, parse_address};

/// What a target manager offers.
#[derive(Debug)]
pub(crate) struct Offered {
    /// The targets, in its order.
    pub(crate) targets: Vec<Target>,
    /// The fewest of them that do, and the most that are taken; without either, all of them.
    pub(crate) bounds: Option<(u32, u32)>,
}

/// A session with a plugin that was asked who it is.
pub(super) async fn open(desk: &Desk, plugin: &ExternalPlugin, role: Role) -> Result<Session, String> {
    let slot = desk.pool().slot().await;
    let program = plugin.executable.clone();
    let (cookie, grace, limits) = (desk.cookie(), desk.grace(), desk.limits());
    let (log, alive) = (Some(desk.output()), Some(desk.alive()));
    let start = Start { program, cookie, grace, limits, log, alive };
    let started = Session::start(desk.pool(), slot, start);
    let mut session = started.map_err(|e| format!("it cannot be started: {e}"))?;
    talk::hello(&mut session, &plugin.executable, role, HELLO).await?;
    Ok(session)
}

/// Asks for targets; whoever asks bounds the time. Dropped, the process is killed.
pub(crate) async fn acquire(
    desk: &Desk,
    manager: &ExternalManager,
    course: &Course,
    timeout: Duration,
    busy: Vec<String>,
) -> Result<Offered, String> {
    let ExternalManager { plugin, acquire, .. } = manager;
    let wrong = |why: String| format!("target manager {}: {why}", plugin.name);
    let mut session = open(desk, plugin, Role::TargetManager).await.map_err(wrong)?;
    let job = desk.job_uid();
    let at = at(&job, course);
    let message = Say::Acquire { at: &at, parameters: acquire, timeout_ms: millis(timeout), busy };
    session.input.send(&message).await.map_err(wrong)?;
    let mut offered = Offered { targets: Vec::new(), bounds: None };
    let (mut least, mut most) = (None, None);
    let end = Instant::now() + timeout;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match next(&mut session, &plugin.executable, "targets", left).await.map_err(wrong)? {
            Heard::Targets { targets, more, least: at_least, most: at_most } => {
                let known = offered.targets.len();
                if known + targets.len() > MOST_TARGETS {
                    return Err(wrong(format!("it gave more than {MOST_TARGETS} targets")));
                }
                for (n, raw) in targets.iter().enumerate() {
                    let target =
                        read(raw).map_err(|why| wrong(format!("target {}: {why}", known + n + 1)))?;
                    offered.targets.push(target);
                }
                (least, most) = (at_least.or(least), at_most.or(most));
                if !more {
                    break;
                }
            }
            Heard::Error { message } => {
                session.close(desk.grace()).await;
                return Err(message);
            }
            other => return Err(wrong(session.wrong(&talk::unexpected(&other, "targets")).await)),
        }
    }
    if least.is_some() || most.is_some() {
        let all = u32::try_from(offered.targets.len()).unwrap_or(u32::MAX);
        let most = most.unwrap_or(all);
        offered.bounds = Some((least.unwrap_or(most), most));
    }
    session.close(desk.grace()).await;
    Ok(offered)
}

/// Gives targets back; likewise.
pub(crate) async fn release(
    desk: &Desk,
    manager: &ExternalManager,
    course: &Course,
    timeout: Duration,
    targets: &[&Target],
) -> Result<(), String> {
    let ExternalManager { plugin, release, .. } = manager;
    let wrong = |why: String| format!("target manager {}: {why}", plugin.name);
    let mut session = open(desk, plugin, Role::TargetManager).await.map_err(wrong)?;
    let job = desk.job_uid();
    let at = at(&job, course);
    let message = Say::Release { at: &at, parameters: release, timeout_ms: millis(timeout), targets };
    session.input.send(&message).await.map_err(wrong)?;
    let answer = next(&mut session, &plugin.executable, "released", timeout).await.map_err(wrong)?;
    match answer {
        Heard::Released {} => {
            session.close(desk.grace()).await;
            Ok(())
        }
        Heard::Error { message } => {
            session.close(desk.grace()).await;
            Err(message)
        }
        other => Err(wrong(session.wrong(&talk::unexpected(&other, "released")).await)),
    }
}

async fn next(
    session: &mut Session,
    program: &Path,
    what: &str,
    patience: Duration,
) -> Result<Heard, String> {
    talk::answer(session, program, what, patience).await
}

fn at<'a>(job: &'a str, course: &'a Course) -> At<'a> {
    At { job, run: course.run, test: &course.test, attempt: course.attempt }
}

/// As a number of milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A target as a plugin writes it.
pub(super) fn read(raw: &RawValue) -> Result<Target, String> {
    #[derive(Deserialize)]
    struct Item {
        #[serde(rename = "ID")]
        id: String,
        #[serde(rename = "FQDN", default)]
        fqdn: String,
        #[serde(rename = "PrimaryIPv4", default)]
        ipv4: String,
        #[serde(rename = "PrimaryIPv6", default)]
        ipv6: String,
        #[serde(rename = "TMS", default)]
        state: Option<Box<RawValue>>,
    }
    let Item { id, fqdn, ipv4, ipv6, state } = serde_json::from_str(raw.get()).map_err(|e| e.to_string())?;
    if id.trim().is_empty() {
        return Err("its ID is empty".to_owned());
    }
    Ok(Target {
        id,
        fqdn,
        primary_ipv4: parse_address(&ipv4)?,
        primary_ipv6: parse_address(&ipv6)?,
        manager_state: state,
    })
}
