//! The server: everything between a client's socket and a database node.
//!
//! A client speaks etcd's v3 API, over gRPC or plain HTTP, with or without TLS; behind the edge stands any [`Backend`],
//! which knows nothing of wire formats. The edge decides what can be decided from a request alone: whether it is well
//! formed, how large it may be, in which words it is refused. What depends on state is the backend's. So the same edge
//! serves a real node, and a store in memory in the tests.
//!
//! - [`proto`]: messages, services and client of the API, generated from `proto/`.
//! - [`backend`]: the trait behind the services, in the store's terms.
//! - [`engine`]: a database node on a real disk, network and clock: threads, queues, the log.
//! - [`api`]: the services: validation, conversion, error texts.
//! - [`http`]: sockets, TLS, HTTP/1.1 and HTTP/2 on one port, probes, and the way down to the services.
//! - [`tls`]: certificates with etcd's flag meanings.
//! - [`metrics`]: what is counted.
//! - [`serve`]: all of it together: a member with its client port.
//!
//! [`Backend`]: backend::Backend

pub mod api;
pub mod backend;
pub mod engine;
pub mod http;
pub mod metrics;
pub mod proto;
pub mod serve;
pub mod tls;
