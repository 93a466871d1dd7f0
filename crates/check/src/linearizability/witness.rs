//! One order that explains a history, to be looked at.
//!
//! The search of the parent module proves that there is an order, and forgets it: its worlds are sets. This one remembers
//! how each world came about, and in exchange keeps only a few of them. It follows the same idea: an operation is placed
//! when it returns at the latest, with others before it where that is needed, and reads as soon as they are legal. A
//! blind write that returns unplaced may be *hidden* just before another blind write that was placed while it was in flight.
//!
//! # What is promised
//!
//! An order that is given was replayed: every answer in it is right, and it respects real time. That none was found says
//! nothing; too few worlds may have been kept. The search starts again with more of them until its limit is reached.
//!
//! # What it costs
//!
//! For each return, the number of worlds that are kept times the operations in flight; a history that leaves little open
//! needs one or two worlds.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::rc::Rc;

use crate::history::{Event, History};
use crate::specification::{Effect, Specification};

use super::TimeLimit;

/// How far the search goes.
#[derive(Clone, Copy, Debug)]
pub struct WitnessLimits {
    /// How often the specification may be asked.
    pub steps_max: u64,
    /// How many worlds are kept at most.
    pub worlds_max: usize,
}

impl Default for WitnessLimits {
    /// A second or two.
    fn default() -> Self {
        Self { steps_max: 5_000_000, worlds_max: 4_096 }
    }
}

/// An order of operations, by their indices in the history, and where each takes effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// The operations in the order in which they take effect. Of those that were never answered only the ones that have
    /// an effect are in it.
    pub order: Vec<usize>,
    /// How many of the events are explained.
    pub events: usize,
}

/// Looks for an order that explains `events`, which are of one part of the object or of all of it.
pub fn witness<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    events: &[Event],
    limits: WitnessLimits,
    time: Option<TimeLimit<'_>>,
) -> Option<Witness> {
    let is_late = || time.is_some_and(|TimeLimit { time_max, elapsed }| elapsed() > time_max);
    let mut width = WIDTH_FIRST;
    let mut steps_left = limits.steps_max;
    loop {
        let mut pass = Pass::new(spec, history, events, width, steps_left);
        if let Some(order) = pass.run(&is_late) {
            return is_right(spec, history, events, &order)
                .then_some(Witness { order, events: events.len() });
        }
        steps_left = pass.steps_left;
        width *= WIDTH_GROWTH;
        if steps_left == 0 || width > limits.worlds_max || is_late() {
            return None;
        }
    }
}

/// How often the clock is asked: at one return of so many events.
const EVENTS_PER_LOOK: usize = 16;
/// How many worlds the first pass keeps, and by what this grows from pass to pass.
const WIDTH_FIRST: usize = 4;
const WIDTH_GROWTH: usize = 8;

/// Whether an order explains the events: every answer is right, and nothing comes before what had returned before it
/// was invoked.
fn is_right<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    events: &[Event],
    order: &[usize],
) -> bool {
    let mut position = vec![usize::MAX; history.len()];
    let mut state = spec.initial();
    let returns = returns_within(history.len(), events);
    for (place, &index) in order.iter().enumerate() {
        let operation = &history.operations()[index];
        let output = operation.output().filter(|_| returns[index]);
        let Some(after) = spec.step(&state, &operation.input, output) else { return false };
        state = after;
        position[index] = place;
    }
    // Walking the events: everything that has returned stands before everything that is invoked later.
    let mut returned_last = None;
    for event in events {
        match *event {
            Event::Returned(index) if position[index] == usize::MAX => return false,
            Event::Returned(index) => returned_last = returned_last.max(Some(position[index])),
            Event::Invoked(index) => {
                if position[index] != usize::MAX && Some(position[index]) < returned_last {
                    return false;
                }
            }
        }
    }
    true
}

/// Which of so many operations return within the events.
fn returns_within(count: usize, events: &[Event]) -> Vec<bool> {
    let mut returns = vec![false; count];
    for event in events {
        if let Event::Returned(index) = *event {
            returns[index] = true;
        }
    }
    returns
}

/// What was done to come to a world, the last first.
#[derive(Debug)]
struct Past {
    before: Option<Rc<Past>>,
    operation: usize,
    is_hidden: bool,
}

/// A long past is taken apart one by one; the usual way would go as deep as it is long.
impl Drop for Past {
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(past) = next {
            match Rc::try_unwrap(past) {
                Ok(mut past) => next = past.before.take(),
                Err(_) => break,
            }
        }
    }
}

/// A world: a state, what of the operations in flight has taken effect, and how it came about.
#[derive(Clone)]
struct World<T> {
    state: T,
    /// Operations in flight that have taken effect.
    placed: BTreeSet<usize>,
    /// After how many events the last blind write was placed.
    overwritten_at: Option<usize>,
    past: Option<Rc<Past>>,
}

struct Pass<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    events: &'a [Event],
    width: usize,
    steps_left: u64,
    /// Operations in flight, with the number of the event that invoked them.
    in_flight: Vec<(usize, usize)>,
    /// Which operations return within the events.
    returns: Vec<bool>,
    effects: Vec<Effect>,
}

impl<'a, S: Specification> Pass<'a, S> {
    fn new(
        spec: &'a S,
        history: &'a History<S::Input, S::Output>,
        events: &'a [Event],
        width: usize,
        steps_left: u64,
    ) -> Self {
        let returns = returns_within(history.len(), events);
        let effect = |(index, operation): (usize, &crate::history::Operation<S::Input, S::Output>)| {
            let output = operation.output().filter(|_| returns[index]);
            spec.effect_within_partition(&operation.input, output)
        };
        let effects = history.operations().iter().enumerate().map(effect).collect();
        Self { spec, history, events, width, steps_left, in_flight: Vec::new(), returns, effects }
    }

