//! A logical clock round any machine, which knows nothing of it.
//!
//! # The problem
//!
//! Clocks are useful to those who look on (traces, debuggers, caches, backups), and every mechanism would have to be changed to carry them.
//!
//! # The rules
//!
//! [`Stamped`] wraps a machine. Each input is an event: a receive if it is a message, local otherwise. Each message that the machine sends is a further event, and
//! carries the clock's stamp. This is how the papers count: a step that receives and sends twice is three events of its process, in that order.
//!
//! Any [`LogicalClock`] fits: [`LamportClock`](super::LamportClock), [`VectorClock`](super::VectorClock), [`DifferentialClock`](super::DifferentialClock),
//! [`HybridClock`](super::HybridClock).
//!
//! # What is guaranteed
//!
//! The machine inside behaves as it would alone: it gets the same inputs, and its effects pass in their order. The stamps have their clock's guarantee.
//!
//! # What is assumed
//!
//! What the machine assumes, and FIFO channels that lose nothing if the clock says so. The clock lives in memory: a process that crashes comes back, to
//! those who compare stamps, as another process.
//!
//! # What it costs
//!
//! A stamp a message.
//!
//! # What is left out
//!
//! Stamps on disk. For the differential clock: machines that hold messages back for their disk, because those leave in another order than they were made in. The observer of
//! `synod_machine` stamps whole records from outside and costs nothing on the wire; it needs to see all nodes.

use alloc::vec::Vec;
use core::hash::Hash;

use synod_machine::{
    Context, Data, Effects, Input, Machine, Needs, NodeId, RequestId, Scope, Ticket, View, Wall,
};

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("stamped.rs");

/// A clock of one process that can be put round a machine.
pub trait LogicalClock {
    /// What messages carry.
    type Stamp: Data;
    /// What the clock shows after an event.
    type Reading: Data;
    /// Whether the clock needs FIFO channels that lose and repeat nothing.
    const NEEDS_CHANNELS: bool = false;

    /// An event that neither sends nor receives.
    fn local(&mut self, wall: Wall);
    /// The send of a message; what it carries.
    fn send(&mut self, to: NodeId, wall: Wall) -> Self::Stamp;
    /// The receive of a message that carried `stamp`.
    fn receive(&mut self, from: NodeId, stamp: &Self::Stamp, wall: Wall);
    /// The last event's time.
    fn reading(&self) -> Self::Reading;
}

/// A machine's message with the clock of its send.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StampedMessage<S, T> {
    /// The clock's stamp.
    pub stamp: S,
    /// The message.
    pub message: T,
}

/// A machine with a clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stamped<M, C: LogicalClock> {
    machine: M,
    clock: C,
    events: Vec<C::Reading>,
}

impl<M, C: LogicalClock> Stamped<M, C> {
    /// Puts a clock round a machine.
    pub fn new(machine: M, clock: C) -> Self {
        Stamped { machine, clock, events: Vec::new() }
    }

    /// The machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// The clock.
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// The times of the last step's events: the input's, then one a send.
    pub fn events(&self) -> &[C::Reading] {
        &self.events
    }
}

impl<M: Machine, C: LogicalClock> Machine for Stamped<M, C> {
    type Message = StampedMessage<C::Stamp, M::Message>;
    type Timer = M::Timer;
    type Command = M::Command;
    type Reply = M::Reply;
    type Event = M::Event;
    type Write = M::Write;
    type Job = M::Job;
    type Done = M::Done;

    const NEEDS: Needs = Needs {
        fifo: M::NEEDS.fifo || C::NEEDS_CHANNELS,
        reliable: M::NEEDS.reliable || C::NEEDS_CHANNELS,
        ..M::NEEDS
    };

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        let Self { machine, clock, events } = self;
        events.clear();
        let input = match input {
            Input::Receive { from, message: StampedMessage { stamp, message } } => {
                clock.receive(from, &stamp, cx.wall);
                Input::Receive { from, message }
            }
            other => {
                clock.local(cx.wall);
                inner(other)
            }
        };
        events.push(clock.reading());
        fx.scope(&mut Stamping { clock, events, wall: cx.wall }, |fx| machine.step(cx, input, fx));
    }

    fn inspect(&self, view: &mut View) {
        view.show("clock", self.clock.reading());
        self.machine.inspect(view);
    }
}

/// The same input for the machine inside. A receive is the caller's.
fn inner<M: Machine, C: LogicalClock>(input: Input<Stamped<M, C>>) -> Input<M> {
    match input {
        Input::Start { saved } => Input::Start { saved },
        Input::Receive { from, message } => Input::Receive { from, message: message.message },
        Input::Fire(timer) => Input::Fire(timer),
        Input::Command { id, command } => Input::Command { id, command },
        Input::Durable(ticket) => Input::Durable(ticket),
        Input::Done(done) => Input::Done(done),
        Input::Link { peer, up } => Input::Link { peer, up },
    }
}

struct Stamping<'a, C: LogicalClock> {
    clock: &'a mut C,
    events: &'a mut Vec<C::Reading>,
    wall: Wall,
}

impl<M: Machine, C: LogicalClock> Scope<M, Stamped<M, C>> for Stamping<'_, C> {
    fn message(
        &mut self,
        to: NodeId,
        message: M::Message,
        _: Option<Ticket>,
    ) -> StampedMessage<C::Stamp, M::Message> {
        let stamp = self.clock.send(to, self.wall);
        self.events.push(self.clock.reading());
        StampedMessage { stamp, message }
    }

    fn timer(&mut self, timer: M::Timer) -> M::Timer {
        timer
    }

    fn write(&mut self, write: M::Write) -> M::Write {
        write
    }

    fn work(&mut self, job: M::Job, fx: &mut Effects<'_, Stamped<M, C>>) {
        fx.work(job);
    }

    fn reply(&mut self, id: RequestId, reply: M::Reply, fx: &mut Effects<'_, Stamped<M, C>>) {
        fx.reply(id, reply);
    }

    fn event(&mut self, event: M::Event, fx: &mut Effects<'_, Stamped<M, C>>) {
        fx.emit(event);
    }

    fn forget(&mut self, before: Ticket, fx: &mut Effects<'_, Stamped<M, C>>) {
        fx.forget(before);
    }
}
