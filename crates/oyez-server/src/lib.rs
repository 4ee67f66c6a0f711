//! Servers: what listens, and keeps what it hears.
//!
//! A server moves bytes. What a peer's words mean stands in `oyez-wire` as pure rules; what is kept, and how, in
//! `oyez-store`. So far there is one: [`pyats`], the report server of pyATS on its unix socket.

pub mod contest;
pub mod pyats;
