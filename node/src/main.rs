//! `cbm`.
fn main() {}
