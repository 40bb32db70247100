//! Makes `client/rust/src/v1.rs` from `proto/`; with `--check`, says whether it is what `proto/` gives.
//!
//!     cargo run --manifest-path client/rust/gen/Cargo.toml [-- --check]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

const HEAD: &str = "// Made from proto/ by client/rust/gen. Not to be changed by hand. BLAKE3 of the files in order of their names: ";

fn generate(root: &Path, folder: &Path) -> Result<String, Box<dyn Error>> {
    let proto = root.join("proto");
    let mut files: Vec<PathBuf> = fs::read_dir(proto.join("xpstore/v1"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|end| end == "proto"));
    files.sort();
    env::set_var("PROTOC", protoc_bin_vendored::protoc_bin_path()?);
    tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .bytes(".")
        .out_dir(folder)
        .compile_protos(&files, &[proto, protoc_bin_vendored::include_path()?])?;
    let mut digest = blake3::Hasher::new();
    for path in &files {
        digest.update(&fs::read(path)?);
    }
    Ok(format!("{HEAD}{}\n\n{}", digest.finalize(), fs::read_to_string(folder.join("xpstore.v1.rs"))?))
}

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..");
    let folder = env::temp_dir().join(format!("xpstore-gen-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let made = generate(&root, &folder);
    fs::remove_dir_all(&folder)?;
    let (made, path) = (made?, root.join("client/rust/src/v1.rs"));
    if !env::args().any(|word| word == "--check") {
        fs::write(path, made)?;
    } else if fs::read_to_string(path)? != made {
        eprintln!("client/rust/src/v1.rs is not what proto/ gives: run client/rust/gen and commit the result");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
