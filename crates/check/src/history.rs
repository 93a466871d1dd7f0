//! Histories: what the clients of an object did and saw.
//!
//! An operation has an invocation, and either a return with an output or nothing: a request that timed out, or whose
//! connection broke, may have taken effect, may take effect later, or never. Such an operation is *open*: it stays
//! concurrent with everything that follows its invocation. A checker that treated it as failed would accuse correct
//! stores; one that treated it as done would too.
//!
//! There are two ways to make a history, with two meanings of "before":
//! - [`Recorder`]: one observer (a simulator) reports invocations and returns in the order in which they happened. That
//!   order is the real-time order, also between events at the same time.
//! - [`History::from_operations`]: operations from several logs, brought together by their times. Two events at the
//!   same time have no known order, so an invocation comes before a return: the operations count as concurrent. This
//!   can only hide a violation that the clocks were too coarse to prove, never invent one. The clocks of the logs must
//!   be one clock, or be wrong by less than what separates operations that are taken to be ordered.
//!
//! A client is sequential: it has one operation at a time. After an operation was abandoned (left open) the client may
//! go on with another; that is what a client with a timeout does.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Who invoked an operation. Any number that tells the clients of one history apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(pub u64);

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "client {}", self.0)
    }
}

/// The name of an operation in its history: its index in the order of invocation for a recorder, in the order given
/// for [`History::from_operations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OperationId(pub u64);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// How an operation ended, as far as its client knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome<O> {
    /// An answer came.
    Returned {
        /// When it came, since the beginning of the run.
        at: Duration,
        /// What it said.
        output: O,
    },
    /// No answer ever came: the operation may take effect at any time after its invocation, or never.
    Open,
}

/// One operation of one client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation<I, O> {
    /// Who invoked it.
    pub client: Client,
    /// What was asked.
    pub input: I,
    /// When it was invoked, since the beginning of the run.
    pub invoked: Duration,
    /// How it ended.
    pub outcome: Outcome<O>,
}

impl<I, O> Operation<I, O> {
    /// An operation that was answered.
    pub fn returned(client: Client, invoked: Duration, at: Duration, input: I, output: O) -> Self {
        Self { client, input, invoked, outcome: Outcome::Returned { at, output } }
    }

    /// An operation that was never answered.
    pub fn open(client: Client, invoked: Duration, input: I) -> Self {
        Self { client, input, invoked, outcome: Outcome::Open }
    }

    /// The answer, if one came.
    pub fn output(&self) -> Option<&O> {
        match &self.outcome {
            Outcome::Returned { output, .. } => Some(output),
            Outcome::Open => None,
        }
    }
}

/// One end of an operation, in the real-time order of a history. The number is an index into
/// [`History::operations`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The operation was invoked.
    Invoked(usize),
    /// The operation was answered. An open operation has no such event.
    Returned(usize),
}

/// Why something is not a history.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HistoryError {
    /// An operation cannot be answered before it was asked.
    #[error(
        "operation {operation} of {client} returned at {returned:?}, before it was invoked at {invoked:?}"
    )]
    ReturnBeforeInvoke {
        /// Which operation.
        operation: OperationId,
        /// Whose.
        client: Client,
        /// When it was invoked.
        invoked: Duration,
        /// When it is said to have returned.
        returned: Duration,
    },
    /// A client has one operation at a time.
    #[error("{client} invoked operation {second} at {at:?} while its operation {first} had not ended")]
    Overlap {
        /// Whose.
        client: Client,
        /// The operation that had not ended.
        first: OperationId,
        /// The operation that was invoked too early.
        second: OperationId,
        /// When it was invoked.
        at: Duration,
    },
    /// One observer sees events in the order of time.
    #[error("an event at {at:?} was recorded after one at {latest:?}: a recorder's time never goes back")]
    TimeWentBack {
        /// The time of the event that was refused.
        at: Duration,
        /// The latest time recorded before.
        latest: Duration,
    },
    /// An operation ends once.
    #[error("operation {operation} is not in flight: it was never invoked, or has ended already")]
    NotInFlight {
        /// Which operation.
        operation: OperationId,
    },
}

