//! A specification as a table: states and actions by number, each step asked for once.
//!
//! A search makes the same few steps millions of times: a register with five values has six states and ten actions,
//! however long its history is. So states, and operations with their outputs, become small numbers here, and a step is a
//! look into a table. Where that cannot pay (a store whose state is new after every change) the table stays small, and
//! the specification is asked again.
//!
//! Memory is bounded: the number of states that are remembered is kept near the number in use by
//! [`Automaton::collect`], actions beyond the first [`TABLE_ACTIONS_MAX`] are forgotten when nothing in flight needs
//! them, and the table has a fixed greatest size.

use std::hash::Hash;

use crate::hashing::hash_of;
use crate::specification::{Effect, Specification};

/// Actions that are remembered for ever and have a column in the table.
const TABLE_ACTIONS_MAX: usize = 512;
/// States that have a row in the table.
const TABLE_STATES_MAX: usize = 2_048;
/// How far an action is looked for among others with the same place.
const PROBES_MAX: usize = 16;
/// States below which none is ever forgotten.
const STATES_KEPT_MAX: usize = 4_096;

/// No number; or a step that is not legal.
pub(super) const NONE: u32 = u32::MAX;
/// A step that the specification has not been asked for.
const UNASKED: u32 = u32::MAX - 1;

/// An operation with its output, whoever asks it.
#[derive(Clone, Debug)]
pub(super) struct Action<I, O> {
    pub input: I,
    pub output: Option<O>,
    pub effect: Effect,
    hash: u64,
    /// Where an overwrite leads, or [`NONE`] where that is not known.
    leads_to: u32,
}

/// The table.
#[derive(Clone, Debug)]
pub(super) struct Automaton<S: Specification> {
    pub spec: S,
    states: Interned<S::State>,
    states_max: usize,
    actions: Vec<Option<Action<S::Input, S::Output>>>,
    /// Numbers of remembered actions, by their hash; 0 is an empty place and 1 the first action.
    places: Vec<u32>,
    free: Vec<u32>,
    /// Whether no number is given to another action.
    are_kept: bool,
    /// A row for each state, a column for each action.
    table: Vec<u32>,
    columns: usize,
}

impl<S: Specification> Automaton<S> {
    /// The automaton, in whose numbers the initial state is 0.
    pub fn new(spec: S) -> Self {
        let mut states = Interned::default();
        states.number(spec.initial());
        Self {
            spec,
            states,
            states_max: STATES_KEPT_MAX,
            actions: Vec::new(),
            places: vec![0; TABLE_ACTIONS_MAX * 2],
            free: Vec::new(),
            are_kept: false,
            table: Vec::new(),
            columns: 16,
        }
    }

    /// The number of an operation with its output; `effect` is asked for one that is new.
    pub fn action(
        &mut self,
        input: &S::Input,
        output: Option<&S::Output>,
        effect: impl FnOnce(&S) -> Effect,
    ) -> u32 {
        let hash = hash_of(input);
        let mut vacant = None;
        for probe in 0..PROBES_MAX {
            let place = (hash as usize + probe) & (self.places.len() - 1);
            let Some(number) = self.places[place].checked_sub(1) else {
                vacant = Some(place);
                break;
            };
            let known = self.known(number);
            if known.hash == hash && known.input == *input && known.output.as_ref() == output {
                return number;
            }
        }
        let effect = effect(&self.spec);
        let action = Action { input: input.clone(), output: output.cloned(), effect, hash, leads_to: NONE };
        match vacant {
            Some(place) if self.actions.len() < TABLE_ACTIONS_MAX => {
                self.actions.push(Some(action));
                self.places[place] = self.actions.len() as u32;
                self.add_column();
                self.actions.len() as u32 - 1
            }
            _ => self.passing(action),
        }
    }

    /// An operation that gets no column, and a number only for as long as it is in flight.
    fn passing(&mut self, action: Action<S::Input, S::Output>) -> u32 {
        while self.actions.len() < TABLE_ACTIONS_MAX {
            self.actions.push(None);
        }
        if let Some(number) = self.free.pop() {
            self.actions[number as usize] = Some(action);
            return number;
        }
        self.actions.push(Some(action));
        self.actions.len() as u32 - 1
    }

    /// From now on every action keeps its number, for those that come back to what was in flight before.
    pub fn keep_actions(&mut self) {
        self.are_kept = true;
    }

    /// Nothing in flight has this number any more, unless it is one that is remembered.
    pub fn release(&mut self, number: u32) {
        if number as usize >= TABLE_ACTIONS_MAX && !self.are_kept {
            self.actions[number as usize] = None;
            self.free.push(number);
        }
    }

    pub fn known(&self, number: u32) -> &Action<S::Input, S::Output> {
        self.actions[number as usize].as_ref().expect("a number of an action in flight")
    }

