//! See `serin::fuzzing::http2`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| serin::fuzzing::http2(bytes));
