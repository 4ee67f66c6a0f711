//! External plugins, real processes of them.

mod bench;
#[path = "../../../../oyez-report/tests/schema/mod.rs"]
mod checker;
mod managers;
mod misbehaviour;
mod reporters;
mod schema;
mod steps;
