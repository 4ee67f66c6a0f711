//! Whose request is it?
//!
//! A page that somebody opens in a browser on this machine can send requests to loopback addresses: as its own host, when
//! its name is made to point there (DNS rebinding), or across origins, when it need not read the answer. A job runs
//! commands, so neither may get through. A request must name a host that is known to be this one, and one that a page sent
//! must come from such a host.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode, Version};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::problem::Problem;

/// The hosts that a request may name: those of the loopback, and others that were given.
#[derive(Clone, Debug, Default)]
pub struct Hosts(Arc<Vec<String>>);

impl Hosts {
    /// The loopback, and these names, without ports.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        Hosts(Arc::new(names.into_iter().map(|name| name.to_ascii_lowercase()).collect()))
    }

    /// Whether a `Host`, with or without a port, is one of them.
    fn know(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let is_loopback = bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        is_loopback || name == "localhost" || name.ends_with(".localhost") || self.0.contains(&name)
    }

    fn allow(&self, headers: &HeaderMap, version: Version) -> Result<(), (StatusCode, String)> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
        match text(HOST) {
            None if version >= Version::HTTP_11 => {
                return Err((StatusCode::BAD_REQUEST, "the request has no Host header".to_owned()));
            }
            Some(host) if !self.know(host) => {
                let why = format!(
                    "this server does not go by the name {host:?}: use 127.0.0.1 or localhost, or start it with --host-name"
                );
                return Err((StatusCode::MISDIRECTED_REQUEST, why));
            }
            _ => {}
        }
        match text(ORIGIN) {
            Some(origin) if !origin.split_once("://").is_some_and(|(_, host)| self.know(host)) => {
                Err((StatusCode::FORBIDDEN, format!("requests of pages from {origin:?} are not taken")))
            }
            _ => Ok(()),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => {
            // The colons of a bare IPv6 address are its own.
            if name.contains(':') && !name.starts_with('[') { host } else { name }
        }
        _ => host,
    }
}

/// Lets requests through that name a host of ours.
pub(super) async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    match hosts.allow(request.headers(), request.version()) {
        Ok(()) => next.run(request).await,
        Err((status, why)) => Problem::new(status, "host", why).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(headers: &[(&str, &str)]) -> Result<(), u16> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            map.insert(name, value.parse().unwrap());
        }
        let hosts = Hosts::new(["Lab.example.org".to_owned()]);
        hosts.allow(&map, Version::HTTP_11).map_err(|(status, _)| status.as_u16())
    }

    #[test]
    fn the_loopback_and_names_that_were_given_are_known() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:8080",
            "127.9.9.9:1",
            "localhost:8080",
            "LOCALHOST",
            "a.localhost:1",
            "[::1]:8080",
            "[::1]",
            "::1",
            "lab.example.org:80",
        ] {
            assert_eq!(allowed(&[("host", host)]), Ok(()), "{host}");
        }
    }

    #[test]
    fn a_name_that_somebody_else_pointed_here_is_refused() {
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:8080",
            "10.0.0.1",
            "",
            "[::2]:1",
        ] {
            assert_eq!(allowed(&[("host", host)]), Err(421), "{host}");
        }
        assert_eq!(allowed(&[]), Err(400));
    }

    #[test]
    fn a_page_from_elsewhere_is_refused() {
        let origin = |origin| allowed(&[("host", "127.0.0.1:80"), ("origin", origin)]);
        assert_eq!(origin("http://localhost:8080"), Ok(()));
        for other in ["https://evil.example", "null", "", "http://127.0.0.1.evil.example"] {
            assert_eq!(origin(other), Err(403), "{other}");
        }
    }
}
