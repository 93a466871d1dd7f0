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
//! An operation that was never answered may take effect at any time after what its session did before it, or never; what
//! its session does later does not wait for it.
//!
//! A history that keeps the model is mostly explained in one go. One that breaks it costs the number of frontiers with
//! their states, at worst the product of the sessions' lengths; [`Effort`] bounds steps, frontiers and time, and
//! reaching a limit is the answer *unknown*. For reads and writes whose values tell their writes apart,
//! [`crate::read_write`] does better.
//!
//! Left out: threads, and a smaller set of operations that is impossible already.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

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
    /// How many operations of each session have taken effect.
    frontier: Box<[u32]>,
    /// Which of the unanswered operations have.
    unanswered: Box<[u64]>,
    state: T,
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
        let mut been: HashSet<Place<S::State>, BuildHasherDefault<FastHasher>> = HashSet::default();
        let mut first = Place {
            frontier: vec![0; self.sessions.len()].into(),
            unanswered: vec![0; self.unanswered.len().div_ceil(64)].into(),
            state: self.spec.initial(),
        };
        self.take_reads(&mut first);
        let mut stack = vec![first];
        while let Some(place) = stack.pop() {
            if self.is_complete(&place) {
                return Judgement::kept(model);
            }
            if !been.insert(place.clone()) {
                continue;
            }
            if let Some(reason) = self.limit(effort, been.len()) {
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
            let Some(&index) = self.sessions[session].get(place.frontier[session] as usize) else { continue };
            if let Some(state) = self.step(place, index) {
                let mut after = Place { state, ..place.clone() };
                after.frontier[session] += 1;
                self.take_reads(&mut after);
                next.push((index, after));
            }
        }
        for number in 0..self.unanswered.len() {
            let (session, before, index) = self.unanswered[number];
            let is_taken = place.unanswered[number / 64] >> (number % 64) & 1 == 1;
            if is_taken || place.frontier[session] < before {
                continue;
            }
            if let Some(state) = self.step(place, index).filter(|state| *state != place.state) {
                let mut after = Place { state, ..place.clone() };
                after.unanswered[number / 64] |= 1 << (number % 64);
                self.take_reads(&mut after);
                // After all that was answered.
                next.push((self.history.len() + index, after));
            }
        }
        next
    }

    /// Lets everything take effect that changes nothing and is legal.
    fn take_reads(&mut self, place: &mut Place<S::State>) {
        for session in 0..self.sessions.len() {
            while let Some(&index) = self.sessions[session].get(place.frontier[session] as usize) {
                let operation = &self.history.operations()[index];
                if self.spec.effect(&operation.input, operation.output()) != Effect::ReadOnly
                    || self.step(place, index).is_none()
                {
                    break;
                }
                place.frontier[session] += 1;
            }
        }
        let explained = place.frontier.iter().map(|&count| count as usize).sum();
        if self.best.as_ref().is_none_or(|best| best.0 < explained) {
            self.best = Some((explained, place.clone()));
        }
    }

    fn step(&mut self, place: &Place<S::State>, index: usize) -> Option<S::State> {
        self.steps += 1;
        let operation = &self.history.operations()[index];
        self.spec.step(&place.state, &operation.input, operation.output())
    }

    fn is_complete(&self, place: &Place<S::State>) -> bool {
        self.sessions.iter().zip(&place.frontier).all(|(session, &count)| session.len() == count as usize)
    }

    fn breach(&self) -> Breach {
        let (explained, place) = self.best.as_ref().expect("the first place is one");
        let state = self.spec.describe_state(&place.state);
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
        for (session, &count) in self.sessions.iter().zip(&place.frontier) {
            let Some(&index) = session.get(count as usize) else { continue };
            let operation = &self.history.operations()[index];
            let id = OperationId(index as u64);
            let what = self.spec.describe_operation(&operation.input, operation.output());
            breach
                .witness
                .push(OperationSummary { id, text: format!("{id} {what} of {}", operation.client) });
            let Some(output) = operation.output() else { continue };
            let text = match self.spec.step(&place.state, &operation.input, Some(output)) {
                Some(_) => format!("{id} could go on, but then others never can."),
                None => {
                    let objection = self.spec.objection(&place.state, &operation.input, output);
                    format!("{id} cannot: where the state is {state}, {objection}.")
                }
            };
            breach.steps.push(Step { text, operations: vec![id] });
        }
        breach
    }
}
