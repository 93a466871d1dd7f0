//! The tester of the crate `stateright`, which is made for the short histories of its model checker.
//!
//! It tries the orders one by one, without a memo. Histories are given to it as they are; a client that goes on after
//! an operation that was never answered becomes another thread, since its threads have one operation at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};
use synod_check::history::{Client, Event, History};
use synod_check::specification::Specification;

/// One of our specifications as one of its reference objects.
struct Object<S: Specification> {
    spec: Arc<S>,
    state: S::State,
}

impl<S: Specification> Clone for Object<S> {
    fn clone(&self) -> Self {
        Self { spec: self.spec.clone(), state: self.state.clone() }
    }
}

impl<S: Specification> SequentialSpec for Object<S> {
    type Op = S::Input;
    /// Nothing where no answer came.
    type Ret = Option<S::Output>;

    fn invoke(&mut self, input: &S::Input) -> Self::Ret {
        self.is_valid_step(input, &None);
        None
    }

    fn is_valid_step(&mut self, input: &S::Input, output: &Self::Ret) -> bool {
        let after = self.spec.step(&self.state, input, output.as_ref());
        after.map(|after| self.state = after).is_some()
    }
}

/// Whether the history is linearizable. It may take for ever, and as much stack as the history is long.
pub fn check<S: Specification + Clone>(spec: &S, history: &History<S::Input, S::Output>) -> Option<bool> {
    let object = Object { spec: Arc::new(spec.clone()), state: spec.initial() };
    let mut tester = LinearizabilityTester::new(object);
    let mut threads: BTreeMap<Client, u64> = BTreeMap::new();
    let mut thread_of = vec![0; history.len()];
    let mut next = 0;
    for event in history.events() {
        match *event {
            Event::Invoked(index) => {
                let operation = &history.operations()[index];
                let thread = *threads.entry(operation.client).or_insert_with(|| {
                    next += 1;
                    next
                });
                thread_of[index] = thread;
                tester.on_invoke(thread, operation.input.clone()).ok()?;
                if operation.output().is_none() {
                    threads.remove(&operation.client);
                }
            }
            Event::Returned(index) => {
                let output = history.operations()[index].output().cloned();
                tester.on_return(thread_of[index], output).ok()?;
            }
        }
    }
    Some(tester.is_consistent())
}