/// A validated history: operations, and the order of their ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<I, O> {
    operations: Vec<Operation<I, O>>,
    events: Vec<Event>,
}

impl<I, O> Default for History<I, O> {
    fn default() -> Self {
        Self { operations: Vec::new(), events: Vec::new() }
    }
}

impl<I, O> History<I, O> {
    /// A history of operations brought together by their times; events at one time are concurrent.
    ///
    /// # Errors
    /// An operation returned before it was invoked, or a client had two operations at once.
    pub fn from_operations(operations: Vec<Operation<I, O>>) -> Result<Self, HistoryError> {
        let mut latest_of_client: BTreeMap<Client, Vec<usize>> = BTreeMap::new();
        let mut ends = Vec::with_capacity(operations.len() * 2);
        for (index, operation) in operations.iter().enumerate() {
            ends.push((operation.invoked, false, index));
            if let Outcome::Returned { at, .. } = operation.outcome {
                if at < operation.invoked {
                    return Err(HistoryError::ReturnBeforeInvoke {
                        operation: OperationId(index as u64),
                        client: operation.client,
                        invoked: operation.invoked,
                        returned: at,
                    });
                }
                ends.push((at, true, index));
            }
            latest_of_client.entry(operation.client).or_default().push(index);
        }
        for (client, mut indices) in latest_of_client {
            indices.sort_by_key(|&index| (operations[index].invoked, end_of(&operations[index])));
            for pair in indices.windows(2) {
                let (first, second) = (&operations[pair[0]], &operations[pair[1]]);
                if let Outcome::Returned { at, .. } = first.outcome
                    && at > second.invoked
                {
                    return Err(HistoryError::Overlap {
                        client,
                        first: OperationId(pair[0] as u64),
                        second: OperationId(pair[1] as u64),
                        at: second.invoked,
                    });
                }
            }
        }
        // At one time invocations come first: see the essay of this module.
        ends.sort_unstable();
        let events = ends
            .into_iter()
            .map(|(_, returned, index)| if returned { Event::Returned(index) } else { Event::Invoked(index) })
            .collect();
        Ok(Self { operations, events })
    }

    /// The same order of events with other inputs and outputs. The operations must be the same in number and have the
    /// same ends.
    pub(crate) fn with_operations(&self, operations: Vec<Operation<I, O>>) -> Self {
        assert_eq!(operations.len(), self.operations.len(), "expected as many operations as before");
        Self { operations, events: self.events.clone() }
    }

    /// A history of operations and the order of their ends, which fit each other.
    pub(crate) fn from_parts(operations: Vec<Operation<I, O>>, events: Vec<Event>) -> Self {
        let ends =
            operations.iter().map(|operation| 1 + usize::from(operation.output().is_some())).sum::<usize>();
        assert_eq!(events.len(), ends, "expected one event for each end of an operation");
        Self { operations, events }
    }

    /// The same history, in which some operations, by their index, were never answered.
    pub fn without_answers(&self, is_unanswered: &[bool]) -> Self
    where
        I: Clone,
        O: Clone,
    {
        let operation = |(operation, &is_unanswered): (&Operation<I, O>, &bool)| match is_unanswered {
            true => Operation::open(operation.client, operation.invoked, operation.input.clone()),
            false => operation.clone(),
        };
        let is_left = |event: &&Event| !matches!(event, Event::Returned(index) if is_unanswered[*index]);
        Self {
            operations: self.operations.iter().zip(is_unanswered).map(operation).collect(),
            events: self.events.iter().filter(is_left).copied().collect(),
        }
    }

    /// The same history in the words of another specification.
    pub fn map<J, P>(&self, input: impl Fn(&I) -> J, output: impl Fn(&O) -> P) -> History<J, P> {
        let operation = |operation: &Operation<I, O>| Operation {
            client: operation.client,
            input: input(&operation.input),
            invoked: operation.invoked,
            outcome: match &operation.outcome {
                Outcome::Returned { at, output: answer } => {
                    Outcome::Returned { at: *at, output: output(answer) }
                }
                Outcome::Open => Outcome::Open,
            },
        };
        History { operations: self.operations.iter().map(operation).collect(), events: self.events.clone() }
    }

