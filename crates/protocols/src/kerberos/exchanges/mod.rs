//! Kerberos: the AS, TGS and AP exchanges, with symbolic encryption and an adversary on the wire.
//!
//! # The problem
//!
//! On a network where anybody can read, repeat and write packets, a service wants to know who asks, and a user whom it talks to, without sending a password and without a key for every
//! pair. Needham and Schroeder ("Using Encryption for Authentication in Large Networks of Computers", CACM 21(12), 1978) give each a key that it shares with one trusted server; Denning and
//! Sacco (1981) add the time. Kerberos is that protocol as it is used, here in version 5: RFC 4120, *the standard*.
//!
//! # How it works
//!
//! 1. **AS exchange** (section 3.1). The client names itself. The key distribution centre (`servers.rs`) answers with a *ticket* for its ticket-granting service, sealed with that service's key, and a session
//!    key, sealed with the client's. Who does not have the client's key can do nothing with either. A nonce ties the reply to the request; the client's time under its key (pre-authentication, 5.2.7.2) keeps
//!    strangers from collecting replies.
//! 2. **TGS exchange** (3.3). With the ticket the client sends an *authenticator*: its name and time, sealed with the session key. The service opens the ticket, finds the session key in it, opens the authenticator with that, and
//!    answers with a ticket for the wanted service and a new session key. What is asked stands in the open, and its checksum in the authenticator.
//! 3. **AP exchange** (3.2). The same with the service itself. For mutual authentication it returns the authenticator's time under the session key: only who could open the ticket could read the authenticator. (Version 4 returned the time
//!    plus one; version 5 echoes it, under a key usage of its own.)
//!
//! A server checks (`acceptor.rs`, section 3.2.3): key version, integrity, that the ticket is its own, that both name the same client, that the clocks differ by at most [`SKEW`], that the authenticator is new, that the ticket is
//! valid now. It remembers authenticators for as long as their time would fit ([`ReplayCache`]); one that lost its memory refuses what it may have seen.
//!
//! The wire may be an [`Adversary`]: all packets go through it, and addresses prove nothing.
//!
//! # What is guaranteed
//!
//! *Agreement*: a service that accepts a client does so by an authenticator that this client made for it. *No replay* (injective agreement): by each at most once. *Mutual agreement*: a client that was
//! answered was accepted. *Secrecy*: session keys are known to the two and the centre. (Names after Lowe 1997; `invariants.rs`.)
//!
//! # What is assumed
//!
//! Cryptography is perfect (`term.rs`: Dolev and Yao's model), long-term keys are secret, the centre is honest. Wall clocks are within the skew of each other, and do not go back by more than that
//! ([`Needs::wall_clock`]): a clock that does makes an old authenticator fresh when the memory of it is gone. A replay cache on disk, and the mark that a server has lived, survive crashes
//! ([`Needs::stable_storage`]).
//!
//! # What it costs
//!
//! Two messages for the first ticket, two for each service, one or two for each access: 6 for the first access with mutual authentication, 2 for the next one (`cost.rs`). A durable replay cache takes one forced write an
//! access.
//!
//! # What is left out
//!
//! Ciphers and encodings (sealing is symbolic); other realms; forwarding, proxies, renewal, postdating and user-to-user tickets; KRB_SAFE, KRB_PRIV and KRB_CRED messages; subkeys; changes of passwords. Errors are not
//! authenticated, as in the standard: a forged one ends an access, as losing a packet can.
//!
//! # Example
//!
//! ```
//! use synod_protocols::kerberos::exchanges::{Key, Principal, Sealed, Shut, Usage};
//!
//! let alice = Key::LongTerm { owner: Principal(7), version: 1 };
//! let reply = Sealed::seal(alice, Usage::AsReply, "your session key");
//! assert_eq!(reply.open(alice, Usage::AsReply), Ok(&"your session key"));
//! assert_eq!(reply.open(Key::Session(1), Usage::AsReply), Err(Shut)); // who has another key sees nothing
//! assert_eq!(reply.open(alice, Usage::Ticket), Err(Shut));            // and nothing opens for another use
//! ```

mod acceptor;
mod adversary;
mod client;
pub mod cost;
pub mod invariants;
mod servers;
mod term;
mod types;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, View};

pub use acceptor::{Accepted, Acceptor, ReplayCache, SEEN_MAX, SKEW};
pub use adversary::{Adversary, AdversaryConfig, Attack, HELD_BACK_MAX, RECORDED_MAX};
pub use client::{ACCESSES_MAX, Client, ClientConfig};
pub use servers::{Centre, Entry, SEEN_WRITES_MAX, Service};
pub use term::{Address, Key, Principal, Sealed, Shut, TICKET_GRANTING, Usage};
pub use types::{
    Authenticator, Body, Command, ErrorCode, Event, KdcPart, Packet, Reply, Seen, Stamp, TgsBody, Ticket,
    Timer, Write,
};

use crate::role::{Same, input};

/// This module's text, whose head is the essay.
pub const SOURCE: &str = include_str!("mod.rs");

/// The assumptions of all roles.
const NEEDS: Needs = Needs {
    fifo: false,
    reliable: false,
    bounded_delay: false,
    bounded_drift: false,
    stable_storage: true,
    wall_clock: true,
};

/// Sends a packet to its destination, or to whoever sits on the wire.
fn post<M: Machine<Message = Packet>>(
    wire: Option<Address>,
    source: Address,
    destination: Address,
    body: Body,
    fx: &mut Effects<'_, M>,
) {
    fx.send(wire.unwrap_or(destination), Packet { source, destination, body });
}

/// A node of a world with users, servers, and perhaps an adversary.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Party {
    /// A user's side.
    Client(Client),
    /// The key distribution centre.
    Centre(Centre),
    /// A service.
    Service(Service),
    /// Who sits on the wire.
    Adversary(Adversary),
}

impl Machine for Party {
    type Message = Packet;
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
            Party::Centre(centre) => fx.scope(&mut Same, |fx| centre.step(cx, input(given), fx)),
            Party::Service(service) => fx.scope(&mut Same, |fx| service.step(cx, input(given), fx)),
            Party::Adversary(adversary) => fx.scope(&mut Same, |fx| adversary.step(cx, input(given), fx)),
        }
    }

    fn inspect(&self, view: &mut View) {
        match self {
            Party::Client(client) => client.inspect(view),
            Party::Centre(centre) => centre.inspect(view),
            Party::Service(service) => service.inspect(view),
            Party::Adversary(adversary) => adversary.inspect(view),
        }
    }
}
