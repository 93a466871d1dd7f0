//! Sequential consistency of any object: is there one order of all operations that respects the order of each session
//! and the specification (Lamport 1979).
//!
//! Real time does not count: a session may lag behind all others for ever. So the model is weaker than linearizability,
//! and, unlike it, not local: two objects that are each sequentially consistent need not be so together (Herlihy and Wing
//! 1990, with two queues). A history is never divided by keys here.
//!
//! # The search
//!
//! Deciding is NP-complete (Gibbons and Korach 1997). The search goes depth first over *frontiers*, how far each
//! session has come, and remembers every pair of a frontier and a state that it has been to: what follows depends on
//! nothing else. Two rules keep it narrow. An operation that changes nothing takes effect as soon as it is legal.
//! Among the others the one that was invoked first is tried first, since stores mostly do follow real time.
//!
//! # What was never answered
//!
//! An operation that was never answered may take effect at any time after what its session did before it, or never; what
//! its session does later does not wait for it. A few of them multiply what can be tried, and three more rules are there
//! against that. Each is an exchange argument: an explanation that breaks the rule can be turned into one that keeps it.
//!
//! 1. *Twins.* Of unanswered operations that ask the same and may take effect, the first does.
//! 2. *As late as possible.* If nothing that reads follows at once, then something that could not as well have come before:
//!    what follows was not legal, or would have led elsewhere (a rule of partial order reduction, Godefroid 1996). Of two
//!    unanswered ones whose order makes no difference the first comes first.
//! 3. *Dominance.* Of two ways to the same frontier and state, the one that has used fewer of them makes the other
//!    superfluous.
//!
//! # What it costs
//!
//! A history that keeps the model is mostly explained in one go. One that breaks it costs the number of frontiers with
//! their states, at worst the product of the sessions' lengths; [`Effort`] bounds steps, frontiers and time, and
//! reaching a limit is the answer *unknown*. For reads and writes whose values tell their writes apart,
//! [`crate::read_write`] does better.
//!
//! Left out: threads, and a smaller set of operations that is impossible already.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash};

use crate::hashing::FastHasher;
use crate::history::{Event, History, OperationId};
use crate::linearizability::Effort;
use crate::model::{Breach, Judgement, Model, Step};
use crate::specification::{Effect, Specification};
use crate::verdict::OperationSummary;

/// Decides whether a history is sequentially consistent.
pub fn check<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    effort: Effort<'_>,
) -> Judgement {
    Search::new(spec, history).run(effort)
}

/// How often the clock is asked: once in so many steps.
const STEPS_PER_LOOK: u64 = 1024;

/// Where a search has come to.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Place<T> {
    reached: Reached<T>,
    /// Which of the unanswered operations have taken effect.
    unanswered: Box<[u64]>,
    /// The unanswered operation that took effect last, if nothing has seen it yet, and the state before it.
    unseen: Option<(usize, T)>,
}

/// What of a place does not concern unanswered operations.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Reached<T> {
    /// How many operations of each session have taken effect.
    frontier: Box<[u32]>,
    state: T,
}

/// Places that need not be visited again.
struct Been<T> {
    /// Which unanswered operations had taken effect, each time.
    free: HashMap<Reached<T>, Vec<Box<[u64]>>, BuildHasherDefault<FastHasher>>,
    /// Places where an operation is still unseen, and so not all can follow that could otherwise.
    bound: HashSet<Place<T>, BuildHasherDefault<FastHasher>>,
    len: usize,
}

/// A place is compared with so many others that differ in unanswered operations alone.
const COMPARED_MAX: usize = 64;

impl<T: Clone + Eq + Hash> Been<T> {
    /// Whether a place is new, and no other visited before makes it superfluous (rule 3).
    fn insert(&mut self, place: &Place<T>) -> bool {
        let is_superfluous = self.free.get(&place.reached).is_some_and(|known| {
            let compared = known.iter().rev().take(COMPARED_MAX);
            let mut used_less = compared.map(|known| known.iter().zip(&place.unanswered));
            used_less.any(|mut words| words.all(|(known, used)| known & !used == 0))
        });
        if is_superfluous {
            return false;
        }
        let is_new = match place.unseen {
            Some(_) => self.bound.insert(place.clone()),
            None => {
                self.free.entry(place.reached.clone()).or_default().push(place.unanswered.clone());
                true
            }
        };
        self.len += usize::from(is_new);
        is_new
    }
}

