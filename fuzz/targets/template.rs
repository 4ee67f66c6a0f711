//! See `oyez_fuzz::template`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| oyez_fuzz::template(bytes));
