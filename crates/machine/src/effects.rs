//! What a step asks for: [`Effects`] is the machine's side, [`Sink`] the driver's, [`Scope`] what lies between a
//! machine and its parts.
//!
//! Effects go straight to the driver's buffer, whatever the depth of composition: a child's effects pass through its
//! parent's [`Scope`] one by one, in order, without a buffer in between.

use core::fmt::Debug;
use core::hash::{Hash, Hasher};
use core::ops::RangeInclusive;
use core::time::Duration;

use crate::{Machine, NodeId, RequestId, Ticket};

/// One thing that a step asked for. The driver acts on them in order.
#[derive(Debug)]
pub enum Effect<M: Machine + ?Sized> {
    /// Send; if `after` is given, only once that ticket is durable.
    Send {
        /// The receiver.
        to: NodeId,
        /// What it gets.
        message: M::Message,
        /// Held back until this is durable.
        after: Option<Ticket>,
    },
    /// Answer a command; commands may be answered several times (a watch) or never.
    Reply {
        /// The command's id.
        id: RequestId,
        /// The answer.
        reply: M::Reply,
        /// Held back until this is durable.
        after: Option<Ticket>,
    },
    /// Tell whoever embeds the machine.
    Emit(M::Event),
    /// Set the one deadline of that name, in place of an earlier one: the driver draws the delay from the range.
    Arm {
        /// Its name.
        timer: M::Timer,
        /// Shortest delay.
        least: Duration,
        /// Longest delay.
        most: Duration,
    },
    /// Clear a deadline.
    Disarm(M::Timer),
    /// Log a write; `Input::Durable` follows some time.
    Write {
        /// Its place in the log.
        ticket: Ticket,
        /// What to log.
        write: M::Write,
    },
    /// Writes before this ticket are not needed at the next start, once every write asked for before this effect is
    /// durable (what replaces them may be among those).
    Forget {
        /// The oldest ticket to keep.
        before: Ticket,
    },
    /// Hand work to the worker.
    Work(M::Job),
    /// A fact for traces and statistics, counted by name.
    Note {
        /// What is counted or shown.
        name: &'static str,
        /// How much.
        value: u64,
    },
}

impl<M: Machine + ?Sized> Clone for Effect<M> {
    fn clone(&self) -> Self {
        match self {
            Effect::Send { to, message, after } => {
                Effect::Send { to: *to, message: message.clone(), after: *after }
            }
            Effect::Reply { id, reply, after } => {
                Effect::Reply { id: *id, reply: reply.clone(), after: *after }
            }
            Effect::Emit(event) => Effect::Emit(event.clone()),
            Effect::Arm { timer, least, most } => {
                Effect::Arm { timer: timer.clone(), least: *least, most: *most }
            }
            Effect::Disarm(timer) => Effect::Disarm(timer.clone()),
            Effect::Write { ticket, write } => Effect::Write { ticket: *ticket, write: write.clone() },
            Effect::Forget { before } => Effect::Forget { before: *before },
            Effect::Work(job) => Effect::Work(job.clone()),
            Effect::Note { name, value } => Effect::Note { name, value: *value },
        }
    }
}

impl<M: Machine + ?Sized> Hash for Effect<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        core::mem::discriminant(self).hash(state);
        match self {
            Effect::Send { to, message, after } => (to, message, after).hash(state),
            Effect::Reply { id, reply, after } => (id, reply, after).hash(state),
            Effect::Emit(event) => event.hash(state),
            Effect::Arm { timer, least, most } => (timer, least, most).hash(state),
            Effect::Disarm(timer) => timer.hash(state),
            Effect::Write { ticket, write } => (ticket, write).hash(state),
            Effect::Forget { before } => before.hash(state),
            Effect::Work(job) => job.hash(state),
            Effect::Note { name, value } => (name, value).hash(state),
        }
    }
}

/// Where effects go. Drivers implement it once ([`Buffer`](crate::Buffer) serves most); machines never see it.
pub trait Sink<M: Machine + ?Sized> {
    /// Takes one effect; `Write` comes through [`Sink::write`] instead.
    fn put(&mut self, effect: Effect<M>);
    /// Takes a write and gives it the next ticket.
    fn write(&mut self, write: M::Write) -> Ticket;
    /// A choice below `options` (at least 1). Drawn from a stream of its own per label, or enumerated.
    fn choose(&mut self, label: &'static str, options: u32) -> u32;
    /// 64 random bits, for identities that must be unique.
    fn entropy(&mut self) -> u64;
}

/// A machine's way to act.
pub struct Effects<'a, M: Machine + ?Sized> {
    sink: &'a mut (dyn Sink<M> + 'a),
    after: Option<Ticket>,
}

