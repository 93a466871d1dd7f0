//! One thread's part in an exploration: looks beyond states, puts what it finds into the set, and judges what is new.

use super::footprint::{self, Asleep, Before};
use super::frontier::{Frontier, Item, Queues};
use super::model::Demand;
use super::seen::{self, Known, Link, Seen};
use super::sleepers::Sleepers;
use super::{End, Footprint, Model};

/// What all threads look at, and none changes but through what is made for it.
pub(super) struct Shared<'s, M: Model> {
    pub(super) model: &'s M,
    pub(super) seen: &'s Seen,
    pub(super) sleepers: &'s Sleepers,
    /// Of what is found.
    pub(super) depth: u32,
    /// Whether actions may be asleep.
    pub(super) reduces: bool,
    /// Whether states that differ in names alone are one.
    pub(super) symmetric: bool,
}

impl<M: Model> Clone for Shared<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Model> Copy for Shared<'_, M> {}

/// A property that does not hold. Ordered by what is reported first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Violation {
    pub(super) depth: u32,
    pub(super) print: u64,
    pub(super) property: usize,
    pub(super) sentence: String,
}

/// What the properties said, and what was counted. The same for any number of threads once all are added up.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) violation: Option<Violation>,
    /// The least state that shows each `sometimes` that was not reached before, by the property's place.
    pub(super) reached: Vec<Option<u64>>,
    pub(super) transitions: u64,
    pub(super) asleep: u64,
    pub(super) over: u64,
    pub(super) cut: u64,
    /// How many states those stand for that were found.
    pub(super) represented: u64,
}

impl Tally {
    fn violated(&mut self, violation: Violation) {
        if self.violation.as_ref().is_none_or(|known| violation < *known) {
            self.violation = Some(violation);
        }
    }

    pub(super) fn add(&mut self, other: Tally) {
        other.violation.into_iter().for_each(|violation| self.violated(violation));
        self.reached.resize(self.reached.len().max(other.reached.len()), None);
        for (mine, theirs) in self.reached.iter_mut().zip(other.reached) {
            *mine = (*mine).into_iter().chain(theirs).min();
        }
        self.transitions += other.transitions;
        self.asleep += other.asleep;
        self.over += other.over;
        self.cut += other.cut;
        self.represented += other.represented;
    }
}

/// Successors that are looked up together, so that the memory of the set is waited for once for all of them. With more, their own memory would be far when they are given back.
const SUCCESSORS_MAX: usize = 4;

/// Where an action leads, before anybody knows whether it is new.
#[derive(Debug)]
struct Successor<S> {
    state: S,
    print: u64,
    represents: u64,
    taken: Footprint,
    /// How many actions of the state are before the one taken.
    before: usize,
}

/// A state that somebody came to, and for which the set had no room yet.
#[derive(Debug)]
struct Candidate<S> {
    item: Item<S>,
    represents: u64,
    link: Link,
}

/// A thread's own; its buffers are used again.
pub(super) struct Worker<M: Model> {
    actions: Vec<M::Action>,
    /// Of one action.
    outcomes: Vec<M::State>,
    /// Of one state.
    successors: Vec<Successor<M::State>>,
    before: Before,
    waiting: Vec<Candidate<M::State>>,
    /// Found at the next level.
    pub(super) found: Frontier<M::State>,
    pub(super) tally: Tally,
}

impl<M: Model> Worker<M> {
    pub(super) fn new() -> Self {
        Worker {
            actions: Vec::new(),
            outcomes: Vec::new(),
            successors: Vec::new(),
            before: Before::default(),
            waiting: Vec::new(),
            found: Frontier::default(),
            tally: Tally::default(),
        }
    }

    /// Whether the set had no room for something.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Puts in an initial state.
    pub(super) fn begin(&mut self, shared: Shared<'_, M>, state: M::State) {
        self.tally.transitions += 1;
        let (print, represents) = name(shared, &state);
        let item = Item { state, print, asleep: Asleep::default() };
        let new = self.admit(shared, Candidate { item, represents, link: Link::ROOT });
        shared.seen.add(u64::from(new));
    }

    /// Puts in what waits, then takes chunks as long as there are any and the set has room.
    pub(super) fn work(&mut self, shared: Shared<'_, M>, queues: &Queues<M::State>, thread: usize) {
        let waiting = std::mem::take(&mut self.waiting);
        let mut new = 0;
        for candidate in waiting {
            new += u64::from(self.admit(shared, candidate));
        }
        shared.seen.add(new);
        while !shared.seen.is_full()
            && let Some(chunk) = queues.take(thread)
        {
            let mut new = 0;
            for item in chunk {
                new += self.expand(shared, &item);
            }
            shared.seen.add(new);
        }
    }

    /// Looks beyond a state; says how many are new there.
    fn expand(&mut self, shared: Shared<'_, M>, item: &Item<M::State>) -> u64 {
        let mut actions = std::mem::take(&mut self.actions);
        actions.clear();
        shared.model.actions(&item.state, &mut actions);
        self.look_at_end(shared, item, &actions);
        let new = match shared.reduces {
            true => self.go_where_none_sleeps(shared, item, &actions),
            false => {
                let mut new = 0;
                let commutes_with_none = Footprint { identity: 0, touches: Footprint::EVERYTHING };
                for action in &actions {
                    shared.model.apply(&item.state, action, &mut self.outcomes);
                    new += self.come(shared, item.print, commutes_with_none);
                }
                new
            }
        };
        self.actions = actions;
        new + self.meet(shared, item.print)
    }

