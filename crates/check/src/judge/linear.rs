//! Linearizability of a log, with the explanation worked out.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::core::{self, Core, Weakening};
use super::{EXPLANATION_TIME_MAX, Question, Seeker};
use crate::format::Object;
use crate::format::objects::Typed;
use crate::history::{Event, History, OperationId, Recorder};
use crate::linearizability::{Effort, Limits, TimeLimit, WitnessLimits, check_with, witness};
use crate::model::{Judgement, Model};
use crate::specification::Specification;
use crate::verdict::{Verdict, Violation};

/// What was found.
pub(super) struct Linear {
    pub judgement: Judgement,
    pub core: Option<Core>,
    pub orders: Vec<Vec<usize>>,
}

/// Asks whether a history is linearizable.
pub(super) struct Linearizability<'a> {
    pub question: &'a Question<'a>,
    pub object: Object,
}

impl Seeker for Linearizability<'_> {
    type Found = Linear;

    fn seek<S>(
        self,
        spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
        typed: &Typed<S::Input, S::Output>,
    ) -> Linear
    where
        S: Specification<Input: Sync, Output: Sync> + Sync,
    {
        linearizable(typed, spec_of, self.question, self.object)
    }

    fn none(self, object: Object) -> Linear {
        let reason = format!("there is no checker of it for a {object}");
        Linear { judgement: Judgement::unknown(Model::Linearizable, reason), core: None, orders: Vec::new() }
    }
}

/// Checks a history, and explains.
fn linearizable<S>(
    typed: &Typed<S::Input, S::Output>,
    spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
    question: &Question<'_>,
    object: Object,
) -> Linear
where
    S: Specification<Input: Sync, Output: Sync> + Sync,
{
    let history = &typed.history;
    let spec = spec_of(history);
    let verdict = check_with(&spec, history, question.effort);
    let mut linear =
        Linear { judgement: Judgement::from(Verdict::Linearizable), core: None, orders: Vec::new() };
    match verdict {
        Verdict::Violation(violation) => {
            let takes_hints = matches!(object, Object::Etcd | Object::KeyValue | Object::Queue);
            let patience = Patience::new(&question.effort);
            let (part, violation) =
                shortest(typed, spec_of, *violation, takes_hints, (question.effort, &patience));
            let sources = |indices: Vec<usize>| -> Vec<usize> {
                indices.into_iter().map(|index| typed.sources[part.sources[index]]).collect()
            };
            let search = core::Search {
                weakening: if object == Object::Etcd { Weakening::Late } else { Weakening::Unanswered },
                takes_hints,
                trial: Effort { limits: TRIAL_LIMITS, time: patience.limit, ..Effort::default() },
                has_time: &|operations| patience.lasts(operations),
            };
            let core = search.core(spec_of, &part.history, part.last);
            let order = explained(spec_of, history, &part, patience.limit);
            linear.orders.extend(order.map(&sources));
            let (alike, counts): (Vec<usize>, Vec<usize>) = core.alike.into_iter().unzip();
            let alike = sources(alike).into_iter().zip(counts).collect();
            linear.core = Some(Core { operations: sources(core.operations), alike, ..core });
            linear.judgement = Judgement::from(Verdict::Violation(Box::new(violation)));
        }
        Verdict::Linearizable if question.wants_order => {
            linear.orders = orders(&spec, typed, question.effort.time)
        }
        other => linear.judgement = Judgement::from(other),
    }
    linear
}

