//! Checking while the run goes on, with bounded memory.
//!
//! The outcome of an operation must be known when the search meets its invocation, and it is known only later. So events
//! wait in a queue until the outcome of the operation at its head is decided; then the search takes them. The queue is
//! as long as the longest operation lasts, the search remembers only what is in flight and the worlds that are possible
//! now: memory does not grow with the run. (What does grow it are operations that were abandoned and never show an
//! effect: they stay possible for ever.)

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::history::{Client, OperationId};
use crate::specification::Specification;
use crate::verdict::Verdict;

use super::Limits;
use super::search::{Ending, Label, NEVER, Scope};
use super::tiers::Tiered;

/// A check of a run that is still going on. Events must be given in real-time order.
#[derive(Clone, Debug)]
pub struct Online<S: Specification + Clone> {
    spec: S,
    limits: Limits,
    /// One search, or one for each part of the object that has been touched.
    searches: BTreeMap<Option<S::Partition>, Tiered<S>>,
    /// Operations that the searches have not seen the end of.
    operations: BTreeMap<OperationId, Tracked<S>>,
    waiting_by_client: BTreeMap<Client, OperationId>,
    queue: VecDeque<QueuedEvent>,
    next_id: u64,
    /// Numbers the events, which gives the returns their order.
    event_count: u64,
    latest: Duration,
    ending: Option<Ending>,
}

#[derive(Clone, Debug)]
struct Tracked<S: Specification> {
    label: Label,
    input: S::Input,
    output: Option<S::Output>,
    decided: Decision,
    partition: Option<S::Partition>,
    slot: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Waiting,
    Returned,
    Abandoned,
    Refused,
}

#[derive(Clone, Copy, Debug)]
enum QueuedEvent {
    Invoked(OperationId),
    Returned(OperationId),
}

/// An event that cannot have happened.
pub type OnlineError = crate::history::HistoryError;

impl<S: Specification + Clone> Online<S> {
    /// A check that has seen nothing. The limits hold for each part of the object, where the specification divides it;
    /// a specification must name a part for all operations or for none.
    pub fn new(spec: S, limits: Limits) -> Self {
        Self {
            spec,
            limits,
            searches: BTreeMap::new(),
            operations: BTreeMap::new(),
            waiting_by_client: BTreeMap::new(),
            queue: VecDeque::new(),
            next_id: 0,
            event_count: 0,
            latest: Duration::ZERO,
            ending: None,
        }
    }

    /// A client asks.
    ///
    /// # Errors
    /// The client still waits for its last answer, or time went back.
    pub fn invoke(
        &mut self,
        client: Client,
        at: Duration,
        input: S::Input,
    ) -> Result<OperationId, OnlineError> {
        let id = OperationId(self.next_id);
        if let Some(&first) = self.waiting_by_client.get(&client) {
            return Err(OnlineError::Overlap { client, first, second: id, at });
        }
        self.advance(at)?;
        self.next_id += 1;
        self.waiting_by_client.insert(client, id);
        let partition = self.spec.partition(&input);
        let label = Label { id, client, invoked: at, returned: None, deadline: NEVER };
        let decided = Decision::Waiting;
        self.operations.insert(id, Tracked { label, input, output: None, decided, partition, slot: None });
        self.queue.push_back(QueuedEvent::Invoked(id));
        Ok(id)
    }

    /// The answer arrives.
    ///
    /// # Errors
    /// The operation is not in flight, or time went back.
    pub fn complete(&mut self, id: OperationId, at: Duration, output: S::Output) -> Result<(), OnlineError> {
        self.waiting(id)?;
        self.advance(at)?;
        self.event_count += 1;
        let deadline = self.event_count;
        let tracked = self.decide(id, Decision::Returned);
        tracked.label.returned = Some(at);
        tracked.label.deadline = deadline;
        tracked.output = Some(output);
        self.queue.push_back(QueuedEvent::Returned(id));
        self.drain();
        Ok(())
    }

    /// The client gives up waiting: whether the operation takes effect is unknown for ever.
    ///
    /// # Errors
    /// The operation is not in flight.
    pub fn abandon(&mut self, id: OperationId) -> Result<(), OnlineError> {
        self.waiting(id)?;
        self.decide(id, Decision::Abandoned);
        self.drain();
        Ok(())
    }

