//! What an object does when it has one client and no failures.
//!
//! A specification is a state and a step. It is deterministic: from one state, one input has one effect and one
//! correct output. What is uncertain in a history (an answer that never came) is uncertain about *whether and when*
//! the step was made, not about what it did.
//!
//! The checker knows nothing about an object but what stands here. Four optional methods tell it more and make it
//! faster: [`Specification::effect`] (an operation that changes nothing can be placed as soon as it fits; one that
//! overwrites everything hides what was just before it), [`Specification::access`] (plain reads and writes are judged by
//! their values), [`Specification::partition`] (independent parts are checked
//! one by one: linearizability is local), and [`Specification::objection`] (which makes it better at explaining). A
//! wrong answer of `effect`, `access` or `partition` makes wrong verdicts; the defaults are always right.

mod counter;
mod entry;
pub mod key_value;
mod keyed;
mod lock;
mod multi_register;
mod queue;
mod register;
mod set;
mod texts;

use std::fmt::Debug;
use std::hash::Hash;

use crate::history::History;

pub use counter::{Counter, CounterInput, CounterOutput};
pub use entry::{Entry, EntryInput, EntryOutput};
pub use key_value::KeyValue;
pub use keyed::{At, Keyed};
pub use lock::{ANYBODY, Lock, LockInput, LockOutput, LockState};
pub use multi_register::{MultiRegister, RegisterPart};
pub use queue::{Queue, QueueInput, QueueOutput};
pub use register::{CasInput, CasOutput, CasRegister, Register, RegisterInput, RegisterOutput};
pub use set::{Set, SetInput, SetOutput};
pub use texts::Texts;

/// What an operation, with the output that it had, does to the state wherever it is legal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Leaves the state as it is, in every state in which it is legal: a read, a compare-and-swap that failed.
    ReadOnly,
    /// Is legal in every state, and the state after it does not depend on the state before: a blind write of a
    /// register.
    Overwrite,
    /// Anything else. Always a correct answer.
    General,
}

/// An operation that is no more than one of a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access<T> {
    /// Is legal exactly where the state is this one, and leaves it so.
    Read(T),
    /// Is legal everywhere, and leads to this state.
    Write(T),
}

/// Operations that are impossible together, for a reason that needs no search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The operations; the reason needs each of them.
    pub operations: Vec<usize>,
    /// Whether it is one because the others were answered as they were; else, whatever the others did.
    pub needs_answers: bool,
}

/// A sequential specification.
pub trait Specification {
    /// What a client asks.
    type Input: Clone + Debug + Eq + Hash;
    /// What a client is answered.
    type Output: Clone + Debug + Eq;
    /// What the object remembers.
    type State: Clone + Debug + Eq + Hash;
    /// The name of an independent part of the object.
    type Partition: Clone + Debug + Ord;

    /// The state before the first operation.
    fn initial(&self) -> Self::State;

    /// The state after `input` was answered with `output`, or `None` if that answer is not the right one in `state`.
    /// With no output (the answer is not known) every input is legal unless the specification knows better.
    fn step(
        &self,
        state: &Self::State,
        input: &Self::Input,
        output: Option<&Self::Output>,
    ) -> Option<Self::State>;

    /// What kind of effect the operation has; see [`Effect`]. Without an output: what it has whenever it happens.
    fn effect(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        let _ = (input, output);
        Effect::General
    }

    /// The independent part that the operation concerns. Parts are checked separately only if every operation of the
    /// history names one, and an operation must neither see nor change anything outside its part.
    fn partition(&self, input: &Self::Input) -> Option<Self::Partition> {
        let _ = input;
        None
    }

    /// Like [`effect`](Self::effect), where it is known that all operations of the history concern one partition: what
    /// overwrites that part overwrites everything then.
    fn effect_within_partition(&self, input: &Self::Input, output: Option<&Self::Output>) -> Effect {
        self.effect(input, output)
    }