    fn run(&mut self, is_late: &dyn Fn() -> bool) -> Option<Vec<usize>> {
        let first =
            World { state: self.spec.initial(), placed: BTreeSet::new(), overwritten_at: None, past: None };
        let mut worlds = vec![first];
        for (number, event) in self.events.iter().enumerate() {
            match *event {
                Event::Invoked(index) => {
                    let is_idle = !self.returns[index] && self.effects[index] == Effect::ReadOnly;
                    if is_idle {
                        continue;
                    }
                    self.in_flight.push((index, number));
                    if self.effects[index] == Effect::ReadOnly {
                        for world in &mut worlds {
                            self.place_reads(world);
                        }
                    }
                }
                Event::Returned(index) => {
                    worlds = self.explain(worlds, index, number);
                    self.in_flight.retain(|(other, _)| *other != index);
                    let is_time_to_look = number.is_multiple_of(EVENTS_PER_LOOK);
                    if worlds.is_empty() || self.steps_left == 0 || is_time_to_look && is_late() {
                        return None;
                    }
                }
            }
        }
        worlds.first().map(|world| self.order(world))
    }

    /// The worlds in which the operation that returns now has taken effect.
    fn explain(&mut self, worlds: Vec<World<S::State>>, index: usize, now: usize) -> Vec<World<S::State>> {
        let invoked =
            self.in_flight.iter().find(|(other, _)| *other == index).map_or(0, |(_, number)| *number);
        let mut explained: Vec<World<S::State>> = Vec::new();
        let mut seen: HashSet<(Vec<usize>, S::State)> = HashSet::new();
        let mut queue: VecDeque<World<S::State>> = worlds.into();
        let mut looked_at = 0;
        while let Some(mut world) = queue.pop_front() {
            if world.placed.remove(&index) {
                explained.push(world);
                continue;
            }
            if looked_at == self.width * WORLDS_LOOKED_AT || self.steps_left == 0 {
                continue;
            }
            looked_at += 1;
            let is_blind = self.effects[index] == Effect::Overwrite;
            if is_blind && world.overwritten_at.is_some_and(|at| at > invoked) {
                let past = Past { before: world.past.clone(), operation: index, is_hidden: true };
                explained.push(World { past: Some(Rc::new(past)), ..world.clone() });
            }
            for (other, _) in self.in_flight.clone() {
                if let Some(next) = self.placing(&world, other, now)
                    && seen.insert((next.placed.iter().copied().collect(), next.state.clone()))
                {
                    // What returns now is done with; nothing need come before it that could come after.
                    queue.push_back(next);
                }
            }
        }
        self.reduced(explained)
    }

    /// The world after an operation in flight has taken effect, if it may.
    fn placing(&mut self, world: &World<S::State>, index: usize, now: usize) -> Option<World<S::State>> {
        if world.placed.contains(&index) || self.steps_left == 0 {
            return None;
        }
        self.steps_left -= 1;
        let operation = &self.history.operations()[index];
        let output = operation.output().filter(|_| self.returns[index]);
        let state = self.spec.step(&world.state, &operation.input, output)?;
        if !self.returns[index] && state == world.state {
            return None;
        }
        let mut placed = world.placed.clone();
        placed.insert(index);
        let past = Past { before: world.past.clone(), operation: index, is_hidden: false };
        let overwritten_at =
            if self.effects[index] == Effect::Overwrite { Some(now) } else { world.overwritten_at };
        let mut next = World { state, placed, overwritten_at, past: Some(Rc::new(past)) };
        self.place_reads(&mut next);
        Some(next)
    }

    /// Lets every read in flight take effect that is right now.
    fn place_reads(&mut self, world: &mut World<S::State>) {
        for &(index, _) in &self.in_flight {
            if self.effects[index] != Effect::ReadOnly
                || world.placed.contains(&index)
                || self.steps_left == 0
            {
                continue;
            }
            self.steps_left -= 1;
            let operation = &self.history.operations()[index];
            if self.spec.step(&world.state, &operation.input, operation.output()).is_some() {
                world.placed.insert(index);
                let past = Past { before: world.past.take(), operation: index, is_hidden: false };
                world.past = Some(Rc::new(past));
            }
        }
    }

    /// One world of each kind, those with the fewest operations placed first, as many as are kept.
    fn reduced(&self, mut worlds: Vec<World<S::State>>) -> Vec<World<S::State>> {
        worlds.sort_by_key(|world| (world.placed.len(), std::cmp::Reverse(world.overwritten_at)));
        let mut seen: HashSet<(Vec<usize>, S::State)> = HashSet::new();
        worlds.retain(|world| seen.insert((world.placed.iter().copied().collect(), world.state.clone())));
        worlds.truncate(self.width);
        worlds
    }

    /// What happened to come to a world, the first first.
    fn order(&self, world: &World<S::State>) -> Vec<usize> {
        let mut past = Vec::new();
        let mut next = world.past.as_ref();
        while let Some(step) = next {
            past.push((step.operation, step.is_hidden));
            next = step.before.as_ref();
        }
        let mut order: Vec<usize> = Vec::with_capacity(past.len());
        for (operation, is_hidden) in past.into_iter().rev() {
            if !is_hidden {
                order.push(operation);
                continue;
            }
            let last = order.iter().rposition(|&other| self.effects[other] == Effect::Overwrite);
            order.insert(last.unwrap_or(0), operation);
        }
        order
    }
}

/// How many worlds are looked at for one return, for each that is kept.
const WORLDS_LOOKED_AT: usize = 64;
