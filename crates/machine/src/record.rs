//! One step as one atomic record, and what became of each message.

use alloc::vec::Vec;
use core::hash::{Hash, Hasher};

use crate::{Effect, Input, Machine, Mono, NodeId, SendId};

/// One step: everything that went into it and everything that it asked for.
#[derive(Debug)]
pub struct Record<M: Machine> {
    /// Counts the records of a run, from 0.
    pub number: u64,
    /// Where.
    pub node: NodeId,
    /// When, on the trace's own clock (in a simulation the true time, on a live node its monotonic clock).
    pub time: Mono,
    /// The message that was received, if one was.
    pub cause: Option<SendId>,
    /// The step's input.
    pub input: Input<M>,
    /// The step's effects, in order.
    pub effects: Vec<Effect<M>>,
    /// The id of the first send among the effects; the others count on from it.
    pub first_send: SendId,
}

impl<M: Machine> Hash for Record<M> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.number, self.node, self.time, self.cause, self.first_send).hash(state);
        self.input.hash(state);
        self.effects.hash(state);
    }
}

impl<M: Machine> Record<M> {
    /// The record's sends with their ids, in order.
    pub fn sends(&self) -> impl Iterator<Item = (SendId, NodeId, &M::Message)> {
        let sends = self.effects.iter().filter_map(|effect| match effect {
            Effect::Send { to, message, .. } => Some((*to, message)),
            _ => None,
        });
        sends.zip(self.first_send.0..).map(|((to, message), id)| (SendId(id), to, message))
    }
}

/// Why a message did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The network lost it.
    Lossy,
    /// The link was reset while it was under way, or down when it was sent.
    LinkDown,
    /// The receiver was down.
    ReceiverDown,
    /// The sender crashed before what it waited for was durable.
    NeverLeft,
    /// A queue on the way was full.
    Overflow,
    /// A fault line named it.
    ByHand,
}

/// What became of a send. Each has exactly one fate by the end of its trace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// Received once, by the record of that number.
    Delivered(u64),
    /// Lost, and why.
    Dropped(Loss),
    /// Stopped by the partition (fault) of that number.
    Blocked(u64),
    /// Received several times, by these records.
    Duplicated(Vec<u64>),
    /// Neither received nor lost when the trace ended.
    InFlight,
}

/// A 64-bit FNV-1a hasher: the same on every machine and in every version, so that a run's fingerprint can be written down.
#[derive(Clone, Copy, Debug)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fingerprint {
    fn finish(&self) -> u64 {
        // FNV mixes its last bytes poorly into the high bits; one round of a finalizer mends that.
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0x9fb2_1c65_1e98_df25);
        mixed ^ (mixed >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        // Eight bytes a round: records are hashed at every simulated step, and this is most of their cost.
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            let word = u64::from_le_bytes(chunk.try_into().expect("a chunk of eight bytes"));
            self.write_u64(word);
        }
        for byte in chunks.remainder() {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(27);
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
}
