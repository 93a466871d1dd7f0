//! From a log to a verdict that a person understands.
//!
//! [`judge`] takes a [`Log`], finds out what it is about, asks the checker of each model that is wanted, and explains. Where
//! linearizability is broken the explanation is worked out further than the checker's own: the operations that are
//! impossible already, and an order of what came before them. Everything is said in terms of the log (its lines, its
//! processes), whatever the checkers call it.

mod core;
mod linear;
mod names;
mod objects;
mod operations;
mod report;
mod transactions;

use std::time::Duration;

use crate::format::objects::{Keying, Typed, assumed_initial, keying};
use crate::format::{Fault, Log, Object};
use crate::history::History;
use crate::linearizability::Effort;
use crate::model::{AnomalyName, Finding, Judgement, Model};
use crate::specification::Specification;

pub use core::Core;
pub use report::{describe, named, report, wrapped};

/// What is to be found out.
#[derive(Clone)]
pub struct Question<'a> {
    /// Which models.
    pub models: Models,
    /// What the log is about; nothing to find out.
    pub object: Option<Object>,
    /// What it may cost.
    pub effort: Effort<'a>,
    /// Whether an order that explains the history is to be looked for, to be drawn.
    pub wants_order: bool,
}

/// Which models are asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Models {
    /// The strongest one: linearizability, of transactions strict serializability.
    Usual,
    /// All that speak of such a history.
    All,
    /// These.
    These(Vec<Model>),
}

impl Models {
    /// The models, for an object.
    pub fn of(&self, object: Object) -> Vec<Model> {
        match (self, object.is_transactional()) {
            (Self::These(models), _) => models.clone(),
            (Self::Usual, false) => vec![Model::Linearizable],
            (Self::Usual, true) => vec![Model::StrictSerializable],
            (Self::All, false) => Model::OPERATIONS.to_vec(),
            (Self::All, true) => Model::TRANSACTIONS.to_vec(),
        }
    }
}

/// What was found out.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the log is about.
    pub object: Object,
    /// What was found about each model.
    pub findings: Vec<Explained>,
    /// The anomalies of transactions, by name.
    pub anomalies: Vec<Anomalous>,
    /// Orders that explain the history, or what of it can be explained: of each part one, as indices of the log.
    pub orders: Vec<Vec<usize>>,
    /// What was taken for granted though the log does not say it, in sentences.
    pub assumptions: Vec<String>,
    /// How the log names its objects.
    pub keying: Keying,
}

/// What was found about one model, in the log's terms: operation ids are indices of the log.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What the checker says.
    pub judgement: Judgement,
    /// What is impossible already, where that was worked out.
    pub core: Option<Core>,
}

/// An anomaly of transactions.
#[derive(Clone, Debug)]
pub struct Anomalous {
    /// Its name in the literature, with the order that it needs: `G-single-realtime`.
    pub name: AnomalyName,
    /// What the name means, as a clause.
    pub meaning: &'static str,
    /// The weakest model that it breaks.
    pub breaks: Model,
    /// Its transactions, as indices of the log, in the order of the cycle where there is one.
    pub operations: Vec<usize>,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The log is not about what it should be about.
    #[error("{0}")]
    Object(String),
    /// An operation does not fit the object.
    #[error("this is no history of {} {object}: {fault}", article(.object))]
    Operation {
        /// The object.
        object: Object,
        /// The operation, and what was expected.
        fault: Fault,
    },
}

fn article(object: &Object) -> &'static str {
    if *object == Object::Etcd { "an" } else { "a" }
}

/// Answers a question about a log.
///
/// # Errors
/// It is not known what the log is about, or some operation does not fit it.
pub fn judge(log: &Log, question: &Question<'_>) -> Result<Answer, QuestionError> {
    let object = match question.object {
        Some(object) => object,
        None => Object::guess(log).map_err(QuestionError::Object)?,
    };
    let at_fault = |fault| QuestionError::Operation { object, fault };
    let models = question.models.of(object);
    let assumed = assumed_initial(log, object).map(|initial| {
        format!(
            "{initial} is taken to have been there before the first operation, since it was read before anything \
             wrote it; --initial nil says otherwise."
        )
    });
    let assumptions = Vec::from_iter(assumed);
    let keying = match object.is_transactional() || object == Object::Etcd {
        true => Keying::Single,
        false => keying(log),
    };
    if object.is_transactional() {
        let (findings, anomalies) = transactions::judge(log, object, question, &models).map_err(at_fault)?;
        return Ok(Answer { object, findings, anomalies, orders: Vec::new(), assumptions, keying });
    }
    let (findings, orders) = operations::judge(log, object, question, &models).map_err(at_fault)?;
    Ok(Answer { object, findings, anomalies: Vec::new(), orders, assumptions, keying })
}

/// Something that is found out about a history, whatever its specification.
trait Seeker {
    /// What is found.
    type Found;

    /// Finds it. `spec_of` makes the specification for a history, from which it may take hints.
    fn seek<S>(
        self,
        spec_of: &impl Fn(&History<S::Input, S::Output>) -> S,
        typed: &Typed<S::Input, S::Output>,
    ) -> Self::Found
    where
        S: Specification<Input: Sync, Output: Sync> + Sync;

    /// What there is to say of an object that has no such specification.
    fn none(self, object: Object) -> Self::Found;
}

fn without_core(judgement: Judgement) -> Explained {
    Explained { judgement, core: None }
}

impl Answer {
    /// The worst that was found: broken before unknown before kept.
    pub fn worst(&self) -> Worst {
        let findings = || self.findings.iter().map(|explained| &explained.judgement.finding);
        if findings().any(|finding| matches!(finding, Finding::Broken(_))) {
            Worst::Broken
        } else if findings().any(|finding| matches!(finding, Finding::Unknown { .. })) {
            Worst::Unknown
        } else {
            Worst::Kept
        }
    }

    /// What stands before the number of an operation where it is named: `#7`, of a transaction `T7`.
    pub fn mark(&self) -> &'static str {
        if self.object.is_transactional() { "T" } else { "#" }
    }

    /// The index in the log of the first operation that is impossible.
    pub fn problem(&self) -> Option<usize> {
        self.findings.iter().find_map(|explained| {
            let breach = explained.judgement.breach()?;
            breach.witness.first().map(|operation| operation.id.0 as usize)
        })
    }
}

/// What an answer comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worst {
    /// Every model is kept.
    Kept,
    /// A model is broken.
    Broken,
    /// None is broken that was decided, but some were not.
    Unknown,
}

/// How long the explanation of a violation may take, of all the time that there is.
pub(crate) const EXPLANATION_TIME_MAX: Duration = Duration::from_secs(3);
