//! The models of single operations, for a log.
//!
//! Linearizability comes first, for most histories keep it, and then keep all the others too. What is left is asked of the
//! checkers of reads and writes where the log has nothing else; of other objects sequential consistency and the weaker models
//! are searched. What follows from one verdict is not asked again.

use super::linear::{Linear, Linearizability};
use super::names::renamed;
use super::{Explained, Question, Seeker, objects, without_core};
use crate::format::objects::{self as convert, Keying, Typed, keying, typed};
use crate::format::{Datum, Ending, Fault, Log, Object, Operation};
use crate::history::History;
use crate::linearizability::{Effort, TimeLimit};
use crate::model::{Family, Finding, Judgement, Model, implied};
use crate::read_write::{self, Trace, TraceError};
use crate::specification::{
    CasInput, CasOutput, EntryInput, EntryOutput, RegisterInput, RegisterOutput, Specification,
};
use crate::views;

/// Judges a log by some models; and an order of each part of the object, where one was asked for.
pub(super) fn judge(
    log: &Log,
    object: Object,
    question: &Question<'_>,
    models: &[Model],
) -> Result<(Vec<Explained>, Vec<Vec<usize>>), Fault> {
    let mut core = None;
    let mut orders = Vec::new();
    let mut judged = Vec::new();
    if models.contains(&Model::Linearizable) {
        // Of all the time at most half, so that something is left for the other models.
        let halved = Question { effort: halved(question.effort), ..question.clone() };
        let question = if models.len() > 1 { &halved } else { question };
        let found: Linear = objects::with_history(log, object, Linearizability { question, object })?;
        (core, orders) = (found.core, found.orders);
        judged.push(found.judgement);
    }
    let weaker: Vec<Model> = models
        .iter()
        .copied()
        .filter(|model| *model != Model::Linearizable && implied(*model, &judged).is_none())
        .collect();
    let (timed, others): (Vec<Model>, Vec<Model>) =
        weaker.into_iter().partition(|model| asks_for_times(*model) && !log.is_timed);
    judged.extend(timed.into_iter().map(|model| Judgement::unknown(model, "the history has no times")));
    if !others.is_empty() {
        judged.extend(weaker_models(log, object, &others, question)?);
    }
    let explained = models.iter().map(|&model| {
        let own = judged.iter().find(|judgement| judgement.model == model);
        let own = own.filter(|judgement| !matches!(judgement.finding, Finding::Unknown { .. }));
        let finding = match own {
            Some(judgement) => judgement.finding.clone(),
            // Another verdict may settle what its own checker left open.
            None => implied(model, &judged).unwrap_or_else(|| unknown(model, object, &judged)),
        };
        let core = core.clone().filter(|_| model == Model::Linearizable);
        Explained { core, ..without_core(Judgement { model, finding }) }
    });
    Ok((explained.collect(), orders))
}

fn halved(effort: Effort<'_>) -> Effort<'_> {
    let time = effort.time.map(|TimeLimit { time_max, elapsed }| {
        let left = time_max.saturating_sub(elapsed());
        TimeLimit { time_max: time_max.saturating_sub(left / 2), elapsed }
    });
    Effort { time, ..effort }
}

fn asks_for_times(model: Model) -> bool {
    matches!(model, Model::Eventual { .. } | Model::StalenessTime { .. })
}

fn unknown(model: Model, object: Object, judged: &[Judgement]) -> Finding {
    if model.family() == Family::Transactions {
        return Finding::Unknown { reason: format!("it speaks of transactions, and a {object} has none") };
    }
    let own = judged.iter().find(|judgement| judgement.model == model);
    own.map_or_else(
        || Finding::Unknown { reason: format!("there is no checker of it for a {object}") },
        |judgement| judgement.finding.clone(),
    )
}

/// Models that are weaker than linearizability, or that are it under another name.
fn weaker_models(
    log: &Log,
    object: Object,
    models: &[Model],
    question: &Question<'_>,
) -> Result<Vec<Judgement>, Fault> {
    let initial = match object {
        Object::Register | Object::CasRegister => convert::initial_value(log, object),
        Object::KeyValue => convert::entry(log).initial.map_or(Datum::Nil, Datum::Text),
        _ => return searched(log, object, models, question),
    };
    if log.operations.iter().any(|operation| is_read_and_write_at_once(object, operation)) {
        return searched(log, object, models, question);
    }
    let keying = keying(log);
    let access = |operation: &Operation| access(log, object, keying, operation);
    let judge = |trace: Result<Trace<'_>, TraceError>, sources: &[usize]| match trace {
        Ok(trace) => {
            let judgements = read_write::check_all(models, &trace, question.effort).judgements;
            judgements.into_iter().map(|judgement| with_names(judgement, sources)).collect()
        }
        Err(error) => models.iter().map(|model| Judgement::unknown(*model, error.to_string())).collect(),
    };
    if keying == Keying::Single {
        let Typed { history, sources } = typed(log, access)?;
        return Ok(judge(Trace::of_register(&history, &initial), &sources));
    }
    let Typed { history, sources } = objects::typed_at(log, keying, access)?;
    Ok(judge(Trace::of_keyed(&history, &initial), &sources))
}