    /// The operations. An [`OperationId`] is an index into them.
    pub fn operations(&self) -> &[Operation<I, O>] {
        &self.operations
    }

    /// The ends of the operations in real-time order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Number of operations.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }
}

/// When an operation is over for its client; an open one is over at once, since the client may have gone on any time.
fn end_of<I, O>(operation: &Operation<I, O>) -> Duration {
    match operation.outcome {
        Outcome::Returned { at, .. } => at,
        Outcome::Open => operation.invoked,
    }
}

/// Makes a history from events reported in the order in which they happened.
#[derive(Clone, Debug)]
pub struct Recorder<I, O> {
    /// `None` where an operation is known not to have happened.
    operations: Vec<Option<Operation<I, O>>>,
    events: Vec<Event>,
    in_flight: BTreeMap<Client, usize>,
    latest: Duration,
}

impl<I, O> Default for Recorder<I, O> {
    fn default() -> Self {
        Self {
            operations: Vec::new(),
            events: Vec::new(),
            in_flight: BTreeMap::new(),
            latest: Duration::ZERO,
        }
    }
}

impl<I, O> Recorder<I, O> {
    /// A recorder that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// A client asks.
    ///
    /// # Errors
    /// The client still waits for its last answer, or time went back.
    pub fn invoke(&mut self, client: Client, at: Duration, input: I) -> Result<OperationId, HistoryError> {
        let index = self.operations.len();
        if let Some(&first) = self.in_flight.get(&client) {
            return Err(HistoryError::Overlap {
                client,
                first: OperationId(first as u64),
                second: OperationId(index as u64),
                at,
            });
        }
        self.advance(at)?;
        self.in_flight.insert(client, index);
        self.operations.push(Some(Operation::open(client, at, input)));
        self.events.push(Event::Invoked(index));
        Ok(OperationId(index as u64))
    }

    /// The answer arrives.
    ///
    /// # Errors
    /// The operation is not in flight, or time went back.
    pub fn complete(&mut self, id: OperationId, at: Duration, output: O) -> Result<(), HistoryError> {
        let index = self.index_in_flight(id)?;
        self.advance(at)?;
        let operation = self.operations[index].as_mut().expect("an operation in flight is kept");
        operation.outcome = Outcome::Returned { at, output };
        self.in_flight.remove(&operation.client);
        self.events.push(Event::Returned(index));
        Ok(())
    }

    /// The client gives up waiting: whether the operation takes effect is unknown for ever.
    ///
    /// # Errors
    /// The operation is not in flight.
    pub fn abandon(&mut self, id: OperationId) -> Result<(), HistoryError> {
        let index = self.index_in_flight(id)?;
        self.in_flight.retain(|_, &mut waiting| waiting != index);
        Ok(())
    }

    /// The answer is that the operation did *not* and will not take effect: it is no part of the history.
    ///
    /// # Errors
    /// The operation is not in flight.
    pub fn refuse(&mut self, id: OperationId) -> Result<(), HistoryError> {
        let index = self.index_in_flight(id)?;
        self.in_flight.retain(|_, &mut waiting| waiting != index);
        self.operations[index] = None;
        Ok(())
    }

    /// The history so far. Operations still in flight are open in it. Operations keep their order of invocation, and
    /// their ids as long as none was refused.
    pub fn finish(self) -> History<I, O> {
        let mut index_after = Vec::with_capacity(self.operations.len());
        let mut operations = Vec::with_capacity(self.operations.len());
        for operation in self.operations {
            index_after.push(operation.is_some().then_some(operations.len()));
            operations.extend(operation);
        }
        let events = self
            .events
            .into_iter()
            .filter_map(|event| match event {
                Event::Invoked(index) => index_after[index].map(Event::Invoked),
                Event::Returned(index) => index_after[index].map(Event::Returned),
            })
            .collect();
        History { operations, events }
    }

