//! What is asked at about the same time, handed over together.
//!
//! A connection reads many requests at once. Given to the core one by one, the first would wake its thread, or be stepped on the spot, while the others
//! are still on their way: a batch of one, and then a batch of the rest. Whoever has more to come therefore holds, and what anyone asks
//! meanwhile is gathered until a holder lets go, which happens within one turn of a connection.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Inputs that wait for a holder to let go.
#[derive(Debug)]
pub struct Gathering<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    holders: u32,
    inputs: Vec<T>,
}

impl<T> Default for Gathering<T> {
    fn default() -> Self {
        Gathering { state: Mutex::new(State { holders: 0, inputs: Vec::new() }) }
    }
}

impl<T> Gathering<T> {
    /// From now on inputs are gathered, until [`Gathering::release`].
    pub fn hold(&self) {
        self.lock().holders += 1;
    }

    /// Lets go, and gives what was gathered, by whomever; others may hold on for what comes after.
    pub fn release(&self) -> Vec<T> {
        let mut state = self.lock();
        state.holders = state.holders.saturating_sub(1);
        std::mem::take(&mut state.inputs)
    }

    /// Takes an input in, if somebody holds; else gives it back.
    pub fn gather(&self, input: T) -> Option<T> {
        let mut state = self.lock();
        if state.holders == 0 {
            return Some(input);
        }
        state.inputs.push(input);
        None
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gathered_goes_with_the_first_who_lets_go() {
        let gathering = Gathering::default();
        assert_eq!(gathering.gather(1), Some(1), "nobody holds");
        gathering.hold();
        gathering.hold();
        assert_eq!((gathering.gather(2), gathering.gather(3)), (None, None));
        assert_eq!(gathering.release(), [2, 3]);
        assert_eq!(gathering.gather(4), None, "the other one still holds");
        assert_eq!(gathering.release(), [4]);
        assert_eq!(gathering.gather(5), Some(5));
    }
}
