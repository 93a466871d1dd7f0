//! Depth first, with a lesson from each failure: one hard part of an object decided.
//!
//! Where many operations were never answered, the worlds that can explain what has returned are far too many to be kept, and
//! most of them differ in what they have used of the unanswered operations. A search that goes depth first needs one way
//! to the end; what it needs for that is not to fail for one reason again and again. So whenever a world has no way on, the
//! search finds out *which* of the unanswered operations that the world had used were missing, and remembers the world
//! without the others: a *lesson*. Any later world that has used as much, in the same state before the same return, has no
//! way on either (conflict-driven learning, Marques-Silva and Sakallah 1996, with the dominance of the parent module in the
//! place of implication).
//!
//! # What a world needs to fail
//!
//! While one return is explained, other operations take effect, one after the other, and lead to further worlds within the
//! same return. For each of these, the set of used operations that is needed for its failure is the least one such that
//!
//! - it has what the lesson of each world behind the return needs, into which it leads;
//! - it has what each world needs into which it leads within the return, but for the operation that leads there;
//! - an operation that was used before, and would otherwise lead on, is in the set, unless it leads to where another world
//!   has been already: then what that one needs is enough.
//!
//! This is right by the shortest counterexample: a world that has used all of the set and yet has a way on would lead, in one
//! step, to another such world with a shorter way on. Of operations that ask the same only the number counts, since they
//! are used in the order in which they were invoked.
//!
//! # What it decides
//!
//! The search ends with an explanation, or when the first worlds have failed. Then the history is impossible, and the furthest
//! return that any world came to is the first that is: the reasons speak of nothing behind it.
//!
//! # What it costs
//!
//! A lesson for each failure, and for each return on the way the operations in flight. Both are bounded; beyond the bound, or
//! that of steps or time, nothing is known.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use crate::hashing::FastHasher;
use crate::history::Event;
use crate::specification::{Effect, Specification};
use crate::verdict::Unknown;

use super::configuration::Configuration;
use super::mask::Mask;
use super::search::{Ending, Flight, Late, Search};

/// What a search with lessons comes to.
#[derive(Debug)]
pub(super) enum Learned {
    /// An explanation was found.
    Explained,
    /// There is none, and the return at this place among the events is the first that is impossible.
    Impossible(usize),
    /// There is too much to remember, or too little time.
    GaveUp(Option<Unknown>),
}

/// Operations in flight that are remembered, of all returns on the way together.
const FLIGHTS_MAX: usize = 2_000_000;

/// What the learner asks of the history: an operation, by its index, comes into flight and gets a slot.
pub(super) type Invoke<'a, S, M> = &'a dyn Fn(&mut Search<S, M>, usize) -> Option<usize>;

/// The history around one return.
struct Stage<M> {
    /// What is in flight, while it is not that of the search.
    flight: Flight<M>,
    /// The place of the return among the events, and the slot of its operation.
    place: usize,
    target: usize,
    /// Operations in flight that will return, with their slots.
    in_flight: Vec<(usize, usize)>,
    /// Reads that came into flight since the return before.
    new_reads: M,
    /// Unanswered operations that ask the same, in the order of their invocations; and by slot, which of these groups.
    families: Vec<Vec<usize>>,
    family_of: Vec<usize>,
    /// The last of each family.
    lasts: M,
    lessons: HashMap<u32, Vec<Configuration<M>>, BuildHasherDefault<FastHasher>>,
}

/// Operations that take effect together: one, or an overwrite and what it makes legal.
type Placed = [Option<usize>; 2];