    /// The operation as one of a register, if it is no more than that; asked, like
    /// [`effect_within_partition`](Self::effect_within_partition), where all operations concern one partition. A history
    /// of such operations in which no state is written twice is judged in time linear but for sorting.
    fn access(&self, input: &Self::Input, output: Option<&Self::Output>) -> Option<Access<Self::State>> {
        let _ = (input, output);
        None
    }

    /// Whether `output` can be the right answer neither in `state` nor in any state that follows from it, whatever happens: a
    /// search that waits for it looks no further from there. Always a correct answer: no.
    fn is_past(&self, state: &Self::State, input: &Self::Input, output: &Self::Output) -> bool {
        let _ = (state, input, output);
        false
    }

    /// Of a history that is impossible, and ends with the return of the operation `last`: a few operations, that one among
    /// them, that are impossible already, where the object knows them without a search. Always a correct answer: nothing.
    fn contradiction(
        &self,
        history: &History<Self::Input, Self::Output>,
        last: usize,
    ) -> Option<Contradiction> {
        let _ = (history, last);
        None
    }

    /// Whether `other` is of the operations of which one must have come before, if `output` is the right answer to `input`,
    /// whatever else came before and whatever that was answered; nothing if the answer proves no such thing. Always a
    /// correct answer: nothing.
    fn is_source(&self, other: &Self::Input, input: &Self::Input, output: &Self::Output) -> Option<bool> {
        let _ = (other, input, output);
        None
    }

    /// Why `output` is not the right answer in `state`, as a clause ("it would have read 3").
    fn objection(&self, state: &Self::State, input: &Self::Input, output: &Self::Output) -> String {
        let _ = (state, input, output);
        "it does not fit".to_owned()
    }

    /// The operation in a few words ("write 3", "read → 3"); no output means that none is known.
    fn describe_operation(&self, input: &Self::Input, output: Option<&Self::Output>) -> String {
        match output {
            Some(output) => format!("{input:?} → {output:?}"),
            None => format!("{input:?} → ?"),
        }
    }

    /// The state in a few words.
    fn describe_state(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }
}

impl<S: Specification> Specification for &S {
    type Input = S::Input;
    type Output = S::Output;
    type State = S::State;
    type Partition = S::Partition;

    fn initial(&self) -> Self::State {
        (**self).initial()
    }

    fn step(&self, state: &S::State, input: &S::Input, output: Option<&S::Output>) -> Option<S::State> {
        (**self).step(state, input, output)
    }

    fn effect(&self, input: &S::Input, output: Option<&S::Output>) -> Effect {
        (**self).effect(input, output)
    }

    fn partition(&self, input: &S::Input) -> Option<S::Partition> {
        (**self).partition(input)
    }

    fn effect_within_partition(&self, input: &S::Input, output: Option<&S::Output>) -> Effect {
        (**self).effect_within_partition(input, output)
    }

    fn access(&self, input: &S::Input, output: Option<&S::Output>) -> Option<Access<S::State>> {
        (**self).access(input, output)
    }

    fn is_past(&self, state: &S::State, input: &S::Input, output: &S::Output) -> bool {
        (**self).is_past(state, input, output)
    }

    fn contradiction(&self, history: &History<S::Input, S::Output>, last: usize) -> Option<Contradiction> {
        (**self).contradiction(history, last)
    }

    fn is_source(&self, other: &S::Input, input: &S::Input, output: &S::Output) -> Option<bool> {
        (**self).is_source(other, input, output)
    }

    fn objection(&self, state: &S::State, input: &S::Input, output: &S::Output) -> String {
        (**self).objection(state, input, output)
    }

    fn describe_operation(&self, input: &S::Input, output: Option<&S::Output>) -> String {
        (**self).describe_operation(input, output)
    }

    fn describe_state(&self, state: &S::State) -> String {
        (**self).describe_state(state)
    }
}