/// Whether an operation that may have happened depends on the value that it changes.
fn is_read_and_write_at_once(object: Object, operation: &Operation) -> bool {
    let is_so = match object {
        Object::KeyValue => matches!(&*operation.function, "append" | "cas"),
        _ => &*operation.function == "cas",
    };
    is_so && !matches!(operation.ending, Ending::Failed { error: Some(_), .. })
}

type Access = (RegisterInput<Datum>, Option<RegisterOutput<Datum>>);

/// An operation as a read or a write.
fn access(log: &Log, object: Object, keying: Keying, operation: &Operation) -> Result<Option<Access>, Fault> {
    let text = |text: Option<std::sync::Arc<str>>| text.map_or(Datum::Nil, Datum::Text);
    if object == Object::KeyValue {
        let Some((input, output)) = convert::entries(keying, operation)? else { return Ok(None) };
        let input = match input {
            EntryInput::Put(value) => RegisterInput::Write(Datum::Text(value)),
            EntryInput::Delete => RegisterInput::Write(Datum::Nil),
            _ => RegisterInput::Read,
        };
        let output = output.map(|output| match output {
            EntryOutput::Value(value) => RegisterOutput::Value(text(value)),
            _ => RegisterOutput::Written,
        });
        return Ok(Some((input, output)));
    }
    let converted = convert::cas_register(object, log.format, keying, operation)?;
    Ok(converted.and_then(|(input, output)| {
        let input = match input {
            CasInput::Read => RegisterInput::Read,
            CasInput::Write(value) => RegisterInput::Write(value),
            // One that certainly did not happen.
            CasInput::CompareAndSwap { .. } => return None,
        };
        let output = output.map(|output| match output {
            CasOutput::Value(value) => RegisterOutput::Value(value),
            _ => RegisterOutput::Written,
        });
        Some((input, output))
    }))
}

/// What searches can decide of an object of any kind.
fn searched(
    log: &Log,
    object: Object,
    models: &[Model],
    question: &Question<'_>,
) -> Result<Vec<Judgement>, Fault> {
    let mut judged = Vec::new();
    let is_sequential_wanted = models.iter().any(|model| {
        model.family() == Family::Operations
            && (*model == Model::Sequential || Model::Sequential.implies(*model))
    });
    if is_sequential_wanted {
        let halved = Question { effort: halved(question.effort), ..question.clone() };
        let question = if models.len() > 1 { &halved } else { question };
        judged.push(objects::with_history(log, object, Sequential { question })?);
    }
    let weaker: Vec<Model> = views::MODELS
        .into_iter()
        .filter(|model| models.contains(model) && implied(*model, &judged).is_none())
        .collect();
    if !weaker.is_empty() {
        judged.extend(objects::with_history(log, object, Views { question, models: &weaker })?);
    }
    Ok(judged)
}

/// Asks about models that are weaker than sequential consistency.
struct Views<'a> {
    question: &'a Question<'a>,
    models: &'a [Model],
}

impl Seeker for Views<'_> {
    type Found = Vec<Judgement>;

    fn seek<S>(
        self,
        spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
        typed: &Typed<S::Input, S::Output>,
    ) -> Vec<Judgement>
    where
        S: Specification<Input: Sync, Output: Sync> + Sync,
    {
        // What all answers prove together is not true where not all of them have to be right.
        let spec = spec_of(&History::default());
        let judged = views::check_all(self.models, &spec, &typed.history, self.question.effort);
        judged.into_iter().map(|judgement| with_names(judgement, &typed.sources)).collect()
    }

    fn none(self, _: Object) -> Vec<Judgement> {
        Vec::new()
    }
}

/// Asks whether a history is sequentially consistent.
struct Sequential<'a> {
    question: &'a Question<'a>,
}

impl Seeker for Sequential<'_> {
    type Found = Judgement;

    fn seek<S>(
        self,
        spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
        typed: &Typed<S::Input, S::Output>,
    ) -> Judgement
    where
        S: Specification<Input: Sync, Output: Sync> + Sync,
    {
        let spec = spec_of(&typed.history);
        with_names(crate::sequential::check(&spec, &typed.history, self.question.effort), &typed.sources)
    }

    fn none(self, object: Object) -> Judgement {
        Judgement::unknown(Model::Sequential, format!("there is no checker of it for a {object}"))
    }
}

fn with_names(judgement: Judgement, sources: &[usize]) -> Judgement {
    let finding = match judgement.finding {
        Finding::Broken(breach) => Finding::Broken(Box::new(renamed(*breach, sources, '#'))),
        other => other,
    };
    Judgement { finding, ..judgement }
}
