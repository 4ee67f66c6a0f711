//! ConTest's HTTP interface, to the byte: what its clients send and what they read.
//!
//! Pure rules over bytes; who listens, and what a job is, is the server's matter.
//!
//! | module | holds |
//! |---|---|
//! | [`form`] | the fields of a request's body, as Go's `net/http` reads them |
//! | [`request`] | verbs and their fields: what is asked, or why it cannot be |
//! | [`reply`] | the envelope of an answer, and that of a refusal |
//! | [`status`] | the pieces of the reply to `status`, from the outside in |
//! | [`shape`] | tests and steps in an extended descriptor, which `status` is built along |
//! | [`step`] | the names that step plugins go by in `status` |
//! | [`go`] | JSON and quoted texts as Go's encoder writes them |
//!
//! Where the real server was seen: `specs/contest.md` 1.13 and 2, and the recordings that the tests here read.

pub mod form;
pub mod go;
pub mod reply;
pub mod request;
pub mod shape;
pub mod status;
pub mod step;

/// The version of the interface that `version` answers.
pub const API_VERSION: u32 = 5;

/// The version of descriptors that is understood.
pub const DESCRIPTOR_VERSION: &str = "1.0";

/// The media type of every answer, also of JSON.
pub const MEDIA_TYPE: &str = "text/plain; charset=utf-8";
