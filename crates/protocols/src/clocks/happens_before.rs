//! The happens-before relation of an execution, as reachability in its graph of events: what clocks are checked against.
//!
//! # The problem
//!
//! A clock claims that one event came before another, or that neither could know of the other. To judge the claim one needs the truth, found without any clock.
//!
//! # The rules
//!
//! Lamport 1978, section "The partial ordering": `e` happened before `f` if `e` came first at the same process, or `e` is the send of a message that
//! `f` receives, or through a third event. So each event has at most two direct causes, the one before it at its process and the send
//! of what it receives, and `e` happened before `f` iff a path of direct causes leads from `f` back to `e`: [`Execution::happened_before`].
//!
//! A *cut* takes the first so many events of each process. It is consistent iff it contains the send of each message whose receive it contains (Chandy and Lamport 1985;
//! Mattern 1989): [`Execution::check_cut`].
//!
//! # What is guaranteed
//!
//! Exactly the relation, on the events that were told. A message that is received twice is two events with one cause.
//!
//! # What is assumed
//!
//! Events are told in an order in which causes come before effects; any trace is one.
//!
//! # What it costs
//!
//! Memory: two numbers an event. A question: the events of `f`'s past, at most. All pairs at once, by [`Execution::pasts`]: a bit a pair.
//!
//! # What is left out
//!
//! Real time: that one event was over before another began is known to no process.
//!
//! ```
//! use synod_machine::NodeId;
//! use synod_protocols::clocks::Execution;
//!
//! let (p1, p2) = (NodeId(1), NodeId(2));
//! let mut execution = Execution::default();
//! let send = execution.event(p1, None);
//! let beside = execution.event(p2, None);
//! let receive = execution.event(p2, Some(send));
//! assert!(execution.happened_before(send, receive));
//! assert!(execution.concurrent(send, beside));
//! ```

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use synod_machine::NodeId;

/// This file, for the laboratory's description.
pub const SOURCE: &str = include_str!("happens_before.rs");

/// An event of an execution, counted from 0 in the order in which they were told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub usize);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "e{}", self.0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Event {
    node: NodeId,
    previous: Option<EventId>,
    cause: Option<EventId>,
}

/// The events of one execution with their direct causes.
#[derive(Clone, Debug, Default)]
pub struct Execution {
    events: Vec<Event>,
    last: BTreeMap<NodeId, EventId>,
}

/// The message that makes a cut inconsistent: received inside, sent outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromTheFuture {
    /// The send, after its process's last event of the cut.
    pub send: EventId,
    /// The receive, inside the cut.
    pub receive: EventId,
}

impl Execution {
    /// The next event of that process; `cause` is the send of the message that it receives, if it receives one.
    ///
    /// # Panics
    /// When the cause has not been told.
    pub fn event(&mut self, node: NodeId, cause: Option<EventId>) -> EventId {
        let id = EventId(self.events.len());
        assert!(
            cause.is_none_or(|cause| cause < id),
            "a cause is told before its effect, found {cause:?} at {id}"
        );
        let previous = self.last.insert(node, id);
        self.events.push(Event { node, previous, cause });
        id
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Where an event happened.
    pub fn node(&self, event: EventId) -> NodeId {
        self.events[event.0].node
    }

    /// The last event of a process so far.
    pub fn last(&self, node: NodeId) -> Option<EventId> {
        self.last.get(&node).copied()
    }

    /// Whether `e` could have influenced `f`. No event happened before itself.
    pub fn happened_before(&self, e: EventId, f: EventId) -> bool {
        self.path(e, f).is_some()
    }

    /// Neither could have influenced the other.
    pub fn concurrent(&self, e: EventId, f: EventId) -> bool {
        e != f && !self.happened_before(e, f) && !self.happened_before(f, e)
    }

    /// A chain of direct causes from `e` to `f`, both included: the proof that `e` happened before `f`.
    pub fn path(&self, e: EventId, f: EventId) -> Option<Vec<EventId>> {
        if e >= f {
            return None;
        }
        // Causes have smaller numbers, so nothing before `e` can lead back to it.
        let mut effect: Vec<Option<EventId>> = vec![None; f.0 - e.0];
        let mut open = vec![f];
        while let Some(event) = open.pop() {
            for cause in self.causes(event).filter(|cause| *cause >= e) {
                let known = &mut effect[cause.0 - e.0];
                if known.is_none() {
                    *known = Some(event);
                    open.push(cause);
                }
            }
        }
        let mut path = vec![e];
        while *path.last()? != f {
            path.push(effect[path.last()?.0 - e.0]?);
        }
        Some(path)
    }

    /// The whole relation at once.
    pub fn pasts(&self) -> Pasts {
        let words = self.len().div_ceil(64);
        let mut bits = vec![0_u64; words * self.len()];
        for id in (0..self.len()).map(EventId) {
            let (earlier, own) = bits.split_at_mut(id.0 * words);
            for cause in self.causes(id) {
                for (word, past) in own[..words].iter_mut().zip(&earlier[cause.0 * words..]) {
                    *word |= past;
                }
                own[cause.0 / 64] |= 1 << (cause.0 % 64);
            }
        }
        Pasts { words, bits }
    }

    /// All that happened before an event.
    pub fn past(&self, event: EventId) -> Past {
        let mut bits = vec![0_u64; event.0.div_ceil(64)];
        let mut open = vec![event];
        while let Some(event) = open.pop() {
            for cause in self.causes(event) {
                let (word, bit) = (&mut bits[cause.0 / 64], 1 << (cause.0 % 64));
                if *word & bit == 0 {
                    *word |= bit;
                    open.push(cause);
                }
            }
        }
        Past(bits)
    }

    /// Whether a cut is consistent: `cut` gives the last event of each process that belongs to it; processes without one have none in it.
    ///
    /// # Errors
    /// The first message, in the order of receives, that comes from the cut's future.
    pub fn check_cut(&self, cut: &BTreeMap<NodeId, EventId>) -> Result<(), FromTheFuture> {
        let inside = |event: EventId| cut.get(&self.events[event.0].node).is_some_and(|last| event <= *last);
        for receive in (0..self.len()).map(EventId).filter(|event| inside(*event)) {
            if let Some(send) = self.events[receive.0].cause.filter(|send| !inside(*send)) {
                return Err(FromTheFuture { send, receive });
            }
        }
        Ok(())
    }

    fn causes(&self, event: EventId) -> impl Iterator<Item = EventId> + use<> {
        let Event { previous, cause, .. } = self.events[event.0];
        previous.into_iter().chain(cause)
    }
}

/// The set of all that happened before one event, a bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past(Vec<u64>);

impl Past {
    /// Whether `e` is in it.
    pub fn contains(&self, e: EventId) -> bool {
        self.0.get(e.0 / 64).is_some_and(|word| word & (1 << (e.0 % 64)) != 0)
    }
}

/// For each event the set of all that happened before it, a bit each.
#[derive(Clone, Debug)]
pub struct Pasts {
    words: usize,
    bits: Vec<u64>,
}

impl Pasts {
    /// Whether `e` happened before `f`.
    pub fn happened_before(&self, e: EventId, f: EventId) -> bool {
        self.bits[f.0 * self.words + e.0 / 64] & (1 << (e.0 % 64)) != 0
    }
}