impl<'a, M: Machine + ?Sized> Effects<'a, M> {
    /// Effects that end in `sink`.
    pub fn new(sink: &'a mut (dyn Sink<M> + 'a)) -> Self {
        Effects { sink, after: None }
    }

    /// Sends a message; it may be lost, delayed, duplicated or overtaken unless `NEEDS` says otherwise.
    pub fn send(&mut self, to: NodeId, message: M::Message) {
        self.sink.put(Effect::Send { to, message, after: self.after });
    }

    /// Answers a command.
    pub fn reply(&mut self, id: RequestId, reply: M::Reply) {
        self.sink.put(Effect::Reply { id, reply, after: self.after });
    }

    /// Tells the embedder.
    pub fn emit(&mut self, event: M::Event) {
        self.sink.put(Effect::Emit(event));
    }

    /// Sets the deadline named `timer`, in place of an earlier one of that name.
    pub fn arm(&mut self, timer: M::Timer, after: RangeInclusive<Duration>) {
        let (least, most) = after.into_inner();
        assert!(least <= most, "a timer's range must not be empty, found {least:?}..={most:?}");
        self.sink.put(Effect::Arm { timer, least, most });
    }

    /// Clears the deadline named `timer`, if it is set.
    pub fn disarm(&mut self, timer: M::Timer) {
        self.sink.put(Effect::Disarm(timer));
    }

    /// Logs a write and gives its ticket: `Input::Durable` comes when it can no longer be lost.
    pub fn write(&mut self, write: M::Write) -> Ticket {
        self.sink.write(write)
    }

    /// Sends and replies made in `act` leave the node only when `ticket` is durable. Holds nest: the later ticket wins.
    pub fn hold(&mut self, ticket: Ticket, act: impl FnOnce(&mut Effects<'_, M>)) {
        let after = self.after.max(Some(ticket));
        act(&mut Effects { sink: &mut *self.sink, after });
    }

    /// Writes before `before` need not come back at the next start. It takes effect when every write made so far is durable, so that what
    /// replaces the forgotten ones cannot be lost after them.
    pub fn forget(&mut self, before: Ticket) {
        self.sink.put(Effect::Forget { before });
    }

    /// Hands work to the node's worker; jobs are done in order.
    pub fn work(&mut self, job: M::Job) {
        self.sink.put(Effect::Work(job));
    }

    /// Notes a fact for traces and counters.
    pub fn note(&mut self, name: &'static str, value: u64) {
        self.sink.put(Effect::Note { name, value });
    }

    /// A free choice below `options`, at least 1.
    pub fn choose(&mut self, label: &'static str, options: u32) -> u32 {
        assert!(options > 0, "a choice needs an option: {label}");
        let choice = self.sink.choose(label, options);
        assert!(choice < options, "the driver chose {choice} of {options} for {label}");
        choice
    }

    /// 64 random bits.
    pub fn entropy(&mut self) -> u64 {
        self.sink.entropy()
    }

    /// Lets a part of this machine act: `step` gets the part's own effects, `scope` translates them.
    pub fn scope<C: Machine>(&mut self, scope: &mut dyn Scope<C, M>, step: impl FnOnce(&mut Effects<'_, C>)) {
        let after = self.after;
        let mut scoped = Scoped { up: Effects { sink: &mut *self.sink, after }, scope };
        step(&mut Effects { sink: &mut scoped, after });
    }
}

/// How a part's effects become its parent's. Messages, timers, writes and jobs are wrapped; replies, events and
/// forgetting are the parent's to act on.
pub trait Scope<Child: Machine + ?Sized, Parent: Machine + ?Sized> {
    /// Wraps a message. `after` is the ticket that holds it back: a wrapper that adds messages of its own to a FIFO
    /// channel (a snapshot's marker) holds them back as long, or they would overtake this one.
    fn message(&mut self, to: NodeId, message: Child::Message, after: Option<Ticket>) -> Parent::Message;
    /// Wraps a timer's name.
    fn timer(&mut self, timer: Child::Timer) -> Parent::Timer;
    /// Wraps a write.
    fn write(&mut self, write: Child::Write) -> Parent::Write;
    /// The write that was wrapped last has this ticket.
    fn written(&mut self, _ticket: Ticket) {}
    /// Wraps a job.
    fn work(&mut self, job: Child::Job, fx: &mut Effects<'_, Parent>);
    /// Acts on a reply; `fx` holds it back as the child did.
    fn reply(&mut self, id: RequestId, reply: Child::Reply, fx: &mut Effects<'_, Parent>);
    /// Acts on an event.
    fn event(&mut self, event: Child::Event, fx: &mut Effects<'_, Parent>);
    /// The child needs no write before `before`; others may.
    fn forget(&mut self, before: Ticket, fx: &mut Effects<'_, Parent>);
}

struct Scoped<'a, 's, C: Machine + ?Sized, P: Machine + ?Sized> {
    up: Effects<'a, P>,
    scope: &'s mut dyn Scope<C, P>,
}

impl<C: Machine + ?Sized, P: Machine + ?Sized> Sink<C> for Scoped<'_, '_, C, P> {
    fn put(&mut self, effect: Effect<C>) {
        match effect {
            Effect::Send { to, message, after } => {
                let message = self.scope.message(to, message, after);
                self.up.sink.put(Effect::Send { to, message, after });
            }
            Effect::Reply { id, reply, after } => {
                self.scope.reply(id, reply, &mut Effects { sink: &mut *self.up.sink, after });
            }
            Effect::Emit(event) => self.scope.event(event, &mut self.up),
            Effect::Arm { timer, least, most } => {
                let timer = self.scope.timer(timer);
                self.up.sink.put(Effect::Arm { timer, least, most });
            }
            Effect::Disarm(timer) => {
                let timer = self.scope.timer(timer);
                self.up.sink.put(Effect::Disarm(timer));
            }
            Effect::Write { .. } => unreachable!("writes come through Sink::write, which gives the ticket"),
            Effect::Forget { before } => self.scope.forget(before, &mut self.up),
            Effect::Work(job) => self.scope.work(job, &mut self.up),
            Effect::Note { name, value } => self.up.sink.put(Effect::Note { name, value }),
        }
    }

    fn write(&mut self, write: C::Write) -> Ticket {
        let write = self.scope.write(write);
        let ticket = self.up.sink.write(write);
        self.scope.written(ticket);
        ticket
    }

    fn choose(&mut self, label: &'static str, options: u32) -> u32 {
        self.up.sink.choose(label, options)
    }

    fn entropy(&mut self) -> u64 {
        self.up.sink.entropy()
    }
}