    /// The answer is that the operation did not and will not take effect.
    ///
    /// # Errors
    /// The operation is not in flight.
    pub fn refuse(&mut self, id: OperationId) -> Result<(), OnlineError> {
        self.waiting(id)?;
        self.decide(id, Decision::Refused);
        self.drain();
        Ok(())
    }

    /// What is known now: a violation stays one, and so does a limit that was met. Operations whose outcome is not
    /// decided, and what came after them, are not in the verdict yet.
    pub fn verdict(&self) -> Verdict {
        match &self.ending {
            None => Verdict::Linearizable,
            Some(Ending::Violation(violation)) => Verdict::Violation(violation.clone()),
            Some(Ending::Unknown(unknown)) => Verdict::Unknown(unknown.clone()),
        }
    }

    /// Ends the run: what is still waiting for an answer is abandoned.
    pub fn finish(mut self) -> Verdict {
        let waiting: Vec<OperationId> = self.waiting_by_client.values().copied().collect();
        for id in waiting {
            self.decide(id, Decision::Abandoned);
        }
        self.drain();
        self.verdict()
    }

    /// How many operations are held in memory, and how many worlds are possible: what bounds the memory in use.
    pub fn held(&self) -> (usize, usize) {
        let open: usize = self.searches.values().map(Tiered::open_count).sum();
        let worlds = self.searches.values().map(Tiered::width).sum();
        (self.operations.len() + open, worlds)
    }

    /// The states that are possible after what has been checked, where the object is not divided.
    pub fn possible_states(&self) -> impl Iterator<Item = &S::State> {
        self.searches.values().flat_map(Tiered::states)
    }

    fn waiting(&self, id: OperationId) -> Result<(), OnlineError> {
        match self.operations.get(&id) {
            Some(tracked) if tracked.decided == Decision::Waiting => Ok(()),
            _ => Err(OnlineError::NotInFlight { operation: id }),
        }
    }

    fn advance(&mut self, at: Duration) -> Result<(), OnlineError> {
        if at < self.latest {
            return Err(OnlineError::TimeWentBack { at, latest: self.latest });
        }
        self.latest = at;
        Ok(())
    }

    fn decide(&mut self, id: OperationId, decision: Decision) -> &mut Tracked<S> {
        let tracked = self.operations.get_mut(&id).expect("an operation that waits is tracked");
        tracked.decided = decision;
        self.waiting_by_client.remove(&tracked.label.client);
        tracked
    }

    /// Gives the searches all events up to the first whose operation is not decided.
    fn drain(&mut self) {
        while let Some(&event) = self.queue.front() {
            let (QueuedEvent::Invoked(id) | QueuedEvent::Returned(id)) = event;
            if self.operations[&id].decided == Decision::Waiting {
                return;
            }
            self.queue.pop_front();
            let result = match event {
                QueuedEvent::Invoked(_) => self.take_invocation(id),
                QueuedEvent::Returned(_) => self.take_return(id),
            };
            if let Err(ending) = result {
                self.ending = Some(ending);
            }
        }
    }

    fn take_invocation(&mut self, id: OperationId) -> Result<(), Ending> {
        let tracked = self.operations.get_mut(&id).expect("a queued operation is tracked");
        let decided = tracked.decided;
        // After the end nothing is checked any more, but the books are still kept.
        if decided != Decision::Refused && self.ending.is_none() {
            let search = self.searches.entry(tracked.partition.clone()).or_insert_with(|| {
                let scope = match &tracked.partition {
                    Some(partition) => Scope::Partition(format!("{partition:?}")),
                    None => Scope::Whole,
                };
                Tiered::new(self.spec.clone(), scope, self.limits)
            });
            tracked.slot = search.invoke(tracked.label, &tracked.input, tracked.output.as_ref());
        }
        if decided != Decision::Returned {
            self.operations.remove(&id);
        }
        Ok(())
    }

    fn take_return(&mut self, id: OperationId) -> Result<(), Ending> {
        let tracked = self.operations.remove(&id).expect("a queued operation is tracked");
        if self.ending.is_some() {
            return Ok(());
        }
        let search = self.searches.get_mut(&tracked.partition).expect("its invocation made the search");
        search.explain_return(tracked.slot.expect("an operation that returns was given a slot"), &|_, _| None)
    }
}
