//! Reports from programs of one's own, and follows what others report.
//!
//! [`pyats`] speaks pyATS's report protocol over a unix socket: the calls of pyATS's `ReportClient`, and its events as a
//! stream. The server may be Oyez's (`oyez pyats serve`) or pyATS's own. Oyez's may be killed in the middle of a run: the
//! client waits for the next one, says who it is, and repeats the call that was under way, which is done once.
//!
//! ```no_run
//! use oyez_client::pyats::{Arguments, ReportClient};
//! use oyez_model::Outcome;
//!
//! # async fn report() -> Result<(), oyez_client::pyats::Error> {
//! let mut client = ReportClient::connect("/tmp/run17/reporter.sock").await?;
//! client.start_testsuite("nightly", Arguments::new()).await?;
//! client.start_task("smoke", Arguments::new().with("testscript", "smoke.rs")).await?;
//! client.start_section("boots", Arguments::new().with("type", "Testcase")).await?;
//! client.add_detail("after 3.2 s").await?;
//! client.stop_section(Arguments::new().with("result", Outcome::Passed)).await?;
//! client.stop_task(Arguments::new()).await?;
//! client.stop_testsuite(Arguments::new()).await?;
//! client.generate_report().await?;
//! client.stop_server().await
//! # }
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`pyats`] | client and subscriber of pyATS's protocol |

pub mod pyats;