/// A world on the way, with the worlds within its return.
struct Frame<M> {
    stage: usize,
    worlds: Vec<Configuration<M>>,
    /// From a world, by operations, to another.
    edges: Vec<(usize, Placed, usize)>,
    /// From a world, by operations that are used already, the last of their families, to one that is not.
    blocked: Vec<(usize, usize, Configuration<M>)>,
    /// Worlds behind the return, the most promising last, each with the world and the operations that led there.
    ahead: Vec<(usize, Placed, Configuration<M>)>,
    /// From a world, by operations, to one behind the return that failed and needs these for it.
    failed: Vec<(usize, Placed, M)>,
    /// What led to the world that is looked at now.
    current: (usize, Placed),
}

/// The search.
pub(super) struct Learner<'a, S: Specification, M> {
    search: Search<S, M>,
    events: &'a [Event],
    invoke: Invoke<'a, S, M>,
    stages: Vec<Stage<M>>,
    /// The stage whose flight the search has.
    loaded: usize,
    /// How many events have been taken for the stages.
    position: usize,
    flights: usize,
    lessons: usize,
    overwrite_price: u32,
}

impl<'a, S: Specification, M: Mask> Learner<'a, S, M> {
    /// Begins where a search has come to: after `position` of the events, with these operations in flight that will return.
    pub fn new(
        mut search: Search<S, M>,
        events: &'a [Event],
        position: usize,
        in_flight: &[(usize, usize)],
        overwrite_price: u32,
        invoke: Invoke<'a, S, M>,
    ) -> Self {
        search.keep_actions();
        let mut learner = Self {
            search,
            events,
            invoke,
            stages: Vec::new(),
            loaded: 0,
            position,
            flights: 0,
            lessons: 0,
            overwrite_price,
        };
        learner.prepare(in_flight.to_vec());
        learner
    }

    pub fn steps(&self) -> u64 {
        self.search.steps
    }

    /// Leads worlds of the search's frontier to the end or to their failure: those that `next_root` names by their index, one
    /// after the other.
    pub fn run(&mut self, next_root: &mut dyn FnMut() -> Option<usize>, late: Late<'_>) -> Learned {
        let roots = std::mem::take(&mut self.search.frontier);
        if self.stages.is_empty() {
            return Learned::Explained;
        }
        let mut frames: Vec<Frame<M>> = Vec::new();
        loop {
            let (stage, world) = match frames.last_mut() {
                None => match next_root() {
                    None => return Learned::Impossible(self.stages.last().expect("there is a first").place),
                    Some(root) => (0, roots[root].clone()),
                },
                Some(frame) => match frame.ahead.pop() {
                    None => {
                        let frame = frames.pop().expect("the frame was just there");
                        let needed = self.learn(&frame);
                        if let Some(parent) = frames.last_mut() {
                            parent.failed.push((parent.current.0, parent.current.1, needed));
                        }
                        continue;
                    }
                    Some((from, placed, world)) => {
                        frame.current = (from, placed);
                        (frame.stage + 1, world)
                    }
                },
            };
            if stage == self.stages.len() && !self.prepare_next(stage) {
                return Learned::Explained;
            }
            self.load(stage);
            let world = self.entered(world);
            if let Some(needed) = self.known(&world) {
                if let Some(parent) = frames.last_mut() {
                    parent.failed.push((parent.current.0, parent.current.1, needed));
                }
                continue;
            }
            match self.expand(world, late) {
                Ok(frame) => frames.push(frame),
                Err(Ending::Unknown(unknown)) => return Learned::GaveUp(Some(unknown)),
                Err(Ending::Violation(_)) => unreachable!("a frame ends without one"),
            }
            if self.lessons > self.search.limits.configurations_max || self.flights > FLIGHTS_MAX {
                return Learned::GaveUp(None);
            }
        }
    }
}

