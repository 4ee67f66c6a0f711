//! See `oyez_fuzz::ocp`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oyez_fuzz::ocp(bytes));
