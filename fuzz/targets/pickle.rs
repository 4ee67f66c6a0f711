//! See `oyez_fuzz::pickle`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oyez_fuzz::pickle(bytes));
