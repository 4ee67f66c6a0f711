//! External plugins, real processes of them.

mod bench;
mod managers;
mod misbehaviour;
mod steps;
