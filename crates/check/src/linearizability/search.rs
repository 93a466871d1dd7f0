//! The search itself: operations come into flight, returns are explained, configurations are kept.
//!
//! The rules are in the essay of the parent module; here each stands where it is applied.

use std::time::Duration;

use crate::hashing::{FastSet, hash_of};
use crate::history::{Client, OperationId};
use crate::specification::{Effect, Specification};
use crate::verdict::{Unknown, Violation};

use super::Limits;
use super::configuration::{Configuration, Kinds, reduce};
use super::explain;

/// The deadline of an operation that never returns.
pub(super) const NEVER: u64 = u64::MAX;

/// What the operations given to a search concern.
#[derive(Clone, Debug)]
pub(super) enum Scope {
    /// The whole object.
    Whole,
    /// Only one independent part of it, with this name.
    Partition(String),
}

/// Why a search is over before the history is.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    Violation(Box<Violation>),
    Unknown(Unknown),
}

/// An operation as a search is given it.
#[derive(Clone, Debug)]
pub(super) struct InFlight<I, O> {
    pub id: OperationId,
    pub client: Client,
    pub invoked: Duration,
    /// When it returns; nothing if it never does.
    pub returned: Option<Duration>,
    pub input: I,
    pub output: Option<O>,
    /// A number that orders the returns, or [`NEVER`].
    pub deadline: u64,
}

/// An operation in flight, with what the rules need to know.
#[derive(Clone, Debug)]
pub(super) struct Slot<I, O> {
    pub operation: InFlight<I, O>,
    effect: Effect,
    /// What operations that could be twins have in common.
    twin_hash: u64,
    /// A twin with an earlier deadline, which is to be used first.
    twin_before: Option<usize>,
}

/// A search under way.
#[derive(Clone, Debug)]
pub(super) struct Search<S: Specification> {
    pub spec: S,
    pub scope: Scope,
    limits: Limits,
    pub slots: Vec<Option<Slot<S::Input, S::Output>>>,
    free: Vec<usize>,
    /// Slots in use of operations that may change the state, earliest deadline first.
    pub writers: Vec<usize>,
    /// Slots in use of operations that change nothing.
    pub readers: Vec<usize>,
    kinds: Kinds,
    /// All worlds that explain what has returned. Never empty.
    pub frontier: Vec<Configuration<S::State>>,
    /// Where the next frontier is collected.
    next: Vec<Configuration<S::State>>,
    /// Worlds visited while one return is explained, with whether they were reached by a bare overwrite.
    visited: FastSet<Visit<S::State>>,
    stack: Vec<Visit<S::State>>,
    steps: u64,
    pub returned_count: u64,
}

/// A world, and whether the last thing that happened in it is an overwrite that no read in flight has seen.
type Visit<T> = (Configuration<T>, bool);

impl<S: Specification> Search<S> {
    pub fn new(spec: S, scope: Scope, limits: Limits) -> Self {
        let first =
            Configuration { used: Default::default(), hideable: Default::default(), state: spec.initial() };
        Self {
            spec,
            scope,
            limits,
            slots: Vec::new(),
            free: Vec::new(),
            writers: Vec::new(),
            readers: Vec::new(),
            kinds: Kinds::default(),
            frontier: vec![first],
            next: Vec::new(),
            visited: FastSet::default(),
            stack: Vec::new(),
            steps: 0,
            returned_count: 0,
        }
    }

    /// An operation comes into flight. It gets a slot, to be named when it returns; none if it has nothing to say.
    pub fn invoke(&mut self, operation: InFlight<S::Input, S::Output>) -> Result<Option<usize>, Ending> {
        let (input, output) = (&operation.input, operation.output.as_ref());
        let effect = match self.scope {
            Scope::Whole => self.spec.effect(input, output),
            Scope::Partition(_) => self.spec.effect_within_partition(input, output),
        };
        let never_returns = operation.deadline == NEVER;
        if never_returns && effect == Effect::ReadOnly {
            return Ok(None);
        }
        let twin_hash = hash_of(input);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(Slot { operation, effect, twin_hash, twin_before: None });
        if effect == Effect::ReadOnly {
            self.readers.push(slot);
            self.kinds.read_only.insert(slot);
            self.read_at_once(slot)?;
            return Ok(Some(slot));
        }
        if never_returns {
            self.kinds.unknown.insert(slot);
        } else if effect == Effect::Overwrite {
            self.kinds.overwrite.insert(slot);
        }
        self.pair_with_twins(slot);
        let deadline = self.deadline(slot);
        let place = self.writers.partition_point(|&other| self.deadline(other) <= deadline);
        self.writers.insert(place, slot);
        Ok(Some(slot))
    }

