//! Where a test kills this server: at a named moment of the n-th call of a name, once.
//!
//! `OYEZ_CRASH` says `MOMENT CALL N FILE`: at the moment, of the N-th call (`*`: of any name), the process kills
//! itself with SIGKILL if it could make FILE, so that the server that comes after it is left alone.

use std::cell::Cell;
use std::fs::File;
use std::sync::OnceLock;

struct Plan {
    moment: String,
    call: String,
    number: u64,
    file: String,
}

fn plan() -> Option<&'static Plan> {
    static PLAN: OnceLock<Option<Plan>> = OnceLock::new();
    PLAN.get_or_init(|| {
        let text = std::env::var("OYEZ_CRASH").ok()?;
        let mut words = text.splitn(4, ' ');
        let mut word = || words.next().map(str::to_owned);
        Some(Plan { moment: word()?, call: word()?, number: word()?.parse().ok()?, file: word()? })
    })
    .as_ref()
}

thread_local! {
    static SEEN: Cell<u64> = const { Cell::new(0) };
}

/// A call has come to `moment`.
pub fn at(moment: &str, call: &str) {
    let Some(plan) = plan() else { return };
    if plan.moment != moment || plan.call != "*" && plan.call != call {
        return;
    }
    SEEN.set(SEEN.get() + 1);
    if SEEN.get() == plan.number && File::create_new(&plan.file).is_ok() {
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        // The signal may take a moment to arrive.
        loop {
            std::thread::park();
        }
    }
}
