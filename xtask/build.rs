//! Generates the client of the API that the tests from outside speak to a cluster with.
//!
//! It is made from the server's own protocol files, but without the server: who judges a program should not be linked
//! with it.

use std::error::Error;

const FOLDER: &str = "../crates/server/proto";

fn main() -> Result<(), Box<dyn Error>> {
    let sources = ["kv.proto", "rpc.proto"].map(|name| format!("{FOLDER}/{name}"));
    for source in &sources {
        println!("cargo:rerun-if-changed={source}");
    }
    let descriptors = protox::compile(&sources, [FOLDER])?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(false)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
