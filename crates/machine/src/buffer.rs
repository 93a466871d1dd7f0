//! The sink of most drivers: effects in a vector that is used again, tickets counted, choices from a source.

use alloc::vec::Vec;

use crate::{Effect, Effects, Machine, Sink, Ticket};

/// Where free choices come from.
pub trait Choices {
    /// A choice below `options`, which is at least 1.
    fn choose(&mut self, label: &'static str, options: u32) -> u32;
    /// 64 random bits.
    fn entropy(&mut self) -> u64;
}

/// Always the first option: for examples and scripts.
#[derive(Clone, Copy, Debug, Default)]
pub struct First;
impl Choices for First {
    fn choose(&mut self, _: &'static str, _: u32) -> u32 {
        0
    }
    fn entropy(&mut self) -> u64 {
        0
    }
}

/// Collects the effects of a step. The driver takes them out of [`Buffer::effects`] before the next one.
#[derive(Debug)]
pub struct Buffer<M: Machine, C> {
    /// The step's effects, in order.
    pub effects: Vec<Effect<M>>,
    /// Source of free choices.
    pub choices: C,
    next: Ticket,
}

impl<M: Machine, C: Choices> Buffer<M, C> {
    /// An empty buffer whose first write gets the ticket `next`: one more than the last that survived.
    pub fn new(choices: C, next: Ticket) -> Self {
        Buffer { effects: Vec::new(), choices, next }
    }

    /// The machine's view of this buffer.
    pub fn effects(&mut self) -> Effects<'_, M> {
        Effects::new(self)
    }

    /// The ticket that the next write gets.
    pub fn next_ticket(&self) -> Ticket {
        self.next
    }
}

impl<M: Machine, C: Choices> Sink<M> for Buffer<M, C> {
    fn put(&mut self, effect: Effect<M>) {
        self.effects.push(effect);
    }

    fn write(&mut self, write: M::Write) -> Ticket {
        let ticket = self.next;
        self.next = Ticket(ticket.0 + 1);
        self.effects.push(Effect::Write { ticket, write });
        ticket
    }

    fn choose(&mut self, label: &'static str, options: u32) -> u32 {
        self.choices.choose(label, options)
    }

    fn entropy(&mut self) -> u64 {
        self.choices.entropy()
    }
}
