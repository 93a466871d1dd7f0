//! A first-in-first-out queue.
//!
//! What a history of a queue can prove is order: what was enqueued first leaves first, each element once. The proof
//! comes late: while elements wait, any order of those that were enqueued side by side is possible, and with a long
//! queue there are too many to be kept. So [`Queue::for_history`] looks at the dequeues first: an element whose dequeue
//! returned before another's began was ahead of it in the queue, and a step that puts it behind is refused. That
//! loses no explanation, since none has such a step. And elements that nobody ever takes are all alike.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::Hash;

use super::{Effect, Specification};
use crate::history::{Event, History};

/// A queue of any length that begins empty.
#[derive(Clone, Debug)]
pub struct Queue<V> {
    /// By value: when its dequeue was invoked and when it returned, as positions in the history.
    dequeues: BTreeMap<V, (usize, usize)>,
    /// Values that are certainly never dequeued.
    left: BTreeSet<V>,
}

impl<V> Default for Queue<V> {
    fn default() -> Self {
        Self { dequeues: BTreeMap::new(), left: BTreeSet::new() }
    }
}

impl<V: Clone + Ord> Queue<V> {
    /// A queue with what the dequeues of `history` prove, and which must be used with that history alone. Only values
    /// that are enqueued once and dequeued once prove anything.
    pub fn for_history(history: &History<QueueInput<V>, QueueOutput<V>>) -> Self {
        let mut times: BTreeMap<&V, (usize, usize)> = BTreeMap::new();
        let mut dequeues: BTreeMap<V, (usize, usize)> = BTreeMap::new();
        let mut invoked = vec![0; history.len()];
        let mut is_any_unknown = false;
        for (position, event) in history.events().iter().enumerate() {
            let (Event::Invoked(index) | Event::Returned(index)) = *event;
            let operation = &history.operations()[index];
            if let Event::Invoked(_) = event {
                invoked[index] = position;
                match &operation.input {
                    QueueInput::Enqueue(value) => times.entry(value).or_default().0 += 1,
                    QueueInput::Dequeue => is_any_unknown |= operation.output().is_none(),
                }
            } else if let Some(QueueOutput::Dequeued(Some(value))) = operation.output() {
                times.entry(value).or_default().1 += 1;
                dequeues.insert(value.clone(), (invoked[index], position));
            }
        }
        let mut left = BTreeSet::new();
        for (value, (enqueued, dequeued)) in times {
            if dequeued == 0 && !is_any_unknown {
                left.insert(value.clone());
            }
            if (enqueued, dequeued) != (1, 1) {
                dequeues.remove(value);
            }
        }
        Self { dequeues, left }
    }

    /// Whether the dequeues prove that `value` is ahead of `other`.
    fn is_ahead(&self, value: &V, other: Option<&V>) -> bool {
        match (self.dequeues.get(value), other) {
            (Some(_), None) => true,
            (Some((_, returned)), Some(other)) => {
                self.dequeues.get(other).is_some_and(|(invoked, _)| returned < invoked)
            }
            (None, _) => false,
        }
    }
}

/// What a queue is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueInput<V> {
    /// Put the value at the end.
    Enqueue(V),
    /// Take the value at the front, if there is one.
    Dequeue,
}

/// What a queue answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum QueueOutput<V> {
    /// The value was put at the end.
    Enqueued,
    /// The value that was at the front, or that the queue was empty.
    Dequeued(Option<V>),
}

impl<V: Clone + Debug + Ord + Hash> Specification for Queue<V> {
    type Input = QueueInput<V>;
    type Output = QueueOutput<V>;
    /// The elements, the front first; nothing for one that nobody ever takes.
    type State = VecDeque<Option<V>>;
    type Partition = Infallible;

    fn initial(&self) -> Self::State {
        VecDeque::new()
    }

    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State> {
        if let QueueInput::Enqueue(value) = input
            && state.iter().any(|other| self.is_ahead(value, other.as_ref()))
        {
            return None;
        }
        let mut after = state.clone();
        match (input, output) {
            (QueueInput::Enqueue(value), None | Some(QueueOutput::Enqueued)) => {
                after.push_back((!self.left.contains(value)).then(|| value.clone()))
            }
            (QueueInput::Dequeue, None) => {
                after.pop_front();
            }
            (QueueInput::Dequeue, Some(QueueOutput::Dequeued(taken))) => {
                // An element that nobody takes is not the one that was taken, nor none.
                if after.pop_front() != taken.clone().map(Some) {
                    return None;
                }
            }
            _ => return None,
        }
        Some(after)
    }

    fn effect(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        match (input, output) {
            (QueueInput::Dequeue, Some(QueueOutput::Dequeued(None))) => Effect::ReadOnly,
            _ => Effect::General,
        }
    }

    fn is_source(&self, other: &Self::Input, _: &Self::Input, output: &Self::Output) -> Option<bool> {
        let QueueOutput::Dequeued(Some(taken)) = output else { return None };
        Some(matches!(other, QueueInput::Enqueue(value) if value == taken))
    }

    fn objection(&self, state: &Self::State, input: &Self::Input, output: &Self::Output) -> String {
        match (input, output, state.front()) {
            (QueueInput::Dequeue, QueueOutput::Dequeued(_), Some(front)) => match front {
                Some(front) => format!("it would have taken {front:?}"),
                None => "it would have taken an element that nobody took".to_owned(),
            },
            (QueueInput::Dequeue, QueueOutput::Dequeued(_), None) => "it would have found nothing".to_owned(),
            (QueueInput::Enqueue(value), QueueOutput::Enqueued, _) => {
                let behind = state.iter().find(|other| self.is_ahead(value, other.as_ref()));
                behind.map_or_else(String::new, |other| {
                    format!("{value:?} left before {}, which was in already", name(other))
                })
            }
            _ => format!("{output:?} is no answer to {input:?}"),
        }
    }

    fn describe_operation(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match (input, output) {
            (QueueInput::Enqueue(value), Some(QueueOutput::Enqueued)) => format!("enqueue {value:?}"),
            (QueueInput::Enqueue(value), None) => format!("enqueue {value:?} → ?"),
            (QueueInput::Dequeue, Some(QueueOutput::Dequeued(Some(value)))) => format!("dequeue → {value:?}"),
            (QueueInput::Dequeue, Some(QueueOutput::Dequeued(None))) => "dequeue → empty".to_owned(),
            (QueueInput::Dequeue, None) => "dequeue → ?".to_owned(),
            (input, Some(output)) => format!("{input:?} → {output:?}"),
        }
    }

    fn describe_state(&self, state: &Self::State) -> String {
        let names: Vec<String> = state.iter().map(name).collect();
        if names.is_empty() { "empty".to_owned() } else { format!("[{}]", names.join(", ")) }
    }
}

fn name<V: Debug>(element: &Option<V>) -> String {
    element.as_ref().map_or_else(|| "one that nobody took".to_owned(), |value| format!("{value:?}"))
}
