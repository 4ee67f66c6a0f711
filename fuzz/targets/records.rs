//! See `oyez_fuzz::records`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: oyez_fuzz::seeds::write("records"), |bytes: &[u8]| oyez_fuzz::records(bytes));