    /// The operation in `slot` returns: keeps the worlds in which it has taken effect, or can now.
    pub fn explain_return(&mut self, slot: usize) -> Result<(), Ending> {
        let frontier = std::mem::take(&mut self.frontier);
        let mut next = std::mem::take(&mut self.next);
        next.clear();
        self.visited.clear();
        let explored = frontier.iter().try_for_each(|configuration| {
            if configuration.used.contains(slot) {
                next.push(without(configuration.clone(), slot));
                return Ok(());
            }
            // Rule 2: it was in flight at the last overwrite, which hid it.
            if configuration.hideable.contains(slot) {
                next.push(without(configuration.clone(), slot));
            }
            self.explore(configuration, slot, &mut next)
        });
        self.frontier = frontier;
        explored?;
        if next.is_empty() {
            return Err(Ending::Violation(Box::new(explain::violation(self, slot))));
        }
        self.next = std::mem::replace(&mut self.frontier, next);
        self.returned_count += 1;
        self.close(slot);
        reduce(&mut self.frontier, &self.kinds);
        self.settle_unknowns();
        self.check_configurations(self.frontier.len())
    }

    /// How many operations are in flight, or were never answered and have not certainly taken effect.
    pub fn open_count(&self) -> usize {
        self.writers.len() + self.readers.len()
    }

    /// Collects in `next` the worlds that follow `from` when the operation in `target` takes effect, after any others
    /// in flight for which there can be a reason to be before it.
    fn explore(
        &mut self,
        from: &Configuration<S::State>,
        target: usize,
        next: &mut Vec<Configuration<S::State>>,
    ) -> Result<(), Ending> {
        self.stack.clear();
        self.stack.push((from.clone(), false));
        while let Some((world, bare)) = self.stack.pop() {
            if let Some((child, _)) = self.place(&world, bare, target)? {
                next.push(without(child, target));
                self.check_configurations(next.len())?;
            }
            for position in 0..self.writers.len() {
                let slot = self.writers[position];
                if slot == target || world.used.contains(slot) || !self.is_first_twin(&world, slot) {
                    continue;
                }
                let Some((child, bare)) = self.place(&world, bare, slot)? else { continue };
                if child.used.contains(target) {
                    // The target is a read, and was legal at once.
                    next.push(without(child, target));
                    self.check_configurations(next.len())?;
                } else if self.visited.insert((child.clone(), bare)) {
                    self.check_configurations(self.visited.len())?;
                    self.stack.push((child, bare));
                }
            }
        }
        Ok(())
    }

    /// The world in which the operation in `slot` takes effect next, and whether that is a bare overwrite; nothing if
    /// it is not legal there or makes no difference worth trying.
    fn place(
        &mut self,
        world: &Configuration<S::State>,
        bare: bool,
        slot: usize,
    ) -> Result<Option<Visit<S::State>>, Ending> {
        let Slot { operation, effect, .. } = self.slots[slot].as_ref().expect("a slot in use");
        let effect = *effect;
        // Rule 2: the overwrite before this one is better left unplaced.
        if bare && effect == Effect::Overwrite {
            return Ok(None);
        }
        count_step(
            &mut self.steps,
            self.limits,
            self.returned_count,
            self.writers.len() + self.readers.len(),
        )?;
        let Some(state) = self.spec.step(&world.state, &operation.input, operation.output.as_ref()) else {
            return Ok(None);
        };
        // Rule 4. An overwrite that leaves the state as it is can still make a difference: it hides others.
        let hides = effect == Effect::Overwrite && world.has_unhideable(&self.kinds);
        if operation.deadline == NEVER && state == world.state && !hides {
            return Ok(None);
        }
        let mut child = Configuration { used: world.used.clone(), hideable: world.hideable.clone(), state };
        child.used.insert(slot);
        if effect == Effect::ReadOnly {
            return Ok(Some((child, false)));
        }
        if effect == Effect::Overwrite {
            child.hideable = self.kinds.overwrite.clone();
        }
        let seen = self.read_all_legal(&mut child)?;
        Ok(Some((child, effect == Effect::Overwrite && !seen)))
    }

    /// Rule 1, after a change: all reads in flight that are legal now take effect. Whether there was any.
    fn read_all_legal(&mut self, world: &mut Configuration<S::State>) -> Result<bool, Ending> {
        let open = self.open_count();
        let mut any = false;
        for &reader in &self.readers {
            if world.used.contains(reader) {
                continue;
            }
            count_step(&mut self.steps, self.limits, self.returned_count, open)?;
            let operation = &self.slots[reader].as_ref().expect("a reader's slot is in use").operation;
            if self.spec.step(&world.state, &operation.input, operation.output.as_ref()).is_some() {
                world.used.insert(reader);
                any = true;
            }
        }
        Ok(any)
    }

