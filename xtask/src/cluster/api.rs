//! The wire messages and clients of the API, generated at build time from the server's protocol files.

#![allow(missing_docs, clippy::all)]
// The whole API is generated; the tests need a part of it.
#![allow(dead_code)]

/// Keys and events.
pub mod mvccpb {
    tonic::include_proto!("mvccpb");
}

/// The services with their messages.
pub mod etcdserverpb {
    tonic::include_proto!("etcdserverpb");
}