struct Search<'a, S: Specification> {
    spec: &'a S,
    history: &'a History<S::Input, S::Output>,
    /// The answered operations of each session.
    sessions: Vec<Vec<usize>>,
    /// Unanswered operations: which session, how many answered operations come before, and which one it is.
    unanswered: Vec<(usize, u32, usize)>,
    answered: usize,
    steps: u64,
    /// The place that explained most, and how many operations it explained.
    best: Option<(usize, Place<S::State>)>,
}

impl<'a, S: Specification> Search<'a, S> {
    fn new(spec: &'a S, history: &'a History<S::Input, S::Output>) -> Self {
        let mut numbers = std::collections::BTreeMap::new();
        let mut sessions: Vec<Vec<usize>> = Vec::new();
        let mut unanswered = Vec::new();
        for event in history.events() {
            let Event::Invoked(index) = *event else { continue };
            let operation = &history.operations()[index];
            let session = *numbers.entry(operation.client).or_insert_with(|| {
                sessions.push(Vec::new());
                sessions.len() - 1
            });
            if operation.output().is_some() {
                sessions[session].push(index);
            } else if spec.effect(&operation.input, None) != Effect::ReadOnly {
                unanswered.push((session, sessions[session].len() as u32, index));
            }
        }
        let answered = sessions.iter().map(Vec::len).sum();
        Self { spec, history, sessions, unanswered, answered, steps: 0, best: None }
    }

    fn run(mut self, effort: Effort<'_>) -> Judgement {
        let model = Model::Sequential;
        let mut been = Been { free: HashMap::default(), bound: HashSet::default(), len: 0 };
        let mut first = Place {
            reached: Reached { frontier: vec![0; self.sessions.len()].into(), state: self.spec.initial() },
            unanswered: vec![0; self.unanswered.len().div_ceil(64)].into(),
            unseen: None,
        };
        self.take_reads(&mut first);
        let mut stack = vec![first];
        while let Some(place) = stack.pop() {
            if self.is_complete(&place) {
                return Judgement::kept(model);
            }
            if !been.insert(&place) {
                continue;
            }
            if let Some(reason) = self.limit(effort, been.len) {
                return Judgement::unknown(model, reason);
            }
            // The last pushed is tried first.
            let mut next = self.next(&place);
            next.sort_by_key(|(order, _)| std::cmp::Reverse(*order));
            stack.extend(next.into_iter().map(|(_, place)| place));
        }
        Judgement::broken(model, self.breach())
    }

    fn limit(&self, effort: Effort<'_>, places: usize) -> Option<String> {
        let explained = self.best.as_ref().map_or(0, |best| best.0);
        let so_far = format!("after {explained} of {} operations had been explained", self.answered);
        if self.steps > effort.limits.steps_max {
            return Some(format!("the limit of {} steps was reached {so_far}", effort.limits.steps_max));
        }
        if places > effort.limits.configurations_max {
            let limit = effort.limits.configurations_max;
            return Some(format!("more than {limit} frontiers had to be visited {so_far}"));
        }
        let time = effort.time.filter(|_| (places as u64).is_multiple_of(STEPS_PER_LOOK))?;
        ((time.elapsed)() > time.time_max)
            .then(|| format!("the time limit of {:?} was reached {so_far}", time.time_max))
    }

    /// The places one changing operation away, each with the place of its invocation in the history.
    fn next(&mut self, place: &Place<S::State>) -> Vec<(usize, Place<S::State>)> {
        let mut next = Vec::new();
        for session in 0..self.sessions.len() {
            let count = place.reached.frontier[session] as usize;
            let Some(&index) = self.sessions[session].get(count) else { continue };
            if let Some(state) = self.step(&place.reached.state, index)
                && !self.could_come_before(place, index, &state)
            {
                let mut after = place.clone();
                (after.reached.state, after.unseen) = (state, None);
                after.reached.frontier[session] += 1;
                self.take_reads(&mut after);
                next.push((index, after));
            }
        }
        for number in 0..self.unanswered.len() {
            let (_, _, index) = self.unanswered[number];
            if !self.is_open(place, number) || self.has_twin_before(place, number) {
                continue;
            }
            let state = self.step(&place.reached.state, index).filter(|state| *state != place.reached.state);
            let Some(state) = state else { continue };
            let is_before = place.unseen.as_ref().is_some_and(|(last, _)| *last > number);
            if is_before && self.could_come_before(place, index, &state) {
                continue;
            }
            let mut after = place.clone();
            after.unseen = Some((number, std::mem::replace(&mut after.reached.state, state)));
            after.unanswered[number / 64] |= 1 << (number % 64);
            if self.take_reads(&mut after) {
                after.unseen = None;
            }
            // After all that was answered.
            next.push((self.history.len() + index, after));
        }
        next
    }

