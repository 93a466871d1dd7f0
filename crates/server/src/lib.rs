//! The server: everything between a client's socket and a database node.
//!
//! A client speaks etcd's v3 API, over gRPC or plain HTTP, with or without TLS; behind the edge stands any [`Backend`],
//! which knows nothing of wire formats. The edge decides what can be decided from a request alone: whether it is well
//! formed, how large it may be, in which words it is refused. What depends on state is the backend's. So the same edge
//! serves a real node, and a store in memory in the tests.
//!
//! - [`proto`]: messages, services and client of the API, generated from `proto/`.
//! - [`backend`]: the trait behind the services, in the store's terms.
//! - [`api`]: the services: validation, conversion, error texts.
//!
//! [`Backend`]: backend::Backend

pub mod backend;
pub mod proto;
