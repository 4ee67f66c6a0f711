//! See `oyez_fuzz::plugin`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oyez_fuzz::plugin(bytes));
