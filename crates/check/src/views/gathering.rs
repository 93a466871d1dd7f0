//! The search for a set of operations, and an order of them, that explains what some of them were answered.
//!
//! [`Gathering`] is the question: which operations there are, which of them have to be taken, whose answers have to be
//! right, and which have to come before which. An answer that does not have to be right is free: the operation does what
//! it does to the state, whatever it would be answered. All models of the module [`super`] ask such questions.
//!
//! # The search
//!
//! It goes over *places*: how far each session has been taken, and the state that came of it. What can follow depends on
//! nothing else, so no place is visited twice. The most promising place is looked at first: the one where most of what has
//! to be taken was, of these the one that took least that what comes next does not need, and of these the one that came
//! furthest, by the order of invocations. Taking little matters: what a session has seen it cannot forget, and what was seen
//! by what it has seen it has to see as well.
//!
//! An operation that has to be taken, fits, and changes nothing, is taken at once: nothing is lost by it.
//!
//! # What it costs
//!
//! At worst one place for each combination of how far the sessions have come, and state: exponential in the number of
//! sessions, as the questions are NP-complete. [`Budget`] bounds steps, places and time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::hash::BuildHasherDefault;

use crate::hashing::FastHasher;
use crate::history::History;
use crate::linearizability::Effort;
use crate::specification::{Effect, Specification};

/// An operation that may be taken.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// Which operation of the history.
    pub index: usize,
    /// Its answer has to be right.
    pub is_visible: bool,
    /// It has to be taken.
    pub is_required: bool,
    /// Members that have to be taken before it is, besides those of its session.
    pub before: Vec<usize>,
}

/// Operations of which some are to be taken, in some order.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathering {
    pub members: Vec<Member>,
    /// The members of each session, in its order.
    pub chains: Vec<Vec<usize>>,
    /// Members that were never answered: the member, its session, and how many of the session's other members come before.
    pub loose: Vec<(usize, usize, usize)>,
    /// Whether an operation may be taken where earlier ones of its session were not.
    pub may_skip: bool,
}

/// What came of a search.
pub(super) enum Found<T> {
    /// Operations, by their index, in an order that answers the question, and the state after them.
    Order(Vec<usize>, T),
    /// There is none. The furthest that the search came: which of the required operations could not be taken, and where.
    Nothing { stuck: Vec<usize>, state: T },
    /// A limit was reached; which one, as a clause.
    Limit(String),
}

/// What all searches for one verdict may cost together.
pub(super) struct Budget<'a> {
    effort: Effort<'a>,
    steps: u64,
}

impl<'a> Budget<'a> {
    pub fn new(effort: Effort<'a>) -> Self {
        Self { effort, steps: 0 }
    }

    /// The limit that was reached, if one was, by a search that has visited so many places.
    fn limit(&self, places: usize) -> Option<String> {
        let limits = self.effort.limits;
        if self.steps > limits.steps_max {
            return Some(format!("the limit of {} steps was reached", limits.steps_max));
        }
        if places > limits.configurations_max {
            return Some(format!("more than {} places had to be visited", limits.configurations_max));
        }
        let time = self.effort.time.filter(|_| places.is_multiple_of(PLACES_PER_LOOK))?;
        ((time.elapsed)() > time.time_max)
            .then(|| format!("the time limit of {:?} was reached", time.time_max))
    }
}

/// How often the clock is asked: once in so many places.
const PLACES_PER_LOOK: usize = 64;

/// Where a search has come to.
#[derive(Clone)]
struct Place<T> {
    /// How much of each session is behind.
    frontier: Box<[u32]>,
    taken: Bits,
    state: T,
    /// How many were taken that had to be.
    required: usize,
    /// How many were taken at all.
    count: usize,
    /// The last step on the way here.
    trail: Option<usize>,
}

/// A set of members.
type Bits = Box<[u64]>;

fn has(bits: &[u64], member: usize) -> bool {
    bits[member / 64] >> (member % 64) & 1 == 1
}

fn put(bits: &mut [u64], member: usize) {
    bits[member / 64] |= 1 << (member % 64);
}

/// What is looked at first is the greatest: most required, least that is not needed, most in all, what was invoked first, and
/// what was found first.
type Rank = (usize, Reverse<usize>, usize, Reverse<usize>, Reverse<usize>);

