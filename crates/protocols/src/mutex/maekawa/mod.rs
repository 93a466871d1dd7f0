//! Maekawa's algorithm: exclusion by the permission of about √N processes instead of all.
//!
//! # The problem
//!
//! N processes that share nothing but messages want to enter a critical section one at a time. Asking all others costs messages in proportion to N
//! (Ricart and Agrawala 1981: 2(N-1) an entry). Maekawa ("A √N Algorithm for Mutual Exclusion in Decentralized Systems", ACM Transactions on Computer Systems 3(2),
//! 1985) asks a *request set* of K processes, so chosen that every two sets have a member in common (`coterie.rs`). That member gives its permission to one
//! process at a time, so no two can hold all of theirs. Processes are equal: each asks, and each is an arbiter for those whose sets it is in.
//!
//! # The rules
//!
//! 1. Who wants to enter sends REQUEST, stamped with its Lamport clock, to its request set (section 3.2, step 1). Smaller stamps precede; equal ones are ordered by the process.
//! 2. An arbiter that is free answers GRANT (the paper: LOCKED) and is locked. One that is locked queues the request, and answers FAILED if the one that locked it or one that waits
//!    precedes the new one; else it asks the one that locked it by INQUIRE, once (step 2).
//! 3. Who is asked by INQUIRE returns the grant by YIELD (RELINQUISH) if it knows that it cannot enter yet: another arbiter has told it FAILED, or has had its grant back by
//!    YIELD, and has not granted since. If it is inside it ignores the question, for RELEASE will come; else it answers when it knows (step 3).
//! 4. On YIELD the arbiter queues the yielder again and grants the first that waits; on RELEASE it grants the first that waits, or is free (steps 4 to 6).
//! 5. Who has all grants enters; who leaves sends RELEASE to its request set (step 5).
//! 6. *Not in the paper as printed*: when a request is queued before another that was not told FAILED (the arbiter inquired on its behalf), that other is told FAILED now.
//!    Without it the other may hold grants and wait, not knowing that it is not next, while a circle closes (Sanders, "The Information Structure of Distributed Mutual Exclusion
//!    Algorithms", 1987). [`Handling::AsPublished`] leaves it out, to see that.
//!
//! Each message names the request that it speaks of: what concerns an earlier one is dropped.
//!
//! # What is guaranteed
//!
//! *Exclusion*: at most one process is inside. *No deadlock*: if processes wait and nobody stays inside for ever, one of them enters. *Fairness*: from the moment
//! when all arbiters of a waiting request know of it, every other process enters at most twice before it ([`BYPASSES_MAX`]; `invariants.rs` has the reason).
//!
//! # What is assumed
//!
//! Channels deliver in order and lose or repeat nothing ([`Needs::fifo`], [`Needs::reliable`]); any delay and any clock will do. Processes do not crash: one that is gone takes its
//! permission with it, so those whose sets it is in wait for ever, and one that comes back without its memory may grant what it granted already. Each assumption,
//! broken, shows: an INQUIRE that overtakes its GRANT is lost and a circle closes; a repeated GRANT lets two in.
//!
//! # What it costs
//!
//! Without contention 3(K-1) messages an entry: REQUEST, GRANT, RELEASE to every member but itself. With contention every pair of request and arbiter adds
//! FAILED, or INQUIRE, YIELD and a second GRANT: the paper's and the textbooks' bound is 5(K-1), which counts the second GRANT with the request that it goes to; the most that one
//! request can cause is 6(K-1) (`cost.rs`). Saturated it is 4(K-1). The delay between one leaving and the next entering (synchronization delay) is 2T: RELEASE to the common arbiter, GRANT from it;
//! T if one of the two is that arbiter itself. With a projective plane K is about √N.
//!
//! # What is left out
//!
//! Crashes and lost messages: no detector, no retransmission, no change of the sets. Fencing of what is protected: the section is left when the holder says so, or after
//! [`Config::hold`]. A wish cannot be withdrawn. Priorities other than time.
//!
//! # Example
//!
//! Two of three processes, by hand: `n1` enters when `n2` agrees.
//!
//! ```
//! use synod_machine::*;
//! use synod_protocols::mutex::{Command, Reply, maekawa::*};
//!
//! let coterie = Coterie::plane(1)?; // n1 asks n1 and n2
//! let mut nodes = [1, 2].map(|id| Maekawa::new(NodeId(id), Config::of(&coterie, NodeId(id))));
//! let mut step = |id: u64, input| {
//!     let mut buffer = Buffer::new(First, Ticket(1));
//!     nodes[id as usize - 1].step(&Context::at(NodeId(id), Mono::ZERO), input, &mut buffer.effects());
//!     buffer.effects
//! };
//! let asked = step(1, Input::Command { id: RequestId(7), command: Command::Enter });
//! let [Effect::Send { to: NodeId(2), message: request, .. }] = &asked[..] else { panic!("{asked:?}") };
//! let granted = step(2, Input::Receive { from: NodeId(1), message: request.clone() });
//! let [Effect::Send { to: NodeId(1), message: grant, .. }] = &granted[..] else { panic!("{granted:?}") };
//! let entered = step(1, Input::Receive { from: NodeId(2), message: grant.clone() });
//! assert!(matches!(entered[1], Effect::Reply { id: RequestId(7), reply: Reply::Entered, .. }));
//! # Ok::<(), CoterieError>(())
//! ```

