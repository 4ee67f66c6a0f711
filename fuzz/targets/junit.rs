//! See `oyez_fuzz::junit`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oyez_fuzz::junit(bytes));
