//! pyATS's report protocol against the server that is shipped, and against pyATS's own server in the same run.
//!
//! The server is a process of its own; this process makes the load, on raw sockets with messages that were pickled
//! before the clock starts. pyATS's own server is measured with the same messages, where there is a Python that has it:
//! `OYEZ_PYATS_PYTHON`, which `cargo xtask bench` sets.
//!
//! | module | measures |
//! |---|---|
//! | `calls` | calls a second, and what a start costs as its parent grows |
//! | `report` | the results file of many sections |
//! | `latency` | from a call to its event at a subscriber |

mod calls;
mod latency;
mod load;
mod report;
mod server;

use std::path::PathBuf;

use crate::table::Table;

/// Measures pyATS's own server at full size as well.
const FULL: &str = "--full";

/// All of it.
pub fn run(table: &mut Table) {
    let real = real();
    calls::run(table, real.as_deref());
    calls::siblings(table, real.as_deref());
    latency::run(table, real.as_deref());
    report::run(table, real.as_deref(), std::env::args().any(|word| word == FULL));
}

/// The Python that has pyATS.
fn real() -> Option<PathBuf> {
    let named = std::env::var_os("OYEZ_PYATS_PYTHON").map(PathBuf::from);
    let python = named.unwrap_or_else(|| PathBuf::from("target/pyats/bin/python"));
    let has = server::has_pyats(&python);
    if !has {
        println!("skip  pyATS's own server: {} cannot import pyats.reporter", python.display());
    }
    has.then_some(python)
}
