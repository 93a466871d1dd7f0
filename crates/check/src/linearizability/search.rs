//! The search itself: operations come into flight, returns are explained, configurations are kept.
//!
//! The rules are in the essay of the parent module; here each stands where it is applied.

use std::time::Duration;

use crate::history::{Client, OperationId};
use crate::specification::{Effect, Specification};
use crate::verdict::{Unknown, Violation};

use super::Limits;
use super::automaton::Automaton;
use super::configuration::{Configuration, ConfigurationSet, Kinds, reduce};
use super::explain;
use super::explored::Explored;
use super::mask::Mask;

/// The deadline of an operation that never returns.
pub(super) const NEVER: u64 = u64::MAX;

/// Whether it is too late to go on, after so many operations have returned and so many are open.
pub(super) type Late<'a> = &'a dyn Fn(u64, usize) -> Option<Unknown>;

/// It is asked each time that so much has been looked at: a world, or eight operations in flight that could take effect in it.
const WORK_PER_LOOK: usize = 2_048;
const OPERATIONS_PER_WORLD: usize = 8;

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

/// Whose operation it is and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Label {
    pub id: OperationId,
    pub client: Client,
    pub invoked: Duration,
    /// When it returns; nothing if it never does.
    pub returned: Option<Duration>,
    /// A number that orders the returns, or [`NEVER`].
    pub deadline: u64,
}

/// An operation in flight, with what the rules need to know.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub label: Label,
    /// Its number in the automaton.
    pub action: u32,
    effect: Effect,
    /// A twin with an earlier deadline, which is to be used first.
    twin_before: Option<usize>,
}

/// A search under way, with room for the operations in flight that fit into `M`.
#[derive(Clone, Debug)]
pub(super) struct Search<S: Specification, M> {
    pub automaton: Automaton<S>,
    pub scope: Scope,
    pub limits: Limits,
    /// Whether operations that were never answered may take effect again and again: see the parent's essay.
    relaxed: bool,
    pub slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    /// Slots in use of operations that may change the state, earliest deadline first.
    pub writers: Vec<usize>,
    /// Slots in use of operations that are not legal everywhere, with the number of their invocation, in that order.
    conditional: Vec<(u64, usize)>,
    pub kinds: Kinds<M>,
    /// By state: which of the conditional operations are legal there.
    legal: Vec<Legal<M>>,
    /// Invocations of conditional operations so far.
    invoked_count: u64,
    /// All worlds that explain what has returned. Never empty.
    pub frontier: Vec<Configuration<M>>,
    /// Where the next frontier is collected.
    next: ConfigurationSet<M>,
    /// Worlds from which a return is explained.
    explored: Explored<M>,
    pub steps: u64,
    /// What has been looked at since the time was.
    work: usize,
    pub returned_count: u64,
}

/// The operations in flight, as a search knows them.
#[derive(Clone, Debug, Default)]
pub(super) struct Flight<M> {
    slots: Vec<Option<Slot>>,
    free: Vec<usize>,
    writers: Vec<usize>,
    conditional: Vec<(u64, usize)>,
    kinds: Kinds<M>,
    legal: Vec<Legal<M>>,
    invoked_count: u64,
}

/// Operations that are legal in a state, among those invoked up to some time.
#[derive(Clone, Debug, Default)]
struct Legal<M> {
    slots: M,
    invoked_count: u64,
}

impl<S: Specification, M: Mask> Search<S, M> {
    pub fn new(spec: S, scope: Scope, limits: Limits) -> Self {
        Self {
            automaton: Automaton::new(spec),
            scope,
            limits,
            relaxed: false,
            slots: Vec::new(),
            free: Vec::new(),
            writers: Vec::new(),
            conditional: Vec::new(),
            kinds: Kinds::default(),
            legal: Vec::new(),
            invoked_count: 0,
            frontier: vec![Configuration::default()],
            next: ConfigurationSet::default(),
            explored: Explored::default(),
            steps: 0,
            work: 0,
            returned_count: 0,
        }
    }

    /// Lets operations that were never answered take effect any number of times from now on.
    pub fn relax(&mut self) {
        self.relaxed = true;
        for world in &mut self.frontier {
            world.used = world.used.without(&self.kinds.unknown);
        }
        self.next.clear();
        for world in self.frontier.drain(..) {
            self.next.insert(world);
        }
        self.next.swap(&mut self.frontier);
        reduce(&mut self.frontier, &self.kinds);
    }

