//! External plugins, real processes of them.

mod bench;
mod managers;
mod misbehaviour;
mod reporters;
mod steps;