/// The shortest prefix that is impossible, of the part of the object that a violation is about, and what its last
/// operation ran into.
///
/// The checker has named that prefix already, unless it asked a weaker question, or the specification takes hints: it may know
/// what a history proves later on. Then the search may have ended before the operation that is to blame, or past it, for it
/// was asked about the whole; each shorter prefix proves less. So the end is looked for by halving.
fn shortest<S>(
    typed: &Typed<S::Input, S::Output>,
    spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
    found: Violation,
    takes_hints: bool,
    (effort, patience): (Effort<'_>, &Patience<'_>),
) -> (Part<S::Input, S::Output>, Violation)
where
    S: Specification<Input: Sync, Output: Sync> + Sync,
{
    let history = &typed.history;
    let spec = spec_of(history);
    let first = found.operation.id.0 as usize;
    let is_divided = history.operations().iter().all(|each| spec.partition(&each.input).is_some());
    let part_of = |index: usize| spec.partition(&history.operations()[index].input).filter(|_| is_divided);
    let returns: Vec<usize> = history
        .events()
        .iter()
        .filter_map(|event| match *event {
            Event::Returned(index) if part_of(index) == part_of(first) => Some(index),
            _ => None,
        })
        .collect();
    let cut = |end: usize| Part::up_to(&spec, history, returns[end]);
    let judged = |end: usize| {
        let part = cut(end);
        check_with(&spec_of(&part.history), &part.history, effort)
    };
    let at = returns.iter().position(|&index| index == first).unwrap_or(returns.len() - 1);
    let as_found = |found| renamed(found, &|id| OperationId(typed.sources[id.0 as usize] as u64));
    if !takes_hints && !found.even_if_repeated {
        return (cut(at), as_found(found));
    }
    // The prefix that ends at `high` is impossible, and the one that ends before `low` is not.
    let (mut low, mut high) = match judged(at) {
        Verdict::Violation(_) if at == 0 || !judged(at - 1).is_violation() => (at, at),
        Verdict::Violation(_) => (0, at),
        Verdict::Linearizable => (at + 1, returns.len() - 1),
        // There is no time to look any further.
        Verdict::Unknown(_) => (at, at),
    };
    while low < high && patience.lasts(history.len()) {
        let middle = usize::midpoint(low, high);
        if judged(middle).is_violation() { high = middle } else { low = middle + 1 }
    }
    let part = cut(high);
    // What was possible is told without what the last operation itself proves.
    let violation = match check_with(&spec_of(&part.before()), &part.history, effort) {
        Verdict::Violation(violation) if violation.operation.id.0 as usize == part.last => *violation,
        _ => return (cut(at), as_found(found)),
    };
    let name = |id: OperationId| OperationId(typed.sources[part.sources[id.0 as usize]] as u64);
    let violation = renamed(violation, &name);
    (part, violation)
}

/// An order that explains what came before the last operation of a part.
///
/// Answers that came later tell more about the operations in flight: which of two writes of the same value was the one that was
/// read, and which had yet to take effect. So an order of the whole is looked for, with the last operation unanswered, and
/// as much of it is told as the prefix needs. Where there is none (something else is wrong later on, or the search is
/// too long), the prefix has to explain itself.
fn explained<S: Specification>(
    spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
    history: &History<S::Input, S::Output>,
    part: &Part<S::Input, S::Output>,
    time: Option<TimeLimit<'_>>,
) -> Option<Vec<usize>> {
    let prefix = part.before();
    let events = prefix.events();
    let later = Part { last: part.last, ..Part::around(&spec_of(history), history, part.sources[part.last]) };
    let whole = later.before();
    let informed = witness(&spec_of(&whole), &whole, whole.events(), INFORMED_LIMITS, time).map(|found| {
        let mut order = found.order;
        let returned: BTreeSet<usize> = events
            .iter()
            .filter_map(|event| match *event {
                Event::Returned(index) => Some(index),
                Event::Invoked(_) => None,
            })
            .collect();
        let needed = order.iter().rposition(|index| returned.contains(index));
        order.truncate(needed.map_or(0, |place| place + 1));
        order
    });
    informed.or_else(|| {
        let found = witness(&spec_of(&prefix), &prefix, events, WitnessLimits::default(), time)?;
        Some(found.order)
    })
}

/// What an order may cost that explains what was answered later as well.
const INFORMED_LIMITS: WitnessLimits = WitnessLimits { steps_max: 1_000_000, worlds_max: 256 };

/// What one trial for a core may cost; many are made.
const TRIAL_LIMITS: Limits = Limits { steps_max: 400_000, configurations_max: 20_000 };

/// One order for each part of the object, where one is found in time.
fn orders<S: Specification>(
    spec: &S,
    typed: &Typed<S::Input, S::Output>,
    time: Option<TimeLimit<'_>>,
) -> Vec<Vec<usize>> {
    let mut parts: BTreeMap<Option<S::Partition>, Vec<Event>> = BTreeMap::new();
    let history = &typed.history;
    let is_divided = history.operations().iter().all(|operation| spec.partition(&operation.input).is_some());
    for event in history.events() {
        let (Event::Invoked(index) | Event::Returned(index)) = *event;
        let part = spec.partition(&history.operations()[index].input).filter(|_| is_divided);
        parts.entry(part).or_default().push(*event);
    }
    let order = |events: Vec<Event>| {
        let found = witness(spec, history, &events, WitnessLimits::default(), time)?;
        Some(found.order.into_iter().map(|index| typed.sources[index]).collect())
    };
    parts.into_values().filter_map(order).collect()
}

