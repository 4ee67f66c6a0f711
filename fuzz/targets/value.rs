//! See `oyez_fuzz::value`.
#![no_main]

libfuzzer_sys::fuzz_target!(init: oyez_fuzz::seeds::write("value"), |bytes: &[u8]| oyez_fuzz::value(bytes));
