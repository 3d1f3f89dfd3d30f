//! The target that `CBM_TARGET` names: one program to build instead of one a target.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cbm_integration_tests::fuzz::run_named(data));
