//! Target `evidence`; its body is in `cbm_integration_tests::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cbm_integration_tests::fuzz::run("evidence", data));
