//! See `serin::fuzzing::state_file`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| serin::fuzzing::state_file(bytes));
