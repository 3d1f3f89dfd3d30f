//! Compiles the protobuf schema without `protoc`: `protox` parses it, `prost` generates from it.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=wire");
    let mut files: Vec<PathBuf> = fs::read_dir("wire/cbm/v1")?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()?;
    files.sort();
    let mut compiler = protox::Compiler::new(["wire"])?;
    compiler.include_imports(true).open_files(&files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Options of our own (bounds, groups) are extensions: they survive only in these raw bytes.
    fs::write(out.join("cbm.binpb"), compiler.encode_file_descriptor_set())?;
    let mut config = prost_build::Config::new();
    config.bytes(["."]).btree_map(["."]);
    config.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