    fn index_in_flight(&self, id: OperationId) -> Result<usize, HistoryError> {
        let in_flight = |index: &usize| self.in_flight.values().any(|waiting| waiting == index);
        usize::try_from(id.0).ok().filter(in_flight).ok_or(HistoryError::NotInFlight { operation: id })
    }

    fn advance(&mut self, at: Duration) -> Result<(), HistoryError> {
        if at < self.latest {
            return Err(HistoryError::TimeWentBack { at, latest: self.latest });
        }
        self.latest = at;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn a_return_before_its_invocation_is_refused() {
        let operation = Operation::returned(Client(1), ms(5), ms(4), "read", 0);
        let error = History::from_operations(vec![operation]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "operation #0 of client 1 returned at 4ms, before it was invoked at 5ms"
        );
    }

    #[test]
    fn two_operations_of_one_client_at_once_are_refused_whatever_their_order_in_the_list() {
        let late = Operation::returned(Client(1), ms(3), ms(9), "late", 0);
        let early = Operation::returned(Client(1), ms(1), ms(4), "early", 0);
        let error = History::from_operations(vec![late, early]).unwrap_err();
        assert_eq!(
            error,
            HistoryError::Overlap {
                client: Client(1),
                first: OperationId(1),
                second: OperationId(0),
                at: ms(3)
            }
        );
    }

    #[test]
    fn a_client_may_go_on_after_an_operation_that_was_never_answered() {
        let open = Operation::open(Client(1), ms(1), "write");
        let next = Operation::returned(Client(1), ms(2), ms(3), "read", 0);
        let history = History::from_operations(vec![open, next]).unwrap();
        assert_eq!(history.events(), [Event::Invoked(0), Event::Invoked(1), Event::Returned(1)]);
    }

    #[test]
    fn events_at_one_time_are_concurrent_between_logs_and_ordered_for_one_recorder() {
        let first = Operation::returned(Client(1), ms(1), ms(2), "a", 0);
        let second = Operation::returned(Client(2), ms(2), ms(3), "b", 0);
        let merged = History::from_operations(vec![first, second]).unwrap();
        assert_eq!(merged.events()[1..3], [Event::Invoked(1), Event::Returned(0)]);

        let mut recorder = Recorder::new();
        let first = recorder.invoke(Client(1), ms(1), "a").unwrap();
        recorder.complete(first, ms(2), 0).unwrap();
        recorder.invoke(Client(2), ms(2), "b").unwrap();
        assert_eq!(recorder.finish().events()[1..3], [Event::Returned(0), Event::Invoked(1)]);
    }

    #[test]
    fn a_recorder_refuses_what_cannot_have_happened() {
        let mut recorder = Recorder::new();
        let first = recorder.invoke(Client(1), ms(5), "a").unwrap();
        assert!(matches!(recorder.invoke(Client(1), ms(6), "b"), Err(HistoryError::Overlap { .. })));
        assert!(matches!(recorder.complete(first, ms(4), 0), Err(HistoryError::TimeWentBack { .. })));
        recorder.complete(first, ms(6), 0).unwrap();
        assert!(matches!(recorder.complete(first, ms(7), 0), Err(HistoryError::NotInFlight { .. })));
        assert!(matches!(recorder.abandon(OperationId(7)), Err(HistoryError::NotInFlight { .. })));
    }

    #[test]
    fn a_refused_operation_is_no_part_of_the_history_and_an_abandoned_one_stays_open() {
        let mut recorder = Recorder::new();
        let refused = recorder.invoke(Client(1), ms(1), "refused").unwrap();
        recorder.refuse(refused).unwrap();
        let abandoned = recorder.invoke(Client(1), ms(2), "abandoned").unwrap();
        recorder.abandon(abandoned).unwrap();
        let last = recorder.invoke(Client(1), ms(3), "last").unwrap();
        recorder.complete(last, ms(4), 0).unwrap();
        let history = recorder.finish();
        let inputs: Vec<_> = history.operations().iter().map(|operation| operation.input).collect();
        assert_eq!(inputs, ["abandoned", "last"]);
        assert_eq!(history.events(), [Event::Invoked(0), Event::Invoked(1), Event::Returned(1)]);
    }
}
