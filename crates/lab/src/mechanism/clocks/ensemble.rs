//! Processes with clocks, and the judge that knows what really happened before what.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::{Data, Effect, NodeId, SendId};
use synod_protocols::clocks::{EventId, Execution, LogicalClock, Stamped, StampedMessage};
use synod_sim::{Boot, Step, Violation};

use super::chatter::{Chatter, Word};
use crate::entry::{Ensemble, Invariant, Nodes};

/// What is claimed of a clock's readings.
pub trait Claims: LogicalClock + Sized + std::fmt::Debug + 'static {
    /// The clock of a process.
    fn of(me: NodeId) -> Self;

    /// Judges two events, `e` told before `f`, when it is known how they are related: `Less` if `e` happened before `f`, `None` if they are concurrent.
    ///
    /// # Errors
    /// The property that does not hold, and what was found.
    fn judge(
        claims: &Claimed,
        e: &Self::Reading,
        f: &Self::Reading,
        truth: Option<Ordering>,
    ) -> Result<(), (&'static str, String)>;

    /// Judges one event by itself; `wall` is its process's wall clock.
    ///
    /// # Errors
    /// The property that does not hold, and what was found.
    fn judge_alone(_: &Claimed, _: &Self::Reading) -> Result<(), (&'static str, String)> {
        Ok(())
    }
}

/// What is claimed in this run.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Also that a smaller Lamport clock means "before": it does not.
    pub converse: bool,
    /// How far wall clocks are apart at most.
    pub epsilon: Duration,
    /// Processes.
    pub nodes: u64,
}

/// How the processes talk.
#[derive(Clone, Debug)]
pub struct Talk {
    /// Time between two utterances, at most.
    pub pace: Duration,
    /// Utterances of each.
    pub utterances: u64,
}

/// All processes of a run.
#[derive(Debug)]
pub struct Processes<C: Claims> {
    claims: Claimed,
    talk: Talk,
    execution: Execution,
    readings: Vec<(C::Reading, u64)>,
    /// Sends by the driver's number.
    sends: BTreeMap<SendId, EventId>,
    next_send: u64,
    concurrent: u64,
    ordered: u64,
}

impl<C: Claims> Processes<C> {
    /// Processes that talk so, with these claims about their clocks.
    pub fn new(claims: Claimed, talk: Talk) -> Self {
        Processes {
            claims,
            talk,
            execution: Execution::default(),
            readings: Vec::new(),
            sends: BTreeMap::new(),
            next_send: 0,
            concurrent: 0,
            ordered: 0,
        }
    }

    /// A new event is held against all before it.
    fn event(
        &mut self,
        node: NodeId,
        cause: Option<EventId>,
        reading: C::Reading,
        record: u64,
    ) -> Result<EventId, Violation> {
        let event = self.execution.event(node, cause);
        let past = self.execution.past(event);
        let violation = |(property, sentence): (&str, String), other: Option<NodeId>| {
            Violation::new(property, other.into_iter().chain([node]), sentence)
        };
        C::judge_alone(&self.claims, &reading)
            .map_err(|(property, sentence)| violation((property, format!("{sentence} (e{record})")), None))?;
        for (place, (earlier, at)) in self.readings.iter().enumerate() {
            let before = past.contains(EventId(place));
            let truth = before.then_some(Ordering::Less);
            C::judge(&self.claims, earlier, &reading, truth).map_err(|(property, sentence)| {
                let other = self.execution.node(EventId(place));
                let related = if before { "happened before" } else { "is concurrent with" };
                let sentence =
                    format!("an event of e{at} at {other} {related} one of e{record} at {node}: {sentence}");
                violation((property, sentence), Some(other))
            })?;
            if before {
                self.ordered += 1;
            } else {
                self.concurrent += 1;
            }
        }
        self.readings.push((reading, record));
        Ok(event)
    }
}

impl<C: Claims> Ensemble for Processes<C>
where
    C::Stamp: Data,
{
    type Machine = Stamped<Chatter, C>;

    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Stamped<Chatter, C> {
        let peers = (1..=self.claims.nodes).map(NodeId).filter(|peer| *peer != boot.node).collect();
        Stamped::new(Chatter::new(peers, self.talk.pace, self.talk.utterances), C::of(boot.node))
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Self::Machine>) -> Result<(), Violation> {
        let Some(machine) = nodes.machine(step.node) else { return Ok(()) };
        let cause = step.cause.and_then(|send| self.sends.get(&send).copied());
        let mut readings = machine.events().iter().cloned();
        let expected = "a stamped machine has a reading for its input and for each send";
        self.event(step.node, cause, readings.next().expect(expected), step.number)?;
        for effect in step.effects {
            if let Effect::Send { .. } = effect {
                let sent = self.event(step.node, None, readings.next().expect(expected), step.number)?;
                self.sends.insert(SendId(self.next_send), sent);
                self.next_send += 1;
            }
        }
        Ok(())
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("clocks.events", self.execution.len() as u64),
            ("clocks.pairs ordered", self.ordered),
            ("clocks.pairs concurrent", self.concurrent),
        ]
    }

    fn message_kind(&self, _: &StampedMessage<C::Stamp, Word>) -> &'static str {
        "word"
    }
}