struct Search<'a, 'b, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    gathering: &'a Gathering,
    budget: &'a mut Budget<'b>,
    /// Members of which a place has to remember whether they were taken, though the frontier is past them.
    remembered: Bits,
    required: usize,
    /// By member that has to be taken: how far the sessions have to have come before.
    needs: Vec<Option<Box<[u32]>>>,
    /// For each step that was made: the member, and the step before.
    trail: Vec<(usize, Option<usize>)>,
    visited: HashSet<(Box<[u32]>, Bits, S::State), BuildHasherDefault<FastHasher>>,
    waiting: BinaryHeap<(Rank, usize)>,
    /// The places that wait, by number.
    places: Vec<Option<Place<S::State>>>,
    furthest: Option<Place<S::State>>,
}

impl Gathering {
    /// Looks for an order that begins in `state`.
    pub fn search<S: Specification>(
        &self,
        spec: &S,
        history: &History<S::Input, S::Output>,
        state: S::State,
        budget: &mut Budget<'_>,
    ) -> Found<S::State> {
        let mut remembered: Bits = vec![0; self.members.len().div_ceil(64)].into();
        for &(member, ..) in &self.loose {
            put(&mut remembered, member);
        }
        if self.may_skip {
            self.members
                .iter()
                .flat_map(|member| &member.before)
                .for_each(|&before| put(&mut remembered, before));
        }
        let search = Search {
            spec,
            history,
            gathering: self,
            budget,
            required: self.members.iter().filter(|member| member.is_required).count(),
            trail: Vec::new(),
            visited: HashSet::default(),
            waiting: BinaryHeap::new(),
            places: Vec::new(),
            furthest: None,
            remembered,
            needs: self.needs(),
        };
        search.run(state)
    }

    /// How far all sessions have to have come before a member that has to be taken, as far as that is known. It guides the
    /// search, and decides nothing.
    fn needs(&self) -> Vec<Option<Box<[u32]>>> {
        let mut needs: Vec<Option<Box<[u32]>>> = vec![None; self.members.len()];
        if self.may_skip {
            return needs;
        }
        let mut places = vec![None; self.members.len()];
        for (chain, members) in self.chains.iter().enumerate() {
            members
                .iter()
                .enumerate()
                .for_each(|(at, &member)| places[member] = Some((chain, at as u32 + 1)));
        }
        for chain in self
            .chains
            .iter()
            .filter(|chain| chain.first().is_some_and(|&member| self.members[member].is_required))
        {
            let mut need = vec![0_u32; self.chains.len()];
            let mut left: Vec<usize> = Vec::new();
            for &member in chain {
                left.extend(&self.members[member].before);
                while let Some(other) = left.pop() {
                    let Some((chain, count)) = places[other] else { continue };
                    let before = need[chain];
                    need[chain] = before.max(count);
                    let new = &self.chains[chain][before as usize..need[chain] as usize];
                    left.extend(new.iter().flat_map(|&new| &self.members[new].before));
                }
                needs[member] = Some(need.clone().into());
            }
        }
        needs
    }
}

impl<S: Specification> Search<'_, '_, S> {
    fn run(mut self, state: S::State) -> Found<S::State> {
        let first = Place {
            frontier: vec![0; self.gathering.chains.len()].into(),
            taken: vec![0; self.gathering.members.len().div_ceil(64)].into(),
            state,
            required: 0,
            count: 0,
            trail: None,
        };
        self.visit(first);
        while let Some((_, number)) = self.waiting.pop() {
            let place = self.places[number].take().expect("each number waits once");
            if place.required == self.required {
                return Found::Order(self.order(place.trail), place.state);
            }
            if let Some(limit) = self.budget.limit(self.visited.len()) {
                return Found::Limit(limit);
            }
            self.go_on(&place);
            if self.furthest.as_ref().is_none_or(|furthest| furthest.required < place.required) {
                self.furthest = Some(place);
            }
        }
        let furthest = self.furthest.take().expect("the first place was looked at");
        let stuck =
            self.next_required(&furthest).map(|member| self.gathering.members[member].index).collect();
        Found::Nothing { stuck, state: furthest.state }
    }

    /// Takes in a place unless it is known.
    fn visit(&mut self, place: Place<S::State>) {
        let remembered = place.taken.iter().zip(&self.remembered).map(|(taken, mask)| taken & mask).collect();
        if self.visited.insert((place.frontier.clone(), remembered, place.state.clone())) {
            let last = place.trail.map_or(0, |step| self.gathering.members[self.trail[step].0].index);
            let number = self.places.len();
            let superfluous = Reverse(self.superfluous(&place));
            let rank = (place.required, superfluous, place.count, Reverse(last), Reverse(number));
            self.waiting.push((rank, number));
            self.places.push(Some(place));
        }
    }

