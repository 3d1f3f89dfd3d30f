//! `cbm-bench`: the node beside its physical floors, in one run, as ratios.
//!
//! ```text
//! cargo build --release -p cbm-node -p cbm-integration-tests
//! target/release/cbm-bench [--letters N] [--burst N] [--away N] [--states N] [--stations N]
//! target/release/cbm-bench --soak MINUTES [--rate N]
//! ```
//!
//! Exit code 0 when everything was measured, whatever came out; a bench judges nothing.

use std::process::ExitCode;

use cbm_integration_tests::bench;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match bench::main(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cbm-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