    /// The number of a state.
    pub fn number(&mut self, state: S::State) -> u32 {
        self.states.number(state)
    }

    pub fn state(&self, number: u32) -> &S::State {
        self.states.value(number)
    }

    /// Whether two operations in flight ask the same and were answered the same.
    pub fn are_equal(&self, one: u32, two: u32) -> bool {
        if one == two {
            return true;
        }
        let (one, two) = (self.known(one), self.known(two));
        one.hash == two.hash && one.input == two.input && one.output == two.output
    }

    /// The state after `action` in `state`; nothing if it is not legal there.
    #[inline]
    pub fn step(&mut self, state: u32, action: u32) -> Option<u32> {
        let (row, column) = (state as usize, action as usize);
        if column < self.columns && row < TABLE_STATES_MAX {
            let cell = row * self.columns + column;
            if let Some(&known) = self.table.get(cell)
                && known != UNASKED
            {
                return (known != NONE).then_some(known);
            }
        }
        self.ask(state, action)
    }

    /// Where an overwrite leads from any state.
    #[inline]
    pub fn leads_to(&mut self, action: u32) -> u32 {
        let known = self.known(action).leads_to;
        if known != NONE {
            return known;
        }
        let after = self.ask(0, action).expect("an overwrite is legal in every state");
        self.actions[action as usize].as_mut().expect("the action was just found").leads_to = after;
        after
    }

    fn ask(&mut self, state: u32, action: u32) -> Option<u32> {
        let Action { input, output, effect, .. } = self.known(action);
        let read_only = *effect == Effect::ReadOnly;
        let after = self.spec.step(self.states.value(state), input, output.as_ref());
        // What changes nothing leads back, and need not be looked up.
        let number = match after {
            None => NONE,
            Some(_) if read_only => state,
            Some(after) => self.states.number(after),
        };
        let (row, column) = (state as usize, action as usize);
        if column < TABLE_ACTIONS_MAX && row < TABLE_STATES_MAX {
            let cell = row * self.columns + column;
            if self.table.len() <= cell {
                self.table.resize((row + 1) * self.columns, UNASKED);
            }
            self.table[cell] = number;
        }
        (number != NONE).then_some(number)
    }

    fn add_column(&mut self) {
        if self.actions.len() > self.columns {
            self.columns *= 2;
            self.table.clear();
        }
    }

    /// Whether so many states are remembered that it is time to [`collect`](Self::collect).
    pub fn is_full(&self) -> bool {
        self.states.values.len() >= self.states_max
    }

    /// Forgets all states but those with the given numbers, and gives these new numbers.
    pub fn collect<'a>(&mut self, used: impl Iterator<Item = &'a mut u32>) {
        let mut states = Interned::default();
        for number in used {
            *number = states.number(self.states.value(*number).clone());
        }
        // There is always a state 0 to ask where an overwrite leads.
        if states.values.is_empty() {
            states.number(self.spec.initial());
        }
        self.states_max = STATES_KEPT_MAX.max(states.values.len() * 2);
        self.states = states;
        self.table.clear();
        for action in self.actions.iter_mut().flatten() {
            action.leads_to = NONE;
        }
    }
}

/// Values by number, each once.
#[derive(Clone, Debug)]
struct Interned<T> {
    values: Vec<(u64, T)>,
    /// Numbers by hash, a power of two of them; 0 is an empty place and 1 the first value.
    places: Vec<u32>,
}

impl<T> Default for Interned<T> {
    fn default() -> Self {
        Self { values: Vec::new(), places: vec![0; 16] }
    }
}

impl<T: Eq + Hash> Interned<T> {
    fn value(&self, number: u32) -> &T {
        &self.values[number as usize].1
    }

    fn number(&mut self, value: T) -> u32 {
        let hash = hash_of(&value);
        let mut place = hash as usize & (self.places.len() - 1);
        while let Some(number) = self.places[place].checked_sub(1) {
            let (other, known) = &self.values[number as usize];
            if *other == hash && *known == value {
                return number;
            }
            place = (place + 1) & (self.places.len() - 1);
        }
        self.values.push((hash, value));
        let number = u32::try_from(self.values.len()).expect("fewer states than 2^32 fit into memory");
        self.places[place] = number;
        if self.values.len() * 2 > self.places.len() {
            self.grow();
        }
        number - 1
    }

    fn grow(&mut self) {
        let len = self.places.len() * 2;
        self.places.clear();
        self.places.resize(len, 0);
        for (index, (hash, _)) in self.values.iter().enumerate() {
            let mut place = *hash as usize & (len - 1);
            while self.places[place] != 0 {
                place = (place + 1) & (len - 1);
            }
            self.places[place] = index as u32 + 1;
        }
    }
}
