//! The contract of Synod's mechanisms: a mechanism is a value, not a thread.
//!
//! Raft, Paxos, SWIM, two-phase commit, the database node itself: each is a [`Machine`], a pure state machine that never reads
//! a clock, a socket, a file or a random source. Time, messages, disk completions and choices are handed to it as an
//! [`Input`]; what it wants done it says through [`Effects`]. So the same compiled code runs in a simulated world, in an
//! exhaustive search, step by step in a laboratory, and on a real server.
//!
//! **The driver's contract, in one sentence:** take one input, call [`Machine::step`], record it, act on the effects in order, and
//! release a held effect only after its ticket is durable; a crash drops everything that is not.
//!
//! What a driver may not do: step a machine from two threads at once, reorder the effects of a step, fire a timer that was disarmed
//! or armed anew, report a ticket durable before a smaller one, or hand two `Start`s to one value.
//!
//! # A worked example
//!
//! A counter on two nodes: an increment is logged, told to the other node once it cannot be lost, and acknowledged when both have it. Here the driver is written
//! out by hand, as a reader would do it on paper.
//!
//! ```
//! use synod_machine::*;
//!
//! struct Counter { peer: NodeId, total: u64, asked: Option<RequestId> }
//!
//! #[derive(Clone, Debug, PartialEq, Hash)]
//! enum Message { Add { amount: u64 }, Added }
//!
//! impl Machine for Counter {
//!     type Message = Message;
//!     type Timer = Never;
//!     type Command = u64;      // the amount to add
//!     type Reply = u64;        // the total
//!     type Event = Never;
//!     type Write = u64;
//!     type Job = Never;
//!     type Done = Never;
//!     const NEEDS: Needs = Needs { fifo: true, reliable: true, bounded_delay: false, bounded_drift: false,
//!                                  stable_storage: true, wall_clock: false };
//!
//!     fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
//!         match input {
//!             Input::Start { saved } => self.total = saved.iter().sum(),
//!             Input::Command { id, command: amount } => {
//!                 self.total += amount;
//!                 self.asked = Some(id);
//!                 let peer = self.peer;
//!                 let ticket = fx.write(amount);
//!                 fx.hold(ticket, |fx| fx.send(peer, Message::Add { amount }));
//!             }
//!             Input::Receive { from, message: Message::Add { amount } } => {
//!                 self.total += amount;
//!                 let ticket = fx.write(amount);
//!                 fx.hold(ticket, |fx| fx.send(from, Message::Added));
//!             }
//!             Input::Receive { message: Message::Added, .. } => {
//!                 if let Some(id) = self.asked.take() {
//!                     fx.reply(id, self.total);
//!                 }
//!             }
//!             _ => {}
//!         }
//!     }
//!
//!     fn inspect(&self, view: &mut View) { view.show("total", self.total); }
//! }
//!
//! let (n1, n2) = (NodeId(1), NodeId(2));
//! let mut a = Counter { peer: n2, total: 0, asked: None };
//! let mut b = Counter { peer: n1, total: 0, asked: None };
//! let mut a_out = Buffer::new(First, Ticket(1));
//! let mut b_out = Buffer::new(First, Ticket(1));
//!
//! // A client asks n1 to add 5. One step, two effects: a write, and a send that waits for it.
//! let ask = Input::Command { id: RequestId(7), command: 5 };
//! a.step(&Context::at(n1, Mono::ZERO), ask, &mut a_out.effects());
//! let [Effect::Write { ticket, write: 5 }, Effect::Send { message, after, .. }] = &a_out.effects[..] else { panic!() };
//! assert_eq!(*after, Some(*ticket));
//!
//! // The driver has made the ticket durable (say, by fdatasync): only now does the message leave.
//! let add = Input::Receive { from: n1, message: message.clone() };
//! b.step(&Context::at(n2, Mono::ZERO), add, &mut b_out.effects());
//! let Effect::Send { message, .. } = &b_out.effects[1] else { panic!() };
//!
//! // And back: n1 answers its client.
//! a_out.effects.clear();
//! let added = Input::Receive { from: n2, message: message.clone() };
//! a.step(&Context::at(n1, Mono::ZERO), added, &mut a_out.effects());
//! assert!(matches!(a_out.effects[..], [Effect::Reply { id: RequestId(7), reply: 5, after: None }]));
//! ```
#![no_std]

extern crate alloc;

mod buffer;
mod contract;
mod effects;
mod ids;
mod observer;
mod record;
mod rename;
mod time;
mod trace;
mod worker;

pub use buffer::{Buffer, Choices, First};
pub use contract::{Context, Credit, Data, Input, Machine, Needs, Never, Unlimited, View};
pub use effects::{Effect, Effects, Scope, Sink};
pub use ids::{NodeId, RequestId, SendId, Ticket};
pub use observer::{Observer, Stamp};
pub use record::{Fate, Fingerprint, Loss, Record};
pub use rename::Rename;
pub use time::{Mono, Wall};
pub use trace::{TRACE_VERSION, TraceWriter, loss_name};
pub use worker::{NoWorker, Output, Worker};
