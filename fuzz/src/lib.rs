//! What the fuzzers do with their bytes: one function for each parser of foreign bytes.
//!
//! None of them may panic, hang, or need much memory, whatever the bytes are; and what was read once must be read the
//! same again after it was written. `cargo xtask fuzz` runs them; the seeds are in `corpus/`, or made by [`seeds`] where
//! a format is our own. Inputs that ever failed are kept in `regressions/` and run first.

mod engine;
mod model;
mod pyats;
pub mod seeds;
mod wire;

pub use engine::{descriptor, duration, expression, plugin, template};
pub use model::{checkpoint, records, rows, value};
pub use pyats::{frame, pickle, pickle_again};
pub use wire::{contest, junit, ocp};
