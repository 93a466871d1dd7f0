//! Generates the API's messages, services and client from `proto/`, without a protocol compiler on the machine.
//!
//! Every `bytes` field becomes `bytes::Bytes`: decoding a request slices the buffer it came in, so that a key or value is
//! not copied between the socket and the log.

use std::error::Error;

const SOURCES: [&str; 3] = ["proto/kv.proto", "proto/rpc.proto", "proto/health.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let descriptors = protox::compile(SOURCES, ["proto"])?;
    tonic_prost_build::configure()
        .build_client(true)
        .build_server(true)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
