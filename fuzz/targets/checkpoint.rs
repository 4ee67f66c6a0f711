//! See `oyez_fuzz::checkpoint`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: oyez_fuzz::seeds::write("checkpoint"), |bytes: &[u8]| oyez_fuzz::checkpoint(bytes));
