//! Linearizability of a log, with the explanation worked out.

use std::collections::BTreeMap;

use super::core::{Core, core};
use super::{EXPLANATION_TIME_MAX, Question};
use crate::format::objects::Typed;
use crate::history::{Event, History, OperationId, Recorder};
use crate::linearizability::{Effort, WitnessLimits, check_with, witness};
use crate::model::Judgement;
use crate::specification::Specification;
use crate::verdict::{Verdict, Violation};

/// What was found.
pub(super) struct Linear {
    pub judgement: Judgement,
    pub core: Option<Core>,
    pub orders: Vec<Vec<usize>>,
}

/// Checks a history, and explains. `spec_of` makes the specification for a history, which may take hints from it.
pub(super) fn linearizable<S>(
    typed: &Typed<S::Input, S::Output>,
    spec_of: impl Fn(&History<S::Input, S::Output>) -> S,
    question: &Question<'_>,
) -> Linear
where
    S: Specification<Input: Sync, Output: Sync> + Sync,
{
    let history = &typed.history;
    let spec = spec_of(history);
    let verdict = check_with(&spec, history, question.effort);
    let mut linear =
        Linear { judgement: Judgement::from(Verdict::Linearizable), core: None, orders: Vec::new() };
    let source = |id: OperationId| OperationId(typed.sources[id.0 as usize] as u64);
    match verdict {
        Verdict::Violation(violation) => {
            let part = Part::up_to(&spec, history, violation.operation.id.0 as usize);
            let has_time = countdown(&question.effort);
            let of_part = core(&spec_of, &part.history, part.last, &has_time);
            let to_log = |indices: Vec<usize>| -> Vec<usize> {
                indices.into_iter().map(|index| typed.sources[part.sources[index]]).collect()
            };
            let before = &part.history.events()[..part.history.events().len() - 1];
            let order = witness(&spec_of(&part.history), &part.history, before, WitnessLimits::default());
            linear.orders.extend(order.map(|order| to_log(order.order)));
            linear.core = Some(Core { operations: to_log(of_part.operations), ..of_part });
            let violation = renamed(*violation, &source);
            linear.judgement = Judgement::from(Verdict::Violation(Box::new(violation)));
        }
        Verdict::Linearizable if question.wants_order => linear.orders = orders(&spec, typed),
        other => linear.judgement = Judgement::from(other),
    }
    linear
}

/// One order for each part of the object, where one is found in time.
fn orders<S: Specification>(spec: &S, typed: &Typed<S::Input, S::Output>) -> Vec<Vec<usize>> {
    let mut parts: BTreeMap<Option<S::Partition>, Vec<Event>> = BTreeMap::new();
    let history = &typed.history;
    let is_divided = history.operations().iter().all(|operation| spec.partition(&operation.input).is_some());
    for event in history.events() {
        let (Event::Invoked(index) | Event::Returned(index)) = *event;
        let part = spec.partition(&history.operations()[index].input).filter(|_| is_divided);
        parts.entry(part).or_default().push(*event);
    }
    let order = |events: Vec<Event>| {
        let found = witness(spec, history, &events, WitnessLimits::default())?;
        Some(found.order.into_iter().map(|index| typed.sources[index]).collect())
    };
    parts.into_values().filter_map(order).collect()
}

/// The part of a history that is about one part of the object, up to one return.
struct Part<I, O> {
    history: History<I, O>,
    /// From its operations to those of the whole.
    sources: Vec<usize>,
    /// The operation that returns last.
    last: usize,
}

impl<I: Clone, O: Clone> Part<I, O> {
    fn up_to<S: Specification<Input = I, Output = O>>(
        spec: &S,
        history: &History<I, O>,
        last: usize,
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
                if index == last {
                    break;
                }
            }
        }
        let last = ids[&last].0 as usize;
        Self { history: recorder.finish(), sources, last }
    }
}

/// Whether the time for an explanation has not passed yet.
fn countdown<'a>(effort: &Effort<'a>) -> impl Fn() -> bool + use<'a> {
    let time = effort.time;
    let begun = time.map(|time| (time.elapsed)());
    let trials = std::cell::Cell::new(0_u32);
    move || match (time, begun) {
        (Some(time), Some(begun)) => (time.elapsed)().saturating_sub(begun) < EXPLANATION_TIME_MAX,
        _ => {
            trials.set(trials.get() + 1);
            trials.get() < TRIALS_WITHOUT_CLOCK_MAX
        }
    }
}

/// How many trials a caller without a clock pays for.
const TRIALS_WITHOUT_CLOCK_MAX: u32 = 2_000;

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
