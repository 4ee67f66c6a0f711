//! Result files of test tools: one module a format.
//!
//! A format module gives a `Reader` over any [`std::io::BufRead`] that iterates over the format's items, and an error type
//! that tells a cut-off file from a wrong one.

pub mod junit;
