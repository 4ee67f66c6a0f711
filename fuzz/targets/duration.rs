//! See `oyez_fuzz::duration`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oyez_fuzz::duration(bytes));