    /// Rule 1, for a read that comes into flight.
    fn read_at_once(&mut self, slot: usize) -> Result<(), Ending> {
        let open = self.open_count();
        let operation = &self.slots[slot].as_ref().expect("the slot was just filled").operation;
        for world in &mut self.frontier {
            count_step(&mut self.steps, self.limits, self.returned_count, open)?;
            if self.spec.step(&world.state, &operation.input, operation.output.as_ref()).is_some() {
                world.used.insert(slot);
            }
        }
        Ok(())
    }

    /// Rule 3: whether no twin should be used before the operation in `slot`.
    fn is_first_twin(&self, world: &Configuration<S::State>, slot: usize) -> bool {
        let twin_before = self.slots[slot].as_ref().and_then(|slot| slot.twin_before);
        twin_before.is_none_or(|twin| world.used.contains(twin))
    }

    /// Finds the twins of a new operation, and takes its place among them.
    fn pair_with_twins(&mut self, slot: usize) {
        let deadline = self.deadline(slot);
        let mut before: Option<usize> = None;
        for &other in &self.writers {
            if !self.are_twins(slot, other) {
                continue;
            }
            if self.deadline(other) <= deadline {
                // The list is ordered: the last one found is the nearest.
                before = Some(other);
                continue;
            }
            self.slots[other].as_mut().expect("a writer's slot is in use").twin_before = Some(slot);
            break;
        }
        self.slots[slot].as_mut().expect("the slot was just filled").twin_before = before;
    }

    /// Whether either could stand wherever the other stands. For overwrites the answer makes no difference: they are
    /// legal everywhere.
    fn are_twins(&self, one: usize, two: usize) -> bool {
        let (Some(one), Some(two)) = (&self.slots[one], &self.slots[two]) else { return false };
        one.twin_hash == two.twin_hash
            && one.effect == two.effect
            && one.operation.input == two.operation.input
            && (one.effect == Effect::Overwrite || one.operation.output == two.operation.output)
    }

    fn deadline(&self, slot: usize) -> u64 {
        self.slots[slot].as_ref().map_or(NEVER, |slot| slot.operation.deadline)
    }

    /// An operation that was never answered and has taken effect in every world is over.
    fn settle_unknowns(&mut self) {
        if self.kinds.unknown.is_empty() {
            return;
        }
        let mut settled = self.kinds.unknown.clone();
        for world in &self.frontier {
            settled.intersect(&world.used);
            if settled.is_empty() {
                return;
            }
        }
        let slots: Vec<usize> = self.writers.iter().copied().filter(|&slot| settled.contains(slot)).collect();
        for slot in slots {
            for world in &mut self.frontier {
                world.used.remove(slot);
            }
            self.close(slot);
        }
    }

    /// Frees a slot that no world mentions any more.
    fn close(&mut self, slot: usize) {
        let closed = self.slots[slot].take().expect("a slot in use");
        self.free.push(slot);
        if closed.effect == Effect::ReadOnly {
            self.readers.retain(|&reader| reader != slot);
            self.kinds.read_only.remove(slot);
            return;
        }
        self.writers.retain(|&writer| writer != slot);
        self.kinds.overwrite.remove(slot);
        self.kinds.unknown.remove(slot);
        for &writer in &self.writers {
            let writer = self.slots[writer].as_mut().expect("a writer's slot is in use");
            if writer.twin_before == Some(slot) {
                writer.twin_before = closed.twin_before;
            }
        }
    }

    fn check_configurations(&self, count: usize) -> Result<(), Ending> {
        let configurations_max = self.limits.configurations_max;
        if count <= configurations_max {
            return Ok(());
        }
        Err(Ending::Unknown(Unknown::Configurations {
            configurations_max,
            operations_returned: self.returned_count,
            open: self.open_count(),
        }))
    }
}

fn count_step(steps: &mut u64, limits: Limits, operations_returned: u64, open: usize) -> Result<(), Ending> {
    *steps += 1;
    if *steps <= limits.steps_max {
        return Ok(());
    }
    Err(Ending::Unknown(Unknown::Steps { steps_max: limits.steps_max, operations_returned, open }))
}

fn without<T>(mut configuration: Configuration<T>, slot: usize) -> Configuration<T> {
    configuration.used.remove(slot);
    configuration.hideable.remove(slot);
    configuration
}
