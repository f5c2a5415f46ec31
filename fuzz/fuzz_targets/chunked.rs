//! See `serin::fuzzing::chunked`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| serin::fuzzing::chunked(bytes));
