//! What must hold of every snapshot, checked against all that was sent and received: the oracle sees the whole run, no process does.
//!
//! - *Consistent cut* (Chandy and Lamport 1985, section 2.1; theorem 1): no message is received before its receiver recorded that was sent after its sender
//!   did. Judged by the happens-before relation of the run.
//! - *Channel states* (section 3.2): exactly what was sent before the sender recorded and not received before the receiver did, in order.
//! - *One marker* a directed channel and snapshot (section 3.2).

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use synod_machine::NodeId;

use super::{GlobalState, SnapshotId};
use crate::clocks::happens_before::{EventId, Execution};

/// A directed channel: sender, receiver.
type Channel = (NodeId, NodeId);

/// A run as the snapshots' oracle sees it. `T` are the application's messages.
#[derive(Clone, Debug)]
pub struct History<T> {
    execution: Execution,
    channels: BTreeMap<Channel, Vec<Passage<T>>>,
    cuts: BTreeMap<SnapshotId, BTreeMap<NodeId, EventId>>,
    markers: BTreeMap<(SnapshotId, Channel), u64>,
}

/// One message of the application: sent, and perhaps received.
#[derive(Clone, Debug)]
struct Passage<T> {
    message: T,
    sent: EventId,
    received: Option<EventId>,
}

impl<T> Default for History<T> {
    fn default() -> Self {
        History {
            execution: Execution::default(),
            channels: BTreeMap::new(),
            cuts: BTreeMap::new(),
            markers: BTreeMap::new(),
        }
    }
}

impl<T: Clone + PartialEq + core::fmt::Debug> History<T> {
    /// A message of the application was sent. Gives its place on the channel, which names it at its receipt.
    pub fn sent(&mut self, from: NodeId, to: NodeId, message: T) -> usize {
        let sent = self.execution.event(from, None);
        let channel = self.channels.entry((from, to)).or_default();
        channel.push(Passage { message, sent, received: None });
        channel.len() - 1
    }

    /// The message at that place of the channel was received.
    pub fn received(&mut self, from: NodeId, to: NodeId, place: usize) {
        let Some(passage) = self.channels.get_mut(&(from, to)).and_then(|channel| channel.get_mut(place))
        else {
            return;
        };
        let received = self.execution.event(to, Some(passage.sent));
        // Of a copy the first receipt counts.
        passage.received.get_or_insert(received);
    }

    /// A marker was sent.
    ///
    /// # Errors
    /// When the channel has had one of that snapshot before.
    pub fn marker(&mut self, from: NodeId, to: NodeId, id: SnapshotId) -> Result<(), String> {
        let sent = self.markers.entry((id, (from, to))).or_insert(0);
        *sent += 1;
        if *sent == 1 {
            return Ok(());
        }
        Err(format!("one marker a channel: {from} sent {to} the {sent}th of snapshot {id}"))
    }

    /// Markers of that snapshot so far.
    pub fn markers(&self, id: SnapshotId) -> u64 {
        self.markers.iter().filter(|((of, _), _)| *of == id).map(|(_, count)| *count).sum()
    }

    /// A node wrote its state down.
    pub fn recorded(&mut self, node: NodeId, id: SnapshotId) {
        let event = self.execution.event(node, None);
        self.cuts.entry(id).or_default().entry(node).or_insert(event);
    }

    /// A snapshot is complete: is it a consistent cut with the right channel states?
    ///
    /// # Errors
    /// What was expected and found.
    pub fn completed<S>(&self, state: &GlobalState<S, T>) -> Result<(), String> {
        let id = state.id;
        let empty = BTreeMap::new();
        let cut = self.cuts.get(&id).unwrap_or(&empty);
        if let Err(message) = self.execution.check_cut(cut) {
            let (from, to) = (self.execution.node(message.send), self.execution.node(message.receive));
            return Err(format!(
                "consistent cut: in snapshot {id} a message of {from} was received before {to} recorded, but sent after {from} did"
            ));
        }
        for ((from, to), passages) in &self.channels {
            let expected = under_way(passages, cut.get(from), cut.get(to));
            let part = state.parts.get(to);
            let found = part.and_then(|part| part.channels.get(from)).map_or(&[][..], Vec::as_slice);
            if expected != found.iter().collect::<Vec<_>>() {
                return Err(format!(
                    "channel state: in snapshot {id} expected {expected:?} under way from {from} to {to}, found {found:?}"
                ));
            }
        }
        Ok(())
    }
}

/// What was sent before the sender recorded and not received before the receiver did.
fn under_way<'a, T>(
    passages: &'a [Passage<T>],
    sender: Option<&EventId>,
    receiver: Option<&EventId>,
) -> Vec<&'a T> {
    let sent = |passage: &&Passage<T>| sender.is_some_and(|recorded| passage.sent < *recorded);
    let received = |passage: &Passage<T>| {
        passage.received.is_some_and(|at| receiver.is_some_and(|recorded| at < *recorded))
    };
    let mut under_way: Vec<&Passage<T>> =
        passages.iter().filter(sent).filter(|passage| !received(passage)).collect();
    // In the order of the channel: messages that waited for a disk left later than they were sent.
    under_way.sort_by_key(|passage| (passage.received.is_none(), passage.received));
    under_way.into_iter().map(|passage| &passage.message).collect()
}
