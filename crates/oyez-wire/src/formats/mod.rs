//! Result files of test tools: one module a format.
//!
//! A format module gives a `Reader` of the format's items: over any [`std::io::BufRead`], with an error type that tells a
//! cut-off file from a wrong one, or fed with pieces as they come, where a program's output is the source.

pub mod junit;
pub mod ocp;
