//! What is at one key of a plain key-value store: a text, or nothing.
//!
//! `Keyed<Entry, K>` is the store: get, put, append, delete, compare-and-swap, each key apart.

use std::convert::Infallible;
use std::sync::Arc;

use super::{Access, Effect, Specification};

/// A text that may be missing.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// What is there before the first operation. Some stores do not tell a missing key from an empty text; in a history
    /// of such a store, without deletions, an empty text is there.
    pub initial: Option<Arc<str>>,
}

/// What a key is asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EntryInput {
    /// Return the text.
    Get,
    /// Replace the text.
    Put(Arc<str>),
    /// Add to the end of the text; a missing one is empty.
    Append(Arc<str>),
    /// Take the text away.
    Delete,
    /// Replace the text by `new` if it is `expected`.
    CompareAndSwap {
        /// What must be there.
        expected: Option<Arc<str>>,
        /// What is there afterwards.
        new: Arc<str>,
    },
}

/// What a key answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryOutput {
    /// What a get found.
    Value(Option<Arc<str>>),
    /// A put, an append or a deletion was done.
    Done,
    /// Whether a compare-and-swap found what it expected.
    Swapped(bool),
}

impl Specification for Entry {
    type Input = EntryInput;
    type Output = EntryOutput;
    type State = Option<Arc<str>>;
    type Partition = Infallible;

    fn initial(&self) -> Self::State {
        self.initial.clone()
    }

    fn step(
        &self,
        state: &Self::State,
        input: &EntryInput,
        output: Option<&EntryOutput>,
    ) -> Option<Self::State> {
        let is_done = matches!(output, None | Some(EntryOutput::Done));
        match input {
            EntryInput::Get => match output {
                None => Some(state.clone()),
                Some(EntryOutput::Value(seen)) => (seen == state).then(|| state.clone()),
                Some(_) => None,
            },
            EntryInput::Put(text) => is_done.then(|| Some(text.clone())),
            EntryInput::Append(more) => is_done.then(|| {
                let mut text = state.as_deref().unwrap_or_default().to_owned();
                text.push_str(more);
                Some(text.into())
            }),
            EntryInput::Delete => is_done.then_some(None),
            EntryInput::CompareAndSwap { expected, new } => {
                let swaps = expected == state;
                let is_right = match output {
                    None => true,
                    Some(EntryOutput::Swapped(swapped)) => *swapped == swaps,
                    Some(_) => false,
                };
                is_right.then(|| if swaps { Some(new.clone()) } else { state.clone() })
            }
        }
    }

    fn effect(&self, input: &EntryInput, output: Option<&EntryOutput>) -> Effect {
        match (input, output) {
            (EntryInput::Get, _) | (EntryInput::CompareAndSwap { .. }, Some(EntryOutput::Swapped(false))) => {
                Effect::ReadOnly
            }
            (EntryInput::Put(_) | EntryInput::Delete, None | Some(EntryOutput::Done)) => Effect::Overwrite,
            _ => Effect::General,
        }
    }

    fn access(&self, input: &EntryInput, output: Option<&EntryOutput>) -> Option<Access<Self::State>> {
        match (input, output) {
            (EntryInput::Get, Some(EntryOutput::Value(seen))) => Some(Access::Read(seen.clone())),
            (EntryInput::Put(text), None | Some(EntryOutput::Done)) => {
                Some(Access::Write(Some(text.clone())))
            }
            (EntryInput::Delete, None | Some(EntryOutput::Done)) => Some(Access::Write(None)),
            _ => None,
        }
    }

    fn is_source(&self, other: &EntryInput, input: &EntryInput, output: &EntryOutput) -> Option<bool> {
        let found = match (input, output) {
            (EntryInput::Get, EntryOutput::Value(seen)) => seen,
            (EntryInput::CompareAndSwap { expected, .. }, EntryOutput::Swapped(true)) => expected,
            _ => return None,
        };
        let may_leave_it = match (other, found) {
            (EntryInput::Delete, None) => true,
            (EntryInput::Put(value) | EntryInput::CompareAndSwap { new: value, .. }, Some(text)) => {
                value == text
            }
            // What was there before, and this at its end; an empty one may turn nothing into an empty text.
            (EntryInput::Append(more), Some(text)) => text.ends_with(&**more),
            _ => false,
        };
        (*found != self.initial).then_some(may_leave_it)
    }

    fn objection(&self, state: &Self::State, input: &EntryInput, output: &EntryOutput) -> String {
        match (input, output) {
            (EntryInput::Get, EntryOutput::Value(_)) => {
                format!("it would have found {}", text(state.as_deref()))
            }
            (EntryInput::CompareAndSwap { .. }, EntryOutput::Swapped(true)) => {
                format!("it would have failed: {} was there", text(state.as_deref()))
            }
            (EntryInput::CompareAndSwap { .. }, EntryOutput::Swapped(false)) => {
                "it would have succeeded, since what it expected was there".to_owned()
            }
            _ => format!("{output:?} is no answer to {input:?}"),
        }
    }

    fn describe_operation(&self, input: &EntryInput, output: Option<&EntryOutput>) -> String {
        let asked = match input {
            EntryInput::Get => "get".to_owned(),
            EntryInput::Put(value) => format!("put {value:?}"),
            EntryInput::Append(more) => format!("append {more:?}"),
            EntryInput::Delete => "delete".to_owned(),
            EntryInput::CompareAndSwap { expected, new } => {
                format!("cas {} {new:?}", text(expected.as_deref()))
            }
        };
        match output {
            None => format!("{asked} → ?"),
            Some(EntryOutput::Done) => asked,
            Some(EntryOutput::Value(value)) => format!("{asked} → {}", text(value.as_deref())),
            Some(EntryOutput::Swapped(true)) => format!("{asked} → swapped"),
            Some(EntryOutput::Swapped(false)) => format!("{asked} → failed"),
        }
    }

    fn describe_state(&self, state: &Self::State) -> String {
        text(state.as_deref())
    }
}

fn text(value: Option<&str>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| format!("{value:?}"))
}