/// The way through the stages.
impl<S: Specification, M: Mask> Learner<'_, S, M> {
    /// The stage after the last one, which is `stage`; whether there is one.
    fn prepare_next(&mut self, stage: usize) -> bool {
        self.load(stage - 1);
        let last = &self.stages[stage - 1];
        let target = last.target;
        let in_flight = last.in_flight.iter().copied().filter(|(_, slot)| *slot != target).collect();
        let flight = self.search.flight();
        self.search.close(target);
        let is_prepared = self.prepare(in_flight);
        // The search has the flight of the new stage now; if there is none, nobody asks any more.
        if is_prepared {
            self.stages[stage - 1].flight = flight;
            self.loaded = stage;
        }
        is_prepared
    }

    /// Takes events up to the next return, and makes a stage of it.
    fn prepare(&mut self, mut in_flight: Vec<(usize, usize)>) -> bool {
        let mut new_reads = M::default();
        while let Some(event) = self.events.get(self.position) {
            self.position += 1;
            match *event {
                Event::Invoked(index) => {
                    let Some(slot) = (self.invoke)(&mut self.search, index) else { continue };
                    if !self.search.kinds.unknown.contains(slot) {
                        in_flight.push((index, slot));
                    }
                    if self.search.kinds.read_only.contains(slot) {
                        new_reads.insert(slot);
                    }
                }
                Event::Returned(index) => {
                    let found = in_flight.iter().find(|(other, _)| *other == index);
                    let target = found.expect("an operation that returns was invoked before").1;
                    let (families, family_of) = self.families();
                    let mut lasts = M::default();
                    families.iter().flat_map(|family| family.last()).for_each(|&slot| lasts.insert(slot));
                    self.flights += self.search.open_count();
                    self.stages.push(Stage {
                        flight: Flight::default(),
                        place: self.position - 1,
                        target,
                        in_flight,
                        new_reads,
                        families,
                        family_of,
                        lasts,
                        lessons: HashMap::default(),
                    });
                    return true;
                }
            }
        }
        false
    }

    /// Unanswered operations in flight by what they ask.
    fn families(&self) -> (Vec<Vec<usize>>, Vec<usize>) {
        let mut families: Vec<Vec<usize>> = Vec::new();
        let mut family_of = vec![usize::MAX; self.search.slots.len()];
        // Those that never return stand last among the writers, in the order of their invocations.
        for &slot in self.search.writers.iter().filter(|&&slot| self.search.kinds.unknown.contains(slot)) {
            let before =
                self.search.twin_before(slot).filter(|&twin| self.search.kinds.unknown.contains(twin));
            let family = before.map_or(families.len(), |twin| family_of[twin]);
            if family == families.len() {
                families.push(Vec::new());
            }
            families[family].push(slot);
            family_of[slot] = family;
        }
        (families, family_of)
    }

    /// Gives the search the flight of a stage.
    fn load(&mut self, stage: usize) {
        if self.loaded != stage {
            self.search.swap_flight(&mut self.stages[self.loaded].flight);
            self.search.swap_flight(&mut self.stages[stage].flight);
            self.loaded = stage;
        }
    }

    /// The world, in which reads that have come into flight since have taken effect where they are legal.
    fn entered(&mut self, mut world: Configuration<M>) -> Configuration<M> {
        let new_reads = &self.stages[self.loaded].new_reads;
        if !new_reads.is_empty() {
            let legal = self.search.legal(world.state);
            world.used = world.used.or(&legal.and(new_reads));
        }
        world
    }

    /// What a world needs for its failure, if a lesson knows.
    fn known(&self, world: &Configuration<M>) -> Option<M> {
        let lessons = self.stages[self.loaded].lessons.get(&world.state)?;
        let kinds = &self.search.kinds;
        let lesson = lessons.iter().rev().find(|lesson| lesson.dominates(world, kinds))?;
        Some(lesson.used.and(&kinds.unknown))
    }

    /// All worlds within the return of the stage, and behind it.
    fn expand(&mut self, world: Configuration<M>, late: Late<'_>) -> Result<Frame<M>, Ending> {
        let target = self.stages[self.loaded].target;
        let mut frame = Frame {
            stage: self.loaded,
            worlds: Vec::new(),
            edges: Vec::new(),
            blocked: Vec::new(),
            ahead: Vec::new(),
            failed: Vec::new(),
            current: (0, [None; 2]),
        };
        if world.used.contains(target) {
            frame.ahead.push((0, [None; 2], world.clone().closed(target)));
            frame.worlds.push(world);
            return Ok(frame);
        }
        if world.hideable.contains(target) {
            frame.ahead.push((0, [None; 2], world.clone().closed(target)));
        }
        frame.worlds.push(world);
        let mut index = 0;
        while index < frame.worlds.len() {
            if !self.search.is_past(&frame.worlds[index], target) {
                self.lead_on(&mut frame, index, target);
            }
            index += 1;
            self.search.check_limits(frame.worlds.len())?;
            self.search.look_around(late)?;
        }
        let (kinds, price) = (&self.search.kinds, self.overwrite_price);
        frame.ahead.sort_by_cached_key(|(_, _, world)| std::cmp::Reverse(world.burden(kinds, price)));
        Ok(frame)
    }

    /// Where a world within the return leads.
    fn lead_on(&mut self, frame: &mut Frame<M>, from: usize, target: usize) {
        let world = frame.worlds[from].clone();
        let legal = self.search.legal(world.state);
        match self.search.effect(target) {
            Effect::ReadOnly => {}
            Effect::General if !legal.contains(target) => {}
            Effect::General => {
                let after = self.search.stepped(&world, target);
                frame.ahead.push((from, [None; 2], after.closed(target)));
            }
            Effect::Overwrite => {
                let after = self.search.overwritten_by(&world, target);
                frame.ahead.push((from, [None; 2], after.closed(target)));
            }
        }
        let exhausted = world.used.and(&self.stages[self.loaded].lasts);
        let fits = legal.and(&self.search.kinds.general);
        for slot in fits.without(&world.used).slots() {
            if slot != target && self.search.is_first_twin(&world, slot) {
                let after = self.search.stepped(&world, slot);
                self.take(frame, (from, [Some(slot), None]), after, target);
            }
        }
        for slot in fits.and(&exhausted).slots() {
            let after = self.search.stepped(&world, slot);
            frame.blocked.push((from, slot, after));
        }
        for slot in self.search.kinds.blind.slots().collect::<Vec<_>>() {
            let is_exhausted = exhausted.contains(slot);
            if slot == target || world.used.contains(slot) && !is_exhausted {
                continue;
            }
            if is_exhausted || self.search.is_first_twin(&world, slot) {
                self.overwrite(frame, (from, &world), slot, target, is_exhausted);
            }
        }
    }

    /// An overwrite before the target, with a reason: see [`Search::overwrite_with_reason`].
    fn overwrite(
        &mut self,
        frame: &mut Frame<M>,
        (from, world): (usize, &Configuration<M>),
        slot: usize,
        target: usize,
        is_exhausted: bool,
    ) {
        let state = self.search.leads_to(slot);
        let kinds = &self.search.kinds;
        if state == world.state && kinds.unknown.contains(slot) && !world.has_unhideable(kinds) {
            return;
        }
        let (read_only, general, unknown) =
            (kinds.read_only.clone(), kinds.general.clone(), kinds.unknown.clone());
        let legal = self.search.legal(state);
        let has_read = !legal.and(&read_only).without(&world.used).is_empty();
        // Of the operations that would follow, those that are used may not be elsewhere.
        let follow = legal.and(&general).without(&world.used.without(&unknown));
        if !has_read && follow.is_empty() {
            return;
        }
        let bare = self.search.overwritten_by(world, slot);
        if is_exhausted {
            frame.blocked.push((from, slot, bare));
            return;
        }
        if has_read {
            self.take(frame, (from, [Some(slot), None]), bare, target);
            return;
        }
        let exhausted = world.used.and(&self.stages[self.loaded].lasts);
        for second in follow.slots() {
            if exhausted.contains(second) {
                let after = self.search.stepped(&bare, second);
                frame.blocked.push((from, second, after));
            } else if !bare.used.contains(second) && self.search.is_first_twin(&bare, second) {
                let after = self.search.stepped(&bare, second);
                self.take(frame, (from, [Some(slot), Some(second)]), after, target);
            }
        }
    }

    /// Takes in a world to which another leads.
    fn take(
        &mut self,
        frame: &mut Frame<M>,
        (from, placed): (usize, Placed),
        world: Configuration<M>,
        target: usize,
    ) {
        if world.used.contains(target) {
            frame.ahead.push((from, placed, world.closed(target)));
            return;
        }
        let kinds = &self.search.kinds;
        let as_good = frame
            .worlds
            .iter()
            .position(|other| other.state == world.state && other.dominates(&world, kinds));
        let to = as_good.unwrap_or(frame.worlds.len());
        frame.edges.push((from, placed, to));
        if as_good.is_none() {
            frame.worlds.push(world);
        }
    }
}

