//! Frames between the nodes of a cluster, over TCP or mutual TLS.
//!
//! # The problem
//!
//! Consensus wants a peer that is a number and a message that is a value. A network offers streams that
//! break, stall, fill up, reach the wrong process, and carry whatever a stranger puts on them. This crate
//! stands between the two. It knows bytes, member ids and nothing of what the bytes mean.
//!
//! # How a link works
//!
//! Each node dials every peer and sends on the connection that it dialed; it receives on the connections that
//! it accepted. So between two nodes there are two connections, each with one direction of payload, and
//! nobody has to decide which of two crossing connections survives. A connection opens with TLS (if
//! configured), then a [`Hello`] of fixed size, which the acceptor welcomes or refuses with a reason
//! ([`Refusal`]). After that it carries frames ([`frame`]): payload and pings one way, pongs the other way.
//!
//! A link is *up* while the outgoing connection stands. The dialer reports [`Delivery::Up`] when it is
//! welcomed and [`Delivery::Down`] at once when the connection closes: a closed connection is evidence that
//! the process died, and evidence that comes without waiting for a timeout is worth having. A silent peer is
//! found by pings.
//!
//! # Guarantees
//!
//! - Frames of one connection arrive in the order of [`Transport::send`], whole, checked, at most once. A
//!   frame that was accepted may still be lost with its connection: what must arrive is sent again by the
//!   layer above.
//! - Of one peer at most one incoming connection delivers at any time; once a newer one delivered, the older
//!   one never does again. Deliveries about one peer never run concurrently. `Up` and `Down` of a peer
//!   alternate, `Up` first.
//! - `send` never waits for the network. What is queued for one peer is bounded in bytes and in frames
//!   ([`Limits`]); a frame over the bound, or for a peer whose link is down, is dropped, counted, and refused
//!   to the caller ([`NotSent`]). Nothing is kept for a peer that is down, because by the time it returns the
//!   messages would be stale.
//! - What was received and not yet digested is bounded too: each delivered frame carries a [`Permit`]; when
//!   the permits alive hold [`Limits::peer_inbound_bytes_max`], nothing more is read from that peer until
//!   some are dropped.
//! - Once [`Transport::set_peers`] removed a peer, or the transport was dropped, nothing more is delivered
//!   about it.
//!
//! # Trust
//!
//! A stranger costs one pending handshake, of which there are at most [`Limits::handshakes_max`], each for at
//! most [`Timeouts::handshake`]; a flood evicts the oldest pending one, so that a real peer, which needs one
//! round trip, still gets in. A peer that was admitted costs one connection, one frame that is still arriving
//! (allocated as it arrives, never by the length that it claims) and its inbound bound. Without TLS the
//! member id is a claim, not a proof.
//!
//! # Left out
//!
//! Compression, priorities between frames (a snapshot is to be sent in chunks), more than one connection per
//! direction, plain and TLS peers in one transport, revocation lists, trust in the system's root
//! certificates.

mod accept;
mod address;
mod backoff;
mod batch;
mod certificate;
mod config;
mod counters;
mod dial;
mod direct;
pub mod frame;
mod hello;
mod peer;
mod queue;
mod receive;
mod renewed;
mod sparing;
mod tls;
mod transport;
mod window;

pub use address::{Address, AddressError};
pub use config::{Config, ConfigError, Homes, Limits, PeerAddresses, Timeouts};
pub use counters::{AcceptCounts, Counts, PeerCounts};
pub use hello::{ANSWER_BYTES, Answer, HELLO_BYTES, Hello, HelloError, Refusal, Versions, fuzz_hello};
pub use queue::{Credit, NotSent, Payload};
pub use renewed::Renewed;
pub use tls::{TlsError, TlsFiles};
pub use transport::{Delivery, StartError, Transport};
pub use window::Permit;
