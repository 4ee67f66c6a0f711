//! What ConTest's verbs do here, and the long reply to `status`.

pub mod spool;
pub mod status;