    /// Begins in any of these states instead of the initial one. Of the operations in flight any may have taken effect:
    /// an overwrite that has is no more than one that can be hidden.
    pub fn start_from(&mut self, states: &[S::State]) {
        let either: Vec<usize> = self.kinds.general.without(&self.kinds.unknown).slots().collect();
        self.frontier.clear();
        for state in states {
            let state = self.automaton.number(state.clone());
            for subset in 0..1_u32 << either.len() {
                let mut world = Configuration {
                    state,
                    hideable: self.kinds.overwrite.clone(),
                    ..Configuration::default()
                };
                let used = either.iter().enumerate().filter(|(place, _)| subset >> place & 1 == 1);
                used.for_each(|(_, &slot)| world.used.insert(slot));
                self.frontier.push(world);
            }
        }
    }

    pub fn is_relaxed(&self) -> bool {
        self.relaxed
    }

    /// From now on what was in flight may be so again, by [`swap_flight`](Self::swap_flight).
    pub fn keep_actions(&mut self) {
        self.automaton.keep_actions();
    }

    /// What is in flight.
    pub fn flight(&self) -> Flight<M> {
        Flight {
            slots: self.slots.clone(),
            free: self.free.clone(),
            writers: self.writers.clone(),
            conditional: self.conditional.clone(),
            kinds: self.kinds.clone(),
            legal: self.legal.clone(),
            invoked_count: self.invoked_count,
        }
    }

    /// Exchanges what is in flight.
    pub fn swap_flight(&mut self, flight: &mut Flight<M>) {
        std::mem::swap(&mut self.slots, &mut flight.slots);
        std::mem::swap(&mut self.free, &mut flight.free);
        std::mem::swap(&mut self.writers, &mut flight.writers);
        std::mem::swap(&mut self.conditional, &mut flight.conditional);
        std::mem::swap(&mut self.kinds, &mut flight.kinds);
        std::mem::swap(&mut self.legal, &mut flight.legal);
        std::mem::swap(&mut self.invoked_count, &mut flight.invoked_count);
    }

    /// Whether there is no room for one more operation in flight.
    pub fn is_full(&self) -> bool {
        self.free.is_empty() && self.slots.len() >= M::SLOTS_MAX
    }

    /// The same search with more room.
    pub fn widened<N: Mask>(&self) -> Search<S, N>
    where
        S: Clone,
    {
        let widened = |world: &Configuration<M>| Configuration {
            used: world.used.widened(),
            hideable: world.hideable.widened(),
            state: world.state,
        };
        let kinds = Kinds {
            read_only: self.kinds.read_only.widened(),
            overwrite: self.kinds.overwrite.widened(),
            blind: self.kinds.blind.widened(),
            general: self.kinds.general.widened(),
            unknown: self.kinds.unknown.widened(),
        };
        Search {
            automaton: self.automaton.clone(),
            scope: self.scope.clone(),
            limits: self.limits,
            relaxed: self.relaxed,
            slots: self.slots.clone(),
            free: self.free.clone(),
            writers: self.writers.clone(),
            conditional: self.conditional.clone(),
            kinds,
            legal: Vec::new(),
            invoked_count: self.invoked_count,
            frontier: self.frontier.iter().map(widened).collect(),
            next: ConfigurationSet::default(),
            explored: Explored::default(),
            steps: self.steps,
            work: self.work,
            returned_count: self.returned_count,
        }
    }

