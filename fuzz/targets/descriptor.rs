//! See `oyez_fuzz::descriptor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oyez_fuzz::descriptor(bytes));