/// The operations of a history that are about one part of the object: up to one return, or all.
struct Part<I, O> {
    history: History<I, O>,
    /// From its operations to those of the whole.
    sources: Vec<usize>,
    /// The operation that returns last, or after which nothing was to be explained.
    last: usize,
}

impl<I: Clone, O: Clone> Part<I, O> {
    fn up_to<S: Specification<Input = I, Output = O>>(
        spec: &S,
        history: &History<I, O>,
        last: usize,
    ) -> Self {
        Self::of(spec, history, last, true)
    }

    /// The same part with all that comes later.
    fn around<S: Specification<Input = I, Output = O>>(
        spec: &S,
        history: &History<I, O>,
        last: usize,
    ) -> Self {
        Self::of(spec, history, last, false)
    }

    /// Operations are numbered in the order of invocation, so those of a cut part have the same numbers in the whole.
    fn of<S: Specification<Input = I, Output = O>>(
        spec: &S,
        history: &History<I, O>,
        last: usize,
        is_cut: bool,
    ) -> Self {
        let part_of = |index: usize| spec.partition(&history.operations()[index].input);
        let is_divided = (0..history.len()).all(|index| part_of(index).is_some());
        let wanted = part_of(last);
        let mut recorder = Recorder::new();
        let mut sources = Vec::new();
        let mut ids = BTreeMap::new();
        let sound = "the order is that of a history";
        for event in history.events() {
            let (Event::Invoked(index) | Event::Returned(index)) = *event;
            if is_divided && part_of(index) != wanted {
                continue;
            }
            let operation = &history.operations()[index];
            if let Event::Invoked(_) = event {
                let id = recorder.invoke(operation.client, operation.invoked, operation.input.clone());
                let id = id.expect(sound);
                ids.insert(index, id);
                sources.push(index);
                if operation.output().is_none() {
                    recorder.abandon(id).expect(sound);
                }
            } else if let crate::history::Outcome::Returned { at, output } = &operation.outcome {
                recorder.complete(ids[&index], *at, output.clone()).expect(sound);
                if is_cut && index == last {
                    break;
                }
            }
        }
        let last = ids[&last].0 as usize;
        Self { history: recorder.finish(), sources, last }
    }

    /// What was known before the last operation returned.
    fn before(&self) -> History<I, O> {
        let mut is_weak = vec![false; self.history.len()];
        is_weak[self.last] = true;
        self.history.without_answers(&is_weak)
    }
}

/// How long an explanation is worked on.
struct Patience<'a> {
    /// With a clock: until when.
    limit: Option<TimeLimit<'a>>,
    /// Without one: how many operations trials may still go over.
    operations_left: Cell<usize>,
}

impl<'a> Patience<'a> {
    fn new(effort: &Effort<'a>) -> Self {
        let limit = effort.time.map(|TimeLimit { time_max, elapsed }| TimeLimit {
            time_max: time_max.min(elapsed() + EXPLANATION_TIME_MAX),
            elapsed,
        });
        Self { limit, operations_left: Cell::new(OPERATIONS_TRIED_MAX) }
    }

    /// Whether there is time for another trial, which goes over so many operations.
    fn lasts(&self, operations: usize) -> bool {
        match self.limit {
            Some(TimeLimit { time_max, elapsed }) => elapsed() < time_max,
            None => {
                let left = self.operations_left.get();
                self.operations_left.set(left.saturating_sub(operations));
                left > 0
            }
        }
    }
}

/// What a caller without a clock pays for: operations of all trials together.
const OPERATIONS_TRIED_MAX: usize = 5_000_000;

/// The same violation with other ids.
fn renamed(violation: Violation, name: &impl Fn(OperationId) -> OperationId) -> Violation {
    let mut violation = violation;
    violation.operation.id = name(violation.operation.id);
    for operation in &mut violation.concurrent {
        operation.id = name(operation.id);
    }
    for possibility in &mut violation.possibilities {
        possibility.taken_effect.iter_mut().for_each(|id| *id = name(*id));
    }
    violation
}
