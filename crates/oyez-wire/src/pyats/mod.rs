//! pyATS's reporter: its socket's bytes, its calls, its tree of results.
//!
//! ```text
//!  bytes ─► frame ─► pickle ─► session ─► events (kept by the server) ─► reply ─► pickle ─► frame
//!                                 │
//!                                 └─► tree ─► get_section, pushes to subscribers, result files
//! ```
//!
//! | module | holds |
//! |---|---|
//! | [`frame`] | messages cut into chunks |
//! | [`pickle`] | Python's pickles, read as data and written so that Python makes the same objects |
//! | [`objects`] | pyATS's own classes in a [`oyez_model::Value`] |
//! | [`import`] | results files back into events |
//! | [`known`] | what objects of Python's own library stand for, and how they print |
//! | [`plain`] | what a plain scalar of YAML means to PyYAML |
//! | [`repr`] | values as Python prints them |
//! | [`tree`] | the report, folded from events |
//! | [`session`] | the calls: request to events and reply |

pub mod frame;
pub mod import;
pub mod known;
pub mod objects;
pub mod pickle;
pub mod plain;
pub mod repr;
pub mod session;
pub mod tree;