    /// An operation comes into flight. It gets a slot, to be named when it returns; none if it has nothing to say.
    pub fn invoke(&mut self, label: Label, input: &S::Input, output: Option<&S::Output>) -> Option<usize> {
        let is_whole = matches!(self.scope, Scope::Whole);
        let action = self.automaton.action(input, output, |spec| {
            if is_whole { spec.effect(input, output) } else { spec.effect_within_partition(input, output) }
        });
        let effect = self.automaton.known(action).effect;
        let never_returns = label.deadline == NEVER;
        // Of operations that may be repeated one of a kind is enough.
        let is_known = never_returns
            && self.relaxed
            && self
                .kinds
                .unknown
                .slots()
                .any(|other| self.automaton.are_equal(self.slot(other).action, action));
        if is_known || never_returns && effect == Effect::ReadOnly {
            self.automaton.release(action);
            return None;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(Slot { label, action, effect, twin_before: None });
        if never_returns {
            self.kinds.unknown.insert(slot);
        }
        if effect == Effect::Overwrite {
            self.kinds.blind.insert(slot);
            if !never_returns {
                self.kinds.overwrite.insert(slot);
            }
        } else {
            self.invoked_count += 1;
            self.conditional.push((self.invoked_count, slot));
        }
        if effect == Effect::ReadOnly {
            self.kinds.read_only.insert(slot);
            self.read_at_once(slot);
            return Some(slot);
        }
        if effect == Effect::General {
            self.kinds.general.insert(slot);
        }
        self.work += self.writers.len() / OPERATIONS_PER_WORLD;
        self.pair_with_twins(slot);
        let place = self.writers.partition_point(|&other| self.deadline(other) <= label.deadline);
        self.writers.insert(place, slot);
        Some(slot)
    }

    /// The operation in `slot` returns: keeps the worlds in which it has taken effect, or can now. The answer of `late`,
    /// which is asked now and then, ends the search.
    pub fn explain_return(&mut self, slot: usize, late: Late<'_>) -> Result<(), Ending> {
        self.look(self.frontier.len() / OPERATIONS_PER_WORLD, late)?;
        if self.frontier.iter().all(|world| world.used.contains(slot)) {
            // Nothing is to be explained, and worlds that were different still are: what has taken effect cannot be
            // hidden any more, so they differ elsewhere.
            self.frontier.iter_mut().for_each(|world| world.used.remove(slot));
            self.returned_count += 1;
            self.close(slot);
            self.settle_unknowns();
            return Ok(());
        }
        self.next.clear();
        self.explored.clear();
        for world in &self.frontier {
            if world.used.contains(slot) {
                self.next.insert(world.clone().closed(slot));
                continue;
            }
            // Rule 2: it was in flight at the last overwrite, which hid it.
            if world.hideable.contains(slot) {
                self.next.insert(world.clone().closed(slot));
            }
            self.explored.begin_with(world.clone());
        }
        let mut index = 0;
        while index < self.explored.len() {
            let world = self.explored.get(index).clone();
            if !self.is_past(&world, slot) {
                self.explore(&world, slot);
            }
            self.check_limits(self.next.len().max(self.explored.len()))?;
            index += 1;
            self.look_around(late)?;
        }
        if self.next.is_empty() {
            return Err(Ending::Violation(Box::new(explain::violation(self, slot))));
        }
        self.next.swap(&mut self.frontier);
        self.returned_count += 1;
        self.close(slot);
        reduce(&mut self.frontier, &self.kinds);
        self.settle_unknowns();
        self.forget_states();
        Ok(())
    }

    /// How many operations are in flight, or were never answered and have not certainly taken effect.
    pub fn open_count(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Keeps only the `width` most promising worlds, by [`Configuration::burden`]. What is found then is an explanation;
    /// what is not found may still be one.
    pub fn narrow(&mut self, width: usize, overwrite_price: u32) {
        let kinds = &self.kinds;
        self.frontier.sort_by_cached_key(|world| world.burden(kinds, overwrite_price));
        self.frontier.truncate(width);
    }

    /// Collects what follows from `world`: in `next` if the operation in `target` takes effect, among the explored
    /// worlds if it is another operation in flight for which there can be a reason to be before it.
    fn explore(&mut self, world: &Configuration<M>, target: usize) {
        let legal = self.legal(world.state);
        match self.slot(target).effect {
            Effect::ReadOnly => {}
            Effect::General if !legal.contains(target) => {}
            Effect::General => {
                let after = self.stepped(world, target);
                self.next.insert(after.closed(target));
            }
            Effect::Overwrite => {
                let state = self.automaton.leads_to(self.slot(target).action);
                let after = self.overwritten(world, target, state);
                self.next.insert(after.closed(target));
            }
        }
        for slot in legal.and(&self.kinds.general).without(&world.used).slots() {
            if slot != target && self.is_first_twin(world, slot) {
                let after = self.stepped(world, slot);
                self.take(after, target);
            }
        }
        for slot in self.kinds.blind.without(&world.used).slots() {
            if slot != target && self.is_first_twin(world, slot) {
                self.overwrite_with_reason(world, slot, target);
            }
        }
    }

    /// The overwrite in `slot` takes effect before the target, but only together with what is a reason for that: a read
    /// in flight that sees it, or another operation that becomes legal. Without one, it can wait (rule 2).
    fn overwrite_with_reason(&mut self, world: &Configuration<M>, slot: usize, target: usize) {
        let state = self.automaton.leads_to(self.slot(slot).action);
        // Rule 4. An overwrite that leaves the state as it is can still make a difference: it hides others.
        if state == world.state && self.kinds.unknown.contains(slot) && !world.has_unhideable(&self.kinds) {
            return;
        }
        let fits = self.legal(state).without(&world.used);
        if !fits.and(&self.kinds.read_only).is_empty() {
            let after = self.overwritten(world, slot, state);
            self.take(after, target);
            return;
        }
        let fits = fits.and(&self.kinds.general);
        if fits.is_empty() {
            return;
        }
        let bare = self.overwritten(world, slot, state);
        for second in fits.slots() {
            if self.is_first_twin(&bare, second) {
                let after = self.stepped(&bare, second);
                self.take(after, target);
            }
        }
    }

    fn take(&mut self, world: Configuration<M>, target: usize) {
        if world.used.contains(target) {
            self.next.insert(world.closed(target));
        } else if !self.is_past(&world, target) {
            self.explored.insert(world, &self.kinds);
        }
    }

    /// Whether what the operation in `target` returned cannot be explained from there any more.
    pub fn is_past(&self, world: &Configuration<M>, target: usize) -> bool {
        let action = self.automaton.known(self.slot(target).action);
        let output = action.output.as_ref();
        output.is_some_and(|output| {
            self.automaton.spec.is_past(self.automaton.state(world.state), &action.input, output)
        })
    }

    /// The world after the operation in `slot`, which is legal there, and is no overwrite.
    pub fn stepped(&mut self, world: &Configuration<M>, slot: usize) -> Configuration<M> {
        let state = self.automaton.step(world.state, self.slot(slot).action);
        let state = state.expect("an operation that was found legal in this state");
        let mut after = Configuration { used: world.used.clone(), hideable: world.hideable.clone(), state };
        self.mark(&mut after, slot);
        after
    }

    /// What kind of effect the operation in `slot` has.
    pub fn effect(&self, slot: usize) -> Effect {
        self.slot(slot).effect
    }

    /// A twin of the operation in `slot` that is to be used before it.
    pub fn twin_before(&self, slot: usize) -> Option<usize> {
        self.slot(slot).twin_before
    }

    /// Where the overwrite in `slot` leads.
    pub fn leads_to(&mut self, slot: usize) -> u32 {
        self.automaton.leads_to(self.slot(slot).action)
    }

    /// The world after the overwrite in `slot`.
    pub fn overwritten_by(&mut self, world: &Configuration<M>, slot: usize) -> Configuration<M> {
        let state = self.leads_to(slot);
        self.overwritten(world, slot, state)
    }

    /// The world after the overwrite in `slot`, which leads to `state`.
    fn overwritten(&mut self, world: &Configuration<M>, slot: usize, state: u32) -> Configuration<M> {
        let mut after = Configuration { used: world.used.clone(), hideable: M::default(), state };
        self.mark(&mut after, slot);
        after.hideable = self.kinds.overwrite.without(&after.used);
        after
    }

    /// The operation has taken effect, and with it, by rule 1, all reads in flight that are legal now.
    fn mark(&mut self, world: &mut Configuration<M>, slot: usize) {
        self.steps += 1;
        if !(self.relaxed && self.kinds.unknown.contains(slot)) {
            world.used.insert(slot);
        }
        let reads = self.legal(world.state).and(&self.kinds.read_only);
        world.used = world.used.or(&reads);
    }

    /// Rule 1, for a read that comes into flight.
    fn read_at_once(&mut self, slot: usize) {
        for index in 0..self.frontier.len() {
            self.steps += 1;
            if self.legal(self.frontier[index].state).contains(slot) {
                self.frontier[index].used.insert(slot);
            }
        }
    }

    /// Which of the conditional operations in flight are legal in a state; if they were never answered, only where they
    /// change it (rule 4). There may be more in the set: operations of other kinds, and ones that are over.
    pub fn legal(&mut self, state: u32) -> M {
        let index = state as usize;
        if self.legal.len() <= index {
            self.legal.resize_with(index + 1, Legal::default);
        }
        let known_count = self.legal[index].invoked_count;
        if known_count != self.invoked_count {
            for position in (0..self.conditional.len()).rev() {
                let (number, slot) = self.conditional[position];
                if number <= known_count {
                    break;
                }
                let action = self.slot(slot).action;
                let after = self.automaton.step(state, action);
                let never_returns = self.kinds.unknown.contains(slot);
                if after.is_some_and(|after| !never_returns || after != state) {
                    self.legal[index].slots.insert(slot);
                } else {
                    self.legal[index].slots.remove(slot);
                }
            }
            self.legal[index].invoked_count = self.invoked_count;
        }
        self.legal[index].slots.clone()
    }

    /// Rule 3: whether no twin should be used before the operation in `slot`.
    pub fn is_first_twin(&self, world: &Configuration<M>, slot: usize) -> bool {
        self.slot(slot).twin_before.is_none_or(|twin| world.used.contains(twin))
    }

    /// Finds the twins of a new operation, and takes its place among them.
    fn pair_with_twins(&mut self, slot: usize) {
        let deadline = self.deadline(slot);
        let mut before: Option<usize> = None;
        for position in 0..self.writers.len() {
            let other = self.writers[position];
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

    /// Whether either could stand wherever the other stands. What an overwrite is answered makes no difference: it is
    /// legal everywhere.
    fn are_twins(&mut self, one: usize, two: usize) -> bool {
        let (one, two) = (self.slot(one), self.slot(two));
        let (first, second) = (one.action, two.action);
        match (one.effect, two.effect) {
            (Effect::Overwrite, Effect::Overwrite) => {
                self.automaton.leads_to(first) == self.automaton.leads_to(second)
            }
            (Effect::General, Effect::General) => self.automaton.are_equal(first, second),
            _ => false,
        }
    }

    #[inline]
    fn slot(&self, slot: usize) -> &Slot {
        self.slots[slot].as_ref().expect("a slot in use")
    }

    fn deadline(&self, slot: usize) -> u64 {
        self.slots[slot].as_ref().map_or(NEVER, |slot| slot.label.deadline)
    }

    /// An operation that was never answered and has taken effect in every world is over.
    fn settle_unknowns(&mut self) {
        if self.kinds.unknown.is_empty() {
            return;
        }
        let mut settled = self.kinds.unknown.clone();
        for world in &self.frontier {
            settled = settled.and(&world.used);
            if settled.is_empty() {
                return;
            }
        }
        for slot in settled.slots() {
            for world in &mut self.frontier {
                world.used.remove(slot);
            }
            self.close(slot);
        }
    }

    /// Frees a slot that no world mentions any more.
    pub fn close(&mut self, slot: usize) {
        let closed = self.slots[slot].take().expect("a slot in use");
        self.automaton.release(closed.action);
        self.free.push(slot);
        if closed.effect == Effect::Overwrite {
            self.kinds.blind.remove(slot);
            self.kinds.overwrite.remove(slot);
        } else {
            self.conditional.retain(|&(_, other)| other != slot);
        }
        if closed.effect == Effect::ReadOnly {
            self.kinds.read_only.remove(slot);
            return;
        }
        self.kinds.general.remove(slot);
        self.kinds.unknown.remove(slot);
        self.writers.retain(|&writer| writer != slot);
        for &writer in &self.writers {
            let writer = self.slots[writer].as_mut().expect("a writer's slot is in use");
            if writer.twin_before == Some(slot) {
                writer.twin_before = closed.twin_before;
            }
        }
    }

    /// Forgets states that are not possible any more, when there are many.
    fn forget_states(&mut self) {
        if self.automaton.is_full() {
            self.automaton.collect(self.frontier.iter_mut().map(|world| &mut world.state));
            self.legal.clear();
        }
    }

    /// Looks at the time now and then, where worlds are looked at one by one.
    pub fn look_around(&mut self, late: Late<'_>) -> Result<(), Ending> {
        self.look(1 + self.writers.len() / OPERATIONS_PER_WORLD, late)
    }

    /// Looks at the time now and then.
    fn look(&mut self, work: usize, late: Late<'_>) -> Result<(), Ending> {
        self.work += work;
        if self.work < WORK_PER_LOOK {
            return Ok(());
        }
        self.work = 0;
        late(self.returned_count, self.open_count()).map_or(Ok(()), |unknown| Err(Ending::Unknown(unknown)))
    }

    /// Whether there were too many steps, or there are too many worlds at once.
    pub fn check_limits(&self, worlds: usize) -> Result<(), Ending> {
        let Limits { steps_max, configurations_max } = self.limits;
        let (operations_returned, open) = (self.returned_count, self.open_count());
        if self.steps > steps_max {
            return Err(Ending::Unknown(Unknown::Steps { steps_max, operations_returned, open }));
        }
        if worlds > configurations_max {
            return Err(Ending::Unknown(Unknown::Configurations {
                configurations_max,
                operations_returned,
                open,
            }));
        }
        Ok(())
    }
}
