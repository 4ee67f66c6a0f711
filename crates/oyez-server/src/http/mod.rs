//! The doors of the service.
//!
//! ```text
//!  listen: connections, bounded, with time limits ──► guard: whose request is it ──► /api/v1/...   api
//!                                                                                   /healthz ...  health
//!                                                                                   the rest      contest
//! ```
//!
//! | module | does |
//! |---|---|
//! | [`listen`] | takes connections, and lets go of those that do nothing |
//! | `stream` | a connection that is given up when its client does not read |
//! | `guard` | `Host` and `Origin`: a page in a browser must not reach what only this machine may |
//! | `body` | bodies of requests, bounded in size and time |
//! | `reply` | bodies of answers that are made while they are sent |
//! | [`api`] | the native API |
//! | `contest` | ConTest's verbs at `/` and under `/contest/` |
//! | `admin` | what ConTest's admin server tells: logs and tags |
//! | [`problem`] | errors of the API as `application/problem+json` |
//!
//! There is no access control yet, so [`listen`] takes loopback addresses only.

mod admin;
pub mod api;
mod body;
mod contest;
mod guard;
mod health;
pub mod listen;
pub mod problem;
mod reply;
mod stream;

pub use guard::Hosts;
pub use listen::{Limits, ListenError, Listener};

use axum::Router;
use axum::routing::get;

use crate::service::Service;

/// The paths of ConTest's admin server; whatever is not read there is a verb.
fn admin_paths(above: &str) -> Router<Service> {
    Router::new()
        .route(&format!("{above}/log"), get(admin::logs).fallback(contest::answer))
        .route(&format!("{above}/tag"), get(admin::tags).fallback(contest::answer))
        .route(&format!("{above}/tag/{{name}}/jobs"), get(admin::tag_jobs).fallback(contest::answer))
}

/// All doors of a service, for requests that name one of these hosts.
pub fn router(service: Service, hosts: Hosts) -> Router {
    Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .nest("/api", api::router())
        .merge(admin_paths(""))
        .merge(admin_paths("/contest"))
        .fallback(contest::answer)
        // Bodies are counted as they are read.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(hosts, guard::check))
        .with_state(service)
}
