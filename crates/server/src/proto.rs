//! The wire messages, services and client stubs, generated at build time from the files in `proto/`.
//!
//! They are compatible with etcd 3.5 field by field. `bytes` fields are [`bytes::Bytes`], sliced out of the buffer that a
//! message came in.

#![allow(missing_docs, clippy::all)]

/// Keys and events.
pub mod mvccpb {
    tonic::include_proto!("mvccpb");
}

/// The services KV, Watch, Lease, Cluster and Maintenance with their messages.
pub mod etcdserverpb {
    tonic::include_proto!("etcdserverpb");
}

/// The gRPC health protocol.
pub mod health {
    tonic::include_proto!("grpc.health.v1");
}