    /// How many operations were taken that what has to be taken next does not need.
    fn superfluous(&self, place: &Place<S::State>) -> usize {
        let mut need: Option<Box<[u32]>> = None;
        for member in self.next_required(place) {
            let Some(other) = &self.needs[member] else { continue };
            match &mut need {
                None => need = Some(other.clone()),
                Some(need) => {
                    need.iter_mut().zip(other).for_each(|(need, other)| *need = (*need).max(*other))
                }
            }
        }
        match need {
            None => place.count - place.required,
            Some(need) => {
                let beyond = |(reached, need): (&u32, &u32)| reached.saturating_sub(*need) as usize;
                place.frontier.iter().zip(&need).map(beyond).sum()
            }
        }
    }

    /// Visits all places one operation away.
    fn go_on(&mut self, place: &Place<S::State>) {
        let gathering = self.gathering;
        for (chain, members) in gathering.chains.iter().enumerate() {
            let first = place.frontier[chain] as usize;
            for (position, &member) in members.iter().enumerate().skip(first) {
                if let Some(mut after) = self.take(place, member) {
                    after.frontier[chain] = position as u32 + 1;
                    let is_free = gathering.members[member].is_required && after.state == place.state;
                    self.visit(after);
                    if is_free && position == first && self.is_read_only(member) {
                        return;
                    }
                }
                if !gathering.may_skip || gathering.members[member].is_required {
                    break;
                }
            }
        }
        for &(member, chain, before) in &gathering.loose {
            let reached = place.frontier[chain] as usize;
            let passes_over = gathering.chains[chain].get(reached..before).unwrap_or_default();
            let may_pass = passes_over.is_empty()
                || (gathering.may_skip
                    && passes_over.iter().all(|&other| !gathering.members[other].is_required));
            if may_pass
                && !has(&place.taken, member)
                && let Some(mut after) = self.take(place, member)
            {
                after.frontier[chain] = reached.max(before) as u32;
                self.visit(after);
            }
        }
    }

    /// The place after a member was taken, but for the frontier, if it may be.
    fn take(&mut self, place: &Place<S::State>, member: usize) -> Option<Place<S::State>> {
        let Member { index, is_visible, is_required, ref before } = self.gathering.members[member];
        if !before.iter().all(|&other| has(&place.taken, other)) {
            return None;
        }
        self.budget.steps += 1;
        let operation = &self.history.operations()[index];
        let output = operation.output().filter(|_| is_visible);
        let state = self.spec.step(&place.state, &operation.input, output)?;
        let mut after = Place { state, ..place.clone() };
        put(&mut after.taken, member);
        after.required += usize::from(is_required);
        after.count += 1;
        self.trail.push((member, place.trail));
        after.trail = Some(self.trail.len() - 1);
        Some(after)
    }

    fn is_read_only(&self, member: usize) -> bool {
        let Member { index, is_visible, .. } = self.gathering.members[member];
        let operation = &self.history.operations()[index];
        self.spec.effect(&operation.input, operation.output().filter(|_| is_visible)) == Effect::ReadOnly
    }

    fn order(&self, mut trail: Option<usize>) -> Vec<usize> {
        let mut order = Vec::new();
        while let Some(step) = trail {
            let (member, before) = self.trail[step];
            order.push(self.gathering.members[member].index);
            trail = before;
        }
        order.reverse();
        order
    }

    /// Of each session, the next member that has to be taken.
    fn next_required(&self, place: &Place<S::State>) -> impl Iterator<Item = usize> {
        let gathering = self.gathering;
        let next = |(members, &reached): (&Vec<usize>, &u32)| {
            let left = &members[reached as usize..];
            left.iter().copied().find(|&member| gathering.members[member].is_required)
        };
        let loose = gathering.loose.iter().map(|&(member, ..)| member);
        let loose =
            loose.filter(|&member| gathering.members[member].is_required && !has(&place.taken, member));
        let found: Vec<usize> =
            gathering.chains.iter().zip(&place.frontier).filter_map(next).chain(loose).collect();
        found.into_iter()
    }
}