    fn go_where_none_sleeps(
        &mut self,
        shared: Shared<'_, M>,
        item: &Item<M::State>,
        actions: &[M::Action],
    ) -> u64 {
        let mut new = 0;
        let (model, met) = (shared.model, shared.sleepers.met(item.print));
        let sleeps = |identity: u64| {
            item.asleep.contains(identity) && met.is_none_or(|others| others.contains(identity))
        };
        self.before.begin(&item.asleep, met);
        for action in actions {
            let footprint = model.footprint(&item.state, action);
            if sleeps(footprint.identity) {
                self.tally.asleep += 1;
                continue;
            }
            model.apply(&item.state, action, &mut self.outcomes);
            let footprint = footprint::full(model, footprint, &item.state, &self.outcomes);
            new += self.come(shared, item.print, footprint);
            self.before.taken(footprint);
        }
        new
    }

    /// Names what an action leads to, and looks up what has gathered.
    fn come(&mut self, shared: Shared<'_, M>, from: u64, taken: Footprint) -> u64 {
        let before = self.before.len();
        for state in self.outcomes.drain(..) {
            let (print, represents) = name(shared, &state);
            self.successors.push(Successor { state, print, represents, taken, before });
        }
        if self.successors.len() < SUCCESSORS_MAX { 0 } else { self.meet(shared, from) }
    }

    /// Looks up the successors that have gathered; says how many are new.
    fn meet(&mut self, shared: Shared<'_, M>, from: u64) -> u64 {
        let link = Link::new(shared.depth, from);
        shared.seen.touch(self.successors.iter().map(|successor| successor.print));
        let mut successors = std::mem::take(&mut self.successors);
        self.tally.transitions += successors.len() as u64;
        let mut new = 0;
        for Successor { state, print, represents, taken, before } in successors.drain(..) {
            match shared.seen.insert(print, link) {
                Known::Old => {}
                Known::Now if !shared.reduces => {}
                known => {
                    let item = Item { state, print, asleep: self.before.after(before, taken) };
                    new += u64::from(self.settle(shared, Candidate { item, represents, link }, known));
                }
            }
        }
        self.successors = successors;
        new
    }

    fn admit(&mut self, shared: Shared<'_, M>, candidate: Candidate<M::State>) -> bool {
        let known = shared.seen.insert(candidate.item.print, candidate.link);
        self.settle(shared, candidate, known)
    }

    /// What is to be done about a state of which that much was known.
    fn settle(&mut self, shared: Shared<'_, M>, candidate: Candidate<M::State>, known: Known) -> bool {
        let Candidate { item, represents, .. } = &candidate;
        match known {
            Known::New => {
                self.tally.represented += represents;
                self.judge(shared, item.print, &item.state);
                self.found.push(candidate.item);
                return true;
            }
            Known::Now if shared.reduces => shared.sleepers.meet(item.print, candidate.item.asleep),
            Known::Now | Known::Old => {}
            Known::Full => self.waiting.push(candidate),
        }
        false
    }

    /// Holds a new state against the properties.
    fn judge(&mut self, shared: Shared<'_, M>, print: u64, state: &M::State) {
        let Shared { model, depth, .. } = shared;
        for (property, of) in model.properties().iter().enumerate() {
            match &of.demand {
                Demand::Always(judge) => {
                    if let Err(sentence) = judge(model, state) {
                        self.tally.violated(Violation { depth, print, property, sentence });
                    }
                }
                Demand::Sometimes(test) => {
                    let known = self.tally.reached.get_mut(property);
                    if let Some(known) = known.filter(|known| known.is_none_or(|known| print < known))
                        && test(model, state)
                    {
                        *known = Some(print);
                    }
                }
                Demand::Eventually(_) => {}
            }
        }
    }

    /// Holds a state where the run is over against what is owed there.
    fn look_at_end(&mut self, shared: Shared<'_, M>, item: &Item<M::State>, actions: &[M::Action]) {
        let model = shared.model;
        match model.end(&item.state, actions) {
            End::Open => return,
            End::Cut => {
                self.tally.cut += 1;
                return;
            }
            End::Over => self.tally.over += 1,
        }
        for (property, of) in model.properties().iter().enumerate() {
            if let Demand::Eventually(judge) = &of.demand
                && let Err(sentence) = judge(model, &item.state)
            {
                let (depth, print) = (shared.depth - 1, item.print);
                self.tally.violated(Violation { depth, print, property, sentence });
            }
        }
    }
}

/// What stands for a state in the set.
pub(super) fn stored_name<M: Model>(shared: Shared<'_, M>, state: &M::State) -> u64 {
    seen::stored(name(shared, state).0)
}

/// What stands for a state, and for how many states it stands.
#[inline]
fn name<M: Model>(shared: Shared<'_, M>, state: &M::State) -> (u64, u64) {
    match shared.symmetric {
        true => {
            let orbit = shared.model.orbit(state);
            (orbit.fingerprint, u64::from(orbit.states))
        }
        false => (shared.model.fingerprint(state), 1),
    }
}
