//! See `oyez_fuzz::contest`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oyez_fuzz::contest(bytes));