mod arbiter;
pub mod cost;
mod coterie;
pub mod invariants;
mod message;
mod plane;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, RequestId, View};

use super::{Command, Reply};
use arbiter::Arbiter;
pub use coterie::{Coterie, CoterieError};
pub use invariants::BYPASSES_MAX;
pub use message::{Body, Message, Request};
pub use plane::{ORDER_MAX, difference_set, points};

/// This module's text, whose head is the essay.
pub const SOURCE: &str = include_str!("mod.rs");

/// How one process takes part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Whose permission it asks; itself among them.
    pub request_set: BTreeSet<NodeId>,
    /// What is done about circular waits.
    pub handling: Handling,
    /// Leave by itself after so long inside; `None`: when the client says so.
    pub hold: Option<Duration>,
    /// Send messages to itself over the network like all others. The papers count no such messages, but some let them take the
    /// time T of a message; without, a process's own permission costs it no time.
    pub own_by_network: bool,
}

impl Config {
    /// Full handling, left by command, own permission without a message.
    pub fn of(coterie: &Coterie, node: NodeId) -> Self {
        Config { request_set: coterie.set(node), handling: Handling::Full, hold: None, own_by_network: false }
    }
}

/// What is done about circular waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Handling {
    /// FAILED, INQUIRE and YIELD, with rule 6.
    #[default]
    Full,
    /// FAILED, INQUIRE and YIELD as printed in 1985, without rule 6.
    AsPublished,
    /// None: an arbiter that is locked only queues.
    None,
}

/// What is told to the embedder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// This process is inside.
    Entered(Request),
    /// This process is outside again.
    Left(Request),
}

/// Names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The section was held for as long as configured.
    Leave,
}

/// A wish to enter, with what its arbiters said.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// What was asked.
    pub request: Request,
    /// The command that waits for it.
    pub client: RequestId,
    /// Who agrees.
    pub grants: BTreeSet<NodeId>,
    /// Who has said FAILED or was given its grant back, and has not granted since.
    pub failed: BTreeSet<NodeId>,
    /// Who wants to know whether this goes on.
    pub inquiries: BTreeSet<NodeId>,
    /// All agree: this process is inside.
    pub inside: bool,
}

/// One process: it asks for itself, and it is an arbiter for others.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Maekawa {
    me: NodeId,
    config: Config,
    clock: u64,
    attempt: Option<Attempt>,
    arbiter: Arbiter,
}

impl Maekawa {
    /// A process at rest.
    pub fn new(me: NodeId, config: Config) -> Self {
        let arbiter = Arbiter::new(config.handling);
        Maekawa { me, config, clock: 0, attempt: None, arbiter }
    }

