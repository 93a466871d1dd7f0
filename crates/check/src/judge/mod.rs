//! From a log to a verdict that a person understands.
//!
//! [`judge`] takes a [`Log`], finds out what it is about, asks the checker of each model that is wanted, and explains. Where
//! linearizability is broken the explanation is worked out further than the checker's own: the operations that are
//! impossible already, and an order of what came before them. Everything is said in terms of the log (its lines, its
//! processes), whatever the checkers call it.

mod core;
mod linear;
mod objects;
mod report;

use std::time::Duration;

use crate::format::{Fault, Log, Object};
use crate::linearizability::Effort;
use crate::model::{Family, Finding, Judgement, Model};

pub use core::Core;
pub use report::{describe, report, wrapped};

/// What is to be found out.
#[derive(Clone)]
pub struct Question<'a> {
    /// Which models.
    pub models: Vec<Model>,
    /// What the log is about; nothing to find out.
    pub object: Option<Object>,
    /// What it may cost.
    pub effort: Effort<'a>,
    /// Whether an order that explains the history is to be looked for, to be drawn.
    pub wants_order: bool,
}

/// What was found out.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What the log is about.
    pub object: Object,
    /// What was found about each model.
    pub findings: Vec<Explained>,
    /// Orders that explain the history, or what of it can be explained: of each part one, as indices of the log.
    pub orders: Vec<Vec<usize>>,
}

/// What was found about one model, in the log's terms: operation ids are indices of the log.
#[derive(Clone, Debug)]
pub struct Explained {
    /// What the checker says.
    pub judgement: Judgement,
    /// What is impossible already, where that was worked out.
    pub core: Option<Core>,
}

/// Why there is no answer at all.
#[derive(Debug, thiserror::Error)]
pub enum QuestionError {
    /// The log is not about what it should be about.
    #[error("{0}")]
    Object(String),
    /// An operation does not fit the object.
    #[error("this is no history of a {object}: {fault}")]
    Operation {
        /// The object.
        object: Object,
        /// The operation, and what was expected.
        fault: Fault,
    },
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
    let mut answer = Answer { object, findings: Vec::new(), orders: Vec::new() };
    for &model in &question.models {
        let explained = match (object.is_transactional(), model.family()) {
            (false, Family::Operations) if model == Model::Linearizable => {
                let linear = objects::linearizable(log, object, question).map_err(at_fault)?;
                answer.orders = linear.orders;
                Explained { judgement: linear.judgement, core: linear.core }
            }
            (false, Family::Operations) => without_core(not_yet(model, object)),
            (true, Family::Transactions) => without_core(not_yet(model, object)),
            (false, Family::Transactions) => {
                let reason = format!("it speaks of transactions, and a {object} has none");
                without_core(Judgement::unknown(model, reason))
            }
            (true, Family::Operations) => {
                let reason = "it speaks of operations one by one, and these are transactions";
                without_core(Judgement::unknown(model, reason))
            }
        };
        answer.findings.push(explained);
    }
    Ok(answer)
}

fn without_core(judgement: Judgement) -> Explained {
    Explained { judgement, core: None }
}

fn not_yet(model: Model, object: Object) -> Judgement {
    Judgement::unknown(model, format!("there is no checker of it for a {object}"))
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
