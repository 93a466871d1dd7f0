//! The HTTP/2 that gRPC needs, for servers and clients, as a state machine without I/O.
//!
//! The general stacks give each request a task, each body a channel, each header map its own allocations. A database whose answers take a few microseconds
//! pays more for those than for the answers. Here a connection is one value: bytes in, events out; answers in, bytes out. What came with one read is
//! handed over together, and what is ready together is written together.
//!
//! - [`frame`]: frames of RFC 9113; [`hpack`]: header compression of RFC 7541.
//! - [`head`]: what gRPC needs of heads; [`message`]: its messages in a stream; [`status`]: how a call ends.
//! - [`connection`]: all of it together, for both roles, with flow control and bounds on the peer ([`limits`]).
//! - [`wire`]: the thin driver for tokio: one buffer in, one buffer out.
//!
//! What a hostile peer may cost stands in [`limits`] and [`Limits`]; how it is kept, in [`connection`].

pub mod connection;
pub mod frame;
pub mod head;
pub mod hpack;
pub mod limits;
pub mod message;
pub mod status;
pub mod wire;

pub use connection::{CallHead, Connection, Event, Failure, Role, StreamId};
pub use frame::Code;
pub use head::{Request, Response};
pub use limits::Limits;
pub use message::{MessageError, Messages};
pub use status::End;
pub use wire::Wire;