/// What is learned.
impl<S: Specification, M: Mask> Learner<'_, S, M> {
    /// A lesson from a world all of whose ways on have failed: what it needs for that.
    fn learn(&mut self, frame: &Frame<M>) -> M {
        self.load(frame.stage);
        let target = self.stages[frame.stage].target;
        let mut needed = vec![M::default(); frame.worlds.len()];
        for (from, placed, beyond) in &frame.failed {
            let before = self.before(beyond.clone(), *placed);
            needed[*from] = needed[*from].or(&before);
        }
        let mut edges: Vec<(usize, Placed, usize)> = frame.edges.clone();
        for (from, slot, world) in &frame.blocked {
            if self.search.is_past(world, target) {
                continue;
            }
            match self.been(frame, world).filter(|_| !world.used.contains(target)) {
                Some(to) => edges.push((*from, [Some(*slot), None], to)),
                None => needed[*from].insert(*slot),
            }
        }
        // What a world needs was mostly found behind it.
        edges.reverse();
        loop {
            let mut is_changed = false;
            for &(from, placed, to) in &edges {
                let before = self.before(needed[to].clone(), placed);
                if !before.without(&needed[from]).is_empty() {
                    needed[from] = needed[from].or(&before);
                    is_changed = true;
                }
            }
            if !is_changed {
                break;
            }
        }
        let needed = needed.swap_remove(0);
        let world = &frame.worlds[0];
        let kinds = &self.search.kinds;
        let used = world.used.without(&kinds.unknown).or(&needed);
        let lesson = Configuration { used, hideable: world.hideable.clone(), state: world.state };
        let lessons = self.stages[frame.stage].lessons.entry(lesson.state).or_default();
        lessons.push(lesson);
        self.lessons += 1;
        needed
    }

    /// A world of the frame with the same state that leaves the same to be done, but for unanswered operations.
    fn been(&self, frame: &Frame<M>, world: &Configuration<M>) -> Option<usize> {
        let kinds = &self.search.kinds;
        frame.worlds.iter().position(|other| {
            let used = other.used.without(&kinds.unknown);
            other.state == world.state
                && Configuration { used, hideable: other.hideable.clone(), state: other.state }
                    .dominates(world, kinds)
        })
    }

    /// What has to be used before these operations are, so that afterwards all of `needed` is.
    fn before(&self, mut needed: M, placed: Placed) -> M {
        let stage = &self.stages[self.loaded];
        for slot in placed.into_iter().flatten() {
            let Some(family) = stage.family_of.get(slot).and_then(|&family| stage.families.get(family))
            else {
                continue;
            };
            let Some(count) = family.iter().rposition(|&other| needed.contains(other)) else { continue };
            family.iter().for_each(|&other| needed.remove(other));
            if let Some(before) = count.checked_sub(1) {
                needed.insert(family[before]);
            }
        }
        needed
    }
}