    /// Whether this process is inside.
    pub fn is_inside(&self) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.inside)
    }

    /// What it asked for and how that stands.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempt.as_ref()
    }

    /// Whose permission it asks.
    pub fn request_set(&self) -> &BTreeSet<NodeId> {
        &self.config.request_set
    }

    /// To whom this process, as an arbiter, has given its permission.
    pub fn granted(&self) -> Option<Request> {
        self.arbiter.granted()
    }

    /// Which requests wait for its permission, first to last.
    pub fn queue(&self) -> impl Iterator<Item = Request> + '_ {
        self.arbiter.queue()
    }

    fn command(&mut self, id: RequestId, command: Command, fx: &mut Effects<'_, Self>) {
        match command {
            Command::Enter if self.attempt.is_none() => self.ask(id, fx),
            Command::Leave if self.is_inside() => self.leave(fx),
            Command::Enter | Command::Leave => fx.reply(id, Reply::Refused),
        }
    }

    /// Rule 1.
    fn ask(&mut self, client: RequestId, fx: &mut Effects<'_, Self>) {
        self.clock += 1;
        let request = Request { stamp: self.clock, node: self.me };
        self.attempt = Some(Attempt {
            request,
            client,
            grants: BTreeSet::new(),
            failed: BTreeSet::new(),
            inquiries: BTreeSet::new(),
            inside: false,
        });
        self.tell_set(Body::Request(request), fx);
    }

    /// Rule 5.
    fn leave(&mut self, fx: &mut Effects<'_, Self>) {
        let Some(attempt) = self.attempt.take() else { return };
        fx.disarm(Timer::Leave);
        fx.emit(Event::Left(attempt.request));
        self.tell_set(Body::Release(attempt.request), fx);
    }

    fn tell_set(&mut self, body: Body, fx: &mut Effects<'_, Self>) {
        // Itself last: what its own arbiter answers comes after all have been asked.
        let (me, set) = (self.me, self.config.request_set.clone());
        for member in set.iter().filter(|member| **member != me) {
            self.send(*member, body, fx);
        }
        if set.contains(&me) {
            self.send(me, body, fx);
        }
    }

    fn send(&mut self, to: NodeId, body: Body, fx: &mut Effects<'_, Self>) {
        if to == self.me && !self.config.own_by_network {
            return self.take(self.me, body, fx);
        }
        fx.send(to, Message { clock: self.clock, body });
    }

    fn take(&mut self, from: NodeId, body: Body, fx: &mut Effects<'_, Self>) {
        match body {
            Body::Request(request) if request.node == from => {
                self.arbitrate(fx, |arbiter| arbiter.request(request))
            }
            Body::Yield(request) if request.node == from => {
                self.arbitrate(fx, |arbiter| arbiter.yielded(request))
            }
            Body::Release(request) if request.node == from => {
                self.arbitrate(fx, |arbiter| arbiter.release(request))
            }
            Body::Grant(request) if self.asks(request, from) => self.granted_by(from, fx),
            Body::Failed(request) if self.asks(request, from) => self.failed_by(from, fx),
            Body::Inquire(request) if self.asks(request, from) => self.inquired_by(from, fx),
            _ => fx.note("maekawa.stale", 1),
        }
    }

    fn arbitrate(
        &mut self,
        fx: &mut Effects<'_, Self>,
        rule: impl FnOnce(&mut Arbiter) -> Vec<(NodeId, Body)>,
    ) {
        for (to, body) in rule(&mut self.arbiter) {
            self.send(to, body, fx);
        }
    }

    /// Whether that is what this process asks for, and asks of that arbiter.
    fn asks(&self, request: Request, arbiter: NodeId) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.request == request)
            && self.config.request_set.contains(&arbiter)
    }

    fn granted_by(&mut self, arbiter: NodeId, fx: &mut Effects<'_, Self>) {
        let Some(attempt) = &mut self.attempt else { return };
        attempt.grants.insert(arbiter);
        attempt.failed.remove(&arbiter);
        if attempt.inside || attempt.grants != self.config.request_set {
            return;
        }
        attempt.inside = true;
        attempt.inquiries.clear();
        fx.note("mutex.entered", 1);
        fx.reply(attempt.client, Reply::Entered);
        fx.emit(Event::Entered(attempt.request));
        if let Some(hold) = self.config.hold {
            fx.arm(Timer::Leave, hold..=hold);
        }
    }

    fn failed_by(&mut self, arbiter: NodeId, fx: &mut Effects<'_, Self>) {
        let Some(attempt) = &mut self.attempt else { return };
        attempt.failed.insert(arbiter);
        let inquiries = core::mem::take(&mut attempt.inquiries);
        for arbiter in inquiries {
            self.give_back(arbiter, fx);
        }
    }

    /// Rule 3.
    fn inquired_by(&mut self, arbiter: NodeId, fx: &mut Effects<'_, Self>) {
        let Some(attempt) = &mut self.attempt else { return };
        if attempt.inside {
            return;
        }
        if !attempt.grants.contains(&arbiter) {
            // On ordered channels an INQUIRE comes after the grant that it is about.
            return fx.note("maekawa.inquired_before_grant", 1);
        }
        attempt.inquiries.insert(arbiter);
        if !attempt.failed.is_empty() {
            attempt.inquiries.remove(&arbiter);
            self.give_back(arbiter, fx);
        }
    }

    fn give_back(&mut self, arbiter: NodeId, fx: &mut Effects<'_, Self>) {
        let Some(attempt) = &mut self.attempt else { return };
        if attempt.grants.remove(&arbiter) {
            attempt.failed.insert(arbiter);
            let request = attempt.request;
            self.send(arbiter, Body::Yield(request), fx);
        }
    }
}

impl Machine for Maekawa {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Never;
    type Job = Never;
    type Done = Never;

    const NEEDS: Needs = Needs {
        fifo: true,
        reliable: true,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Receive { from, message } => {
                self.clock = self.clock.max(message.clock);
                self.take(from, message.body, fx);
            }
            Input::Command { id, command } => self.command(id, command, fx),
            Input::Fire(Timer::Leave) if self.is_inside() => self.leave(fx),
            Input::Start { .. } | Input::Fire(_) | Input::Durable(_) | Input::Link { .. } => {}
            Input::Done(never) => match never {},
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("inside", self.is_inside());
        if let Some(attempt) = &self.attempt {
            view.show("request", attempt.request);
            view.show("grants", &attempt.grants);
            view.show("failed", &attempt.failed);
            view.show("inquiries", &attempt.inquiries);
        }
        view.show("granted to", self.granted());
        view.show("queue", self.queue().collect::<Vec<_>>());
        view.show("clock", self.clock);
    }
}
