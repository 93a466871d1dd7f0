//! Transactions on registers as single steps of one object.
//!
//! Where two writes wrote the same, or a graph of dependencies is too large, the checker of transactions does not know.
//! Two of the models can be asked of others then: strict serializability is linearizability of an object whose
//! operations are the transactions, and strong session serializability its sequential consistency. Both are searched for,
//! which takes long where many transactions run at once, but needs nothing of the values.

use super::{expected, parts};
use crate::format::objects::{Typed, typed};
use crate::format::{Datum, Ending, Fault, Log, Object, Operation};
use crate::judge::Question;
use crate::judge::names::renamed;
use crate::linearizability::{Effort, Limits, check_with};
use crate::model::{Finding, Judgement, Model, implied};
use crate::sequential;
use crate::specification::{MultiRegister, RegisterPart};

type Input = Vec<RegisterPart<Datum, Datum>>;
type Output = Vec<Option<Datum>>;

/// How many configurations may be possible at once: each has a value for every register.
const CONFIGURATIONS_MAX: usize = 100_000;

/// Searches for an order where a judgement is that it is not known.
pub(super) fn settle(
    log: &Log,
    initial: &Datum,
    question: &Question<'_>,
    judgements: &mut [Judgement],
) -> Result<(), Fault> {
    let is_open = |judgement: &Judgement| matches!(judgement.finding, Finding::Unknown { .. });
    if !judgements.iter().any(is_open) {
        return Ok(());
    }
    let typed = typed(log, convert)?;
    let spec = MultiRegister::new(initial.clone());
    let wants = |model: Model| {
        judgements.iter().any(|judgement| {
            is_open(judgement) && (judgement.model == model || model.implies(judgement.model))
        })
    };
    let limits = question.effort.limits;
    let configurations_max = limits.configurations_max.min(CONFIGURATIONS_MAX);
    let effort = Effort { limits: Limits { configurations_max, ..limits }, ..question.effort };
    let mut found = Vec::new();
    if wants(Model::StrictSerializable) {
        let verdict = check_with(&spec, &typed.history, effort);
        found.push(in_terms_of_transactions(Judgement::from(verdict), Model::StrictSerializable, &typed));
    }
    let is_settled = |found: &[Judgement]| found.iter().any(|judgement| judgement.finding == Finding::Kept);
    if !is_settled(&found) && wants(Model::StrongSessionSerializable) {
        let judgement = sequential::check(&spec, &typed.history, effort);
        found.push(in_terms_of_transactions(judgement, Model::StrongSessionSerializable, &typed));
    }
    for judgement in judgements.iter_mut().filter(|judgement| is_open(judgement)) {
        let own = found.iter().find(|found| found.model == judgement.model && !is_open(found));
        if let Some(finding) = own.map(|own| own.finding.clone()).or_else(|| implied(judgement.model, &found))
        {
            judgement.finding = finding;
        }
    }
    Ok(())
}

/// The same finding about the model of transactions, with the numbers that the log gives them.
fn in_terms_of_transactions(judgement: Judgement, model: Model, typed: &Typed<Input, Output>) -> Judgement {
    let finding = match judgement.finding {
        Finding::Broken(breach) => Finding::Broken(Box::new(renamed(*breach, &typed.sources, 'T'))),
        other => other,
    };
    Judgement { model, finding }
}

/// A transaction that may have happened, and what its reads returned.
fn convert(operation: &Operation) -> Result<Option<(Input, Option<Output>)>, Fault> {
    if matches!(operation.ending, Ending::Failed { .. }) {
        return Ok(None);
    }
    let (parts, was_answered) = parts(Object::ReadWrite, operation)?;
    let mut input = Vec::with_capacity(parts.len());
    let mut output = Vec::new();
    for (part, [function, key, value]) in parts {
        match function.as_name() {
            Some("r" | "read") => {
                input.push(RegisterPart::Read(key.clone()));
                output.push(was_answered.then(|| value.clone()));
            }
            Some("w" | "write") => input.push(RegisterPart::Write(key.clone(), value.clone())),
            _ => return Err(Fault::new(operation.place, expected(Object::ReadWrite), format!("`{part}`"))),
        }
    }
    let is_answered = matches!(operation.ending, Ending::Returned { .. });
    Ok(Some((input, is_answered.then_some(output))))
}