    /// Whether an unanswered operation may take effect.
    fn is_open(&self, place: &Place<S::State>, number: usize) -> bool {
        let (session, before, _) = self.unanswered[number];
        let is_used = place.unanswered[number / 64] >> (number % 64) & 1 == 1;
        !is_used && place.reached.frontier[session] >= before
    }

    /// Rule 1.
    fn has_twin_before(&self, place: &Place<S::State>, number: usize) -> bool {
        let input = |number: usize| &self.history.operations()[self.unanswered[number].2].input;
        (0..number).any(|other| input(other) == input(number) && self.is_open(place, other))
    }

    /// Rule 2: whether an operation that leads to `state` could as well have come before the unanswered one that nothing
    /// has seen yet.
    fn could_come_before(&mut self, place: &Place<S::State>, index: usize, state: &S::State) -> bool {
        let Some((last, before)) = &place.unseen else { return false };
        let last = self.unanswered[*last].2;
        let between = self.step(before, index);
        between.is_some_and(|between| self.step(&between, last).is_some_and(|after| after == *state))
    }

    /// Lets everything take effect that changes nothing and is legal; whether anything is.
    fn take_reads(&mut self, place: &mut Place<S::State>) -> bool {
        let mut is_any_taken = false;
        for session in 0..self.sessions.len() {
            while let Some(&index) = self.sessions[session].get(place.reached.frontier[session] as usize) {
                let operation = &self.history.operations()[index];
                if self.spec.effect(&operation.input, operation.output()) != Effect::ReadOnly
                    || self.step(&place.reached.state, index).is_none()
                {
                    break;
                }
                place.reached.frontier[session] += 1;
                is_any_taken = true;
            }
        }
        let explained = place.reached.frontier.iter().map(|&count| count as usize).sum();
        if self.best.as_ref().is_none_or(|best| best.0 < explained) {
            self.best = Some((explained, place.clone()));
        }
        is_any_taken
    }

    fn step(&mut self, state: &S::State, index: usize) -> Option<S::State> {
        self.steps += 1;
        let operation = &self.history.operations()[index];
        self.spec.step(state, &operation.input, operation.output())
    }

    fn is_complete(&self, place: &Place<S::State>) -> bool {
        let frontier = &place.reached.frontier;
        self.sessions.iter().zip(frontier).all(|(session, &count)| session.len() == count as usize)
    }

    fn breach(&self) -> Breach {
        let (explained, place) = self.best.as_ref().expect("the first place is one");
        let state = self.spec.describe_state(&place.reached.state);
        let mut breach = Breach {
            anomaly: None,
            sentence: format!(
                "no order of all operations respects every session; the longest that works explains {explained} of {} \
                 and then no session can go on",
                self.answered
            ),
            witness: Vec::new(),
            steps: Vec::new(),
        };
        for (session, &count) in self.sessions.iter().zip(&place.reached.frontier) {
            let Some(&index) = session.get(count as usize) else { continue };
            let operation = &self.history.operations()[index];
            let id = OperationId(index as u64);
            let what = self.spec.describe_operation(&operation.input, operation.output());
            breach
                .witness
                .push(OperationSummary { id, text: format!("{id} {what} of {}", operation.client) });
            let Some(output) = operation.output() else { continue };
            let text = match self.spec.step(&place.reached.state, &operation.input, Some(output)) {
                Some(_) => format!("{id} could go on, but then others never can."),
                None => {
                    let objection = self.spec.objection(&place.reached.state, &operation.input, output);
                    format!("{id} cannot: where the state is {state}, {objection}.")
                }
            };
            breach.steps.push(Step { text, operations: vec![id] });
        }
        breach
    }
}
