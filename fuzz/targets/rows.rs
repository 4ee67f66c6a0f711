//! See `oyez_fuzz::rows`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: oyez_fuzz::seeds::write("rows"), |bytes: &[u8]| oyez_fuzz::rows(bytes));
