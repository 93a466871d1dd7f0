//! Remote procedure calls: a procedure of another machine, called as if it were here, and how often it is then executed.
//!
//! # The problem
//!
//! A call that crosses a network has one failure more than a local one: silence. Whoever waits for an answer cannot tell a lost request from a lost answer, a slow server from a dead
//! one. To ask again may execute the procedure twice, not to ask again may mean never. What is promised then is the *call semantics* (Nelson, "Remote Procedure Call", 1981; Spector,
//! "Performing Remote Operations Efficiently on a Local Computer Network", CACM 25(4), 1982; Birrell and Nelson, "Implementing Remote Procedure Calls", ACM Transactions on
//! Computer Systems 2(1), 1984: *the paper*).
//!
//! # How it works
//!
//! - **Stubs** turn arguments into bytes and back (`marshal.rs`: XDR, RFC 4506). Each stage is a note in the trace with its bytes: marshal at the client, unmarshal and marshal at the
//!   server.
//! - **Binding** (paper, section 2): a server exports its interface to the *binder* (`binder.rs`) when it starts, with the number of its life; a client imports it before its first call, and
//!   again when nobody answers.
//! - **Calls have names for ever**: client, its life, a sequence number ([`CallId`]; paper, section 3.2). All copies bear the same.
//! - **The client** (`client.rs`) repeats a request until it is answered, by the one [retry policy](crate::retry), as its [`Semantics`] says.
//! - **The server** (`server.rs`) recognizes copies of at-most-once and exactly-once calls by its *duplicate table* (`table.rs`), and answers them from it, or says that it is at work.
//!   A client says with each request which calls are closed, so that nothing is kept longer than it is needed; an activity that is silent expires.
//! - **A crash of the server** empties the table of at-most-once calls (amnesia). What they are bound to is the server's life, a durable number: a copy that arrives in a later life is
//!   refused, and the client told that the outcome is unknown.
//! - **Exactly-once** calls are recorded by the client before they are sent, and by the server with their effect before they are answered: one write is the effect, the table's entry and
//!   the result. After a crash of either they are asked again, or found.
//! - **Orphans** (Nelson 1981, chapter 5): when a server hears a client in a new life, it ends what earlier ones have begun (reincarnation).
//!
//! # What is guaranteed
//!
//! | semantics | if the client got results | in any case |
//! |---|---|---|
//! | maybe | executed once | at most once, on a network that repeats nothing |
//! | at least once | executed at least once | - |
//! | at most once | executed once | at most once |
//! | exactly once | its effect is there once, for ever | its effect is there once, when both have been up long enough |
//!
//! Results are those of the execution that bore the call's name. No orphan is executed after its server has heard of the client's new life.
//!
//! # What is assumed
//!
//! Durable writes survive ([`Needs::stable_storage`]): without, a life's number comes twice. Messages that are under way longer than the table remembers an activity are not believed to
//! exist ([`Needs::bounded_delay`], [`ServerConfig::retention_least`]): a later copy is executed again. Loss, repetition and any order are survived, as are crashes of everybody. Procedures are deterministic.
//!
//! # What it costs
//!
//! Two messages a call, the acknowledgement of the result being the next call (paper, section 3.2); with loss p of each message, requests 1/(1-p)² and responses 1/(1-p) a call, and as many
//! executions at least-once (`cost.rs`). Forced writes: none, none, none; exactly-once one at the server and one at the client before the request, one more after the answer that nobody waits for.
//! Binding: two messages a life, two an import.
//!
//! # What is left out
//!
//! Arguments longer than a message (the paper sends packets in turn); several servers of one interface; call-backs; authentication (the paper uses keys; see `kerberos`). A client's new life is
//! announced by its next call only: until then orphans run.
//!
//! # Example
//!
//! ```
//! use synod_protocols::rpc::call::{Value, marshal, unmarshal};
//!
//! let arguments = [Value::Text("account 7".into()), Value::Integer(-50)];
//! let bytes = marshal(&arguments)?; // what the client's stub sends
//! assert_eq!(bytes.len(), 36);
//! assert_eq!(unmarshal(&bytes)?, arguments); // what the server's stub calls with
//! # Ok::<(), synod_protocols::rpc::call::MarshalError>(())
//! ```

mod binder;
mod client;
pub mod cost;
pub mod invariants;
pub mod ledger;
mod marshal;
mod server;
mod table;
mod types;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, View};

pub use binder::{Binder, INTERFACES_MAX};
pub use client::{CALL_WRITES_MAX, Client, ClientConfig, OPEN_CALLS_MAX};
pub use marshal::{MARSHALED_BYTES_MAX, MarshalError, VALUES_MAX, Value, marshal, unmarshal};
pub use server::{ACTIVITIES_MAX, EXECUTED_WRITES_MAX, Orphans, RUNNING_MAX, Server, ServerConfig, Service};
pub use types::*;

use crate::role::{Same, input};

/// This module's text, whose head is the essay.
pub const SOURCE: &str = include_str!("mod.rs");

/// The assumptions of all roles.
const NEEDS: Needs = Needs {
    fifo: false,
    reliable: false,
    bounded_delay: true,
    bounded_drift: false,
    stable_storage: true,
    wall_clock: false,
};

/// A node of a world in which some call and some serve.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party<S> {
    /// Calls.
    Client(Client),
    /// Serves.
    Server(Server<S>),
    /// Knows who serves.
    Binder(Binder),
}

impl<S: Service> Machine for Party<S> {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Write;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = NEEDS;

    fn step(&mut self, cx: &Context<'_>, given: Input<Self>, fx: &mut Effects<'_, Self>) {
        match self {
            Party::Client(client) => fx.scope(&mut Same, |fx| client.step(cx, input(given), fx)),
            Party::Server(server) => fx.scope(&mut Same, |fx| server.step(cx, input(given), fx)),
            Party::Binder(binder) => fx.scope(&mut Same, |fx| binder.step(cx, input(given), fx)),
        }
    }

    fn inspect(&self, view: &mut View) {
        match self {
            Party::Client(client) => client.inspect(view),
            Party::Server(server) => server.inspect(view),
            Party::Binder(binder) => binder.inspect(view),
        }
    }
}
