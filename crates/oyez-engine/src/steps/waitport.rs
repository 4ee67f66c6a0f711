//! `waitport`: waits until a port can be connected to (specs/contest.md 4).
//!
//! The time that it may take counts from when the target came in, also over a pause or the end of a server; in ConTest it
//! begins anew. A try is given up after a while, so that an address that swallows everything does not keep the target's
//! other addresses from being tried.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use oyez_model::event::RawJson;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::Instant;

use super::Text;
use super::timed::{Resumption, TimedStep, Visited};
use crate::plan::{Protocol, WaitPortParameters};
use crate::runner::Visit;
use crate::template::Functions;

/// The shortest pause between two tries.
const SHORTEST: Duration = Duration::from_millis(10);
/// The longest that one try may take.
const TRY: Duration = Duration::from_secs(10);

/// Go's text for a time that is over.
const OVERDUE: &str = "context deadline exceeded";

/// The step.
#[derive(Debug)]
pub(super) struct WaitPort {
    target: Option<(String, Text)>,
    parameters: WaitPortParameters,
}

impl WaitPort {
    pub(super) fn new(parameters: &WaitPortParameters, functions: &Functions) -> Self {
        let text = |target: &crate::descriptor::Parameter| {
            (target.text().into_owned(), Text::new(target, functions))
        };
        WaitPort { target: parameters.target.as_ref().map(text), parameters: parameters.clone() }
    }

    /// The host that is asked for by name; empty where the target's own are meant.
    fn host(&self, visit: &Visit) -> Result<String, String> {
        let Some((source, target)) = &self.target else { return Ok(String::new()) };
        let expanded = target.expand(&visit.subject());
        expanded.map_err(|e| format!("cannot expand target parameter '{source}': '{e}'"))
    }

    fn start(&self, host: &str) -> RawJson {
        let WaitPortParameters { port, protocol, check_interval, timeout, .. } = &self.parameters;
        // In the order of ConTest's struct.
        RawJson(format!(
            "{{\"Address\":{},\"Port\":{port},\"Protocol\":\"{}\",\"CheckInterval\":{},\"Timeout\":{}}}",
            super::payload::text(host),
            protocol.name(),
            check_interval.0,
            timeout.0
        ))
    }

    /// Tries until it succeeds, or there is no time left.
    async fn wait(&self, visit: &Visit, hosts: &[String]) -> Result<(), String> {
        let since = Duration::from_nanos(visit.now().since(visit.began));
        let end = Instant::now() + self.parameters.timeout.to_std().saturating_sub(since);
        let pause = self.parameters.check_interval.to_std().max(SHORTEST);
        let mut said = String::new();
        loop {
            for host in hosts {
                let tried = tokio::time::timeout_at(end.min(Instant::now() + TRY), self.dial(host)).await;
                let why = match tried {
                    Ok(Ok(())) => {
                        visit.log(format!("connected to {} port {}", host, self.parameters.port)).await;
                        return Ok(());
                    }
                    Ok(Err(why)) => why,
                    Err(_) => format!("{host} does not answer"),
                };
                // Once, not at each of thousands of tries.
                if why != said {
                    visit.log(format!("failed to connect: {why}")).await;
                    said = why;
                }
                if Instant::now() >= end {
                    return Err(OVERDUE.to_owned());
                }
            }
            tokio::time::sleep_until(end.min(Instant::now() + pause)).await;
            if Instant::now() >= end {
                return Err(OVERDUE.to_owned());
            }
        }
    }

    async fn dial(&self, host: &str) -> Result<(), String> {
        let WaitPortParameters { port, protocol, .. } = &self.parameters;
        let found =
            tokio::net::lookup_host((host, *port)).await.map_err(|e| format!("lookup {host}: {e}"))?;
        let is_wanted = |address: &SocketAddr| match protocol {
            Protocol::Tcp | Protocol::Udp => true,
            Protocol::Tcp4 | Protocol::Udp4 => address.is_ipv4(),
            Protocol::Tcp6 | Protocol::Udp6 => address.is_ipv6(),
        };
        let mut why = format!("lookup {host}: it has no address for {}", protocol.name());
        for address in found.filter(is_wanted) {
            let dialled = match protocol {
                Protocol::Tcp | Protocol::Tcp4 | Protocol::Tcp6 => {
                    TcpStream::connect(address).await.map(drop)
                }
                Protocol::Udp | Protocol::Udp4 | Protocol::Udp6 => dial_udp(address).await,
            };
            match dialled {
                Ok(()) => return Ok(()),
                Err(e) => why = format!("dial {} {address}: {e}", protocol.name()),
            }
        }
        Err(why)
    }
}

/// As in ConTest: that there is a way there, nothing is sent.
async fn dial_udp(address: SocketAddr) -> std::io::Result<()> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    UdpSocket::bind(any).await?.connect(address).await
}

#[async_trait]
impl TimedStep for WaitPort {
    fn resumption(&self) -> Resumption {
        Resumption::Resumed
    }

    async fn run(&self, visit: &mut Visit) -> Visited {
        let host = match self.host(visit) {
            Ok(host) => host,
            Err(e) => return Visited::Failed(e),
        };
        if visit.state.is_none() {
            visit.event("waitportStart", Some(self.start(&host))).await;
        }
        let target = &visit.target;
        let own = [target.primary_ipv4, target.primary_ipv6].into_iter().flatten().map(|a| a.to_string());
        let hosts: Vec<String> = match host.is_empty() {
            false => vec![host],
            true => std::iter::once(target.fqdn.clone()).filter(|name| !name.is_empty()).chain(own).collect(),
        };
        if hosts.is_empty() {
            return Visited::Failed("the target has neither a name nor an address to connect to".to_owned());
        }
        let result = tokio::select! {
            biased;
            _ = visit.stopped() => return Visited::Stopped,
            () = visit.paused() => return Visited::Paused(super::timed::begun()),
            result = self.wait(visit, &hosts) => result,
        };
        visit.event("waitportEnd", None).await;
        match result {
            Ok(()) => Visited::Passed,
            Err(why) => Visited::Failed(why),
        }
    }
}
