//! What a checker says about a history and a model, in types for programs and in sentences for people.

use std::fmt;

use super::Model;
use crate::history::OperationId;
use crate::verdict::{OperationSummary, Verdict};

/// What a checker found about one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Which model.
    pub model: Model,
    /// What was found.
    pub finding: Finding,
}

/// Whether a history keeps a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It does.
    Kept,
    /// It does not, and this is why.
    Broken(Box<Breach>),
    /// No answer was found: the history may keep the model or break it.
    Unknown {
        /// Why, as a clause: "the limit of 1000 steps was reached".
        reason: String,
    },
}

/// Why a history breaks a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The anomaly's name in the literature, where it has one.
    pub anomaly: Option<AnomalyName>,
    /// What is wrong, in one sentence.
    pub sentence: String,
    /// The operations (or transactions) that are impossible together, each described once.
    pub witness: Vec<OperationSummary>,
    /// The argument, step by step; each step is justified by operations of the witness.
    pub steps: Vec<Step>,
}

/// What the literature calls an anomaly: `WriteCORead`, `G-single-realtime`, `G-nonadjacent (long fork)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AnomalyName {
    /// The class: "G-nonadjacent".
    pub class: String,
    /// The name that such a case of it has besides: "long fork".
    pub special: Option<&'static str>,
}

/// A class without special cases.
impl From<&str> for AnomalyName {
    fn from(class: &str) -> Self {
        Self { class: class.to_owned(), special: None }
    }
}

impl fmt::Display for AnomalyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.class)?;
        match self.special {
            Some(special) => write!(f, " ({special})"),
            None => Ok(()),
        }
    }
}

/// A step of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What follows, and from what, in one sentence.
    pub text: String,
    /// The operations that prove it.
    pub operations: Vec<OperationId>,
}

impl Judgement {
    /// The history keeps the model.
    pub fn kept(model: Model) -> Self {
        Self { model, finding: Finding::Kept }
    }

    /// The history breaks the model.
    pub fn broken(model: Model, breach: Breach) -> Self {
        Self { model, finding: Finding::Broken(Box::new(breach)) }
    }

    /// There is no answer.
    pub fn unknown(model: Model, reason: impl Into<String>) -> Self {
        Self { model, finding: Finding::Unknown { reason: reason.into() } }
    }

    /// Whether the history was shown to keep the model.
    pub fn is_kept(&self) -> bool {
        matches!(self.finding, Finding::Kept)
    }

    /// Whether the history was shown to break the model.
    pub fn is_broken(&self) -> bool {
        matches!(self.finding, Finding::Broken(_))
    }

    /// Why the model is broken, if it is.
    pub fn breach(&self) -> Option<&Breach> {
        match &self.finding {
            Finding::Broken(breach) => Some(breach),
            Finding::Kept | Finding::Unknown { .. } => None,
        }
    }
}

/// A verdict of the linearizability checker, in the terms that all models share.
impl From<Verdict> for Judgement {
    fn from(verdict: Verdict) -> Self {
        let model = Model::Linearizable;
        match verdict {
            Verdict::Linearizable => Self::kept(model),
            Verdict::Unknown(unknown) => Self::unknown(model, unknown.to_string()),
            Verdict::Violation(violation) => {
                let mut witness = vec![violation.operation.clone()];
                witness.extend(violation.concurrent.iter().cloned());
                let place =
                    violation.partition.as_ref().map_or_else(String::new, |part| format!(" at {part}"));
                let step = |possibility: &crate::verdict::Possibility| Step {
                    text: format!("Where the state was {}, {}.", possibility.state, possibility.objection),
                    operations: possibility.taken_effect.clone(),
                };
                let breach = Breach {
                    anomaly: None,
                    sentence: format!(
                        "{}{place} cannot be placed anywhere between its invocation and its return",
                        violation.operation.text
                    ),
                    steps: violation.possibilities.iter().map(step).collect(),
                    witness,
                };
                Self::broken(model, breach)
            }
        }
    }
}

impl fmt::Display for Judgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = self.model.title();
        match &self.finding {
            Finding::Kept => write!(f, "The history keeps {title}."),
            Finding::Unknown { reason } => {
                write!(f, "It is unknown whether the history keeps {title}: {reason}.")
            }
            Finding::Broken(breach) => write!(f, "The history breaks {title}: {breach}"),
        }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sentence)?;
        if let Some(AnomalyName { class, special }) = &self.anomaly {
            let special = special.map_or_else(String::new, |special| format!(", {special}"));
            write!(f, " ({class}{special})")?;
        }
        f.write_str(".")?;
        for operation in &self.witness {
            write!(f, "\n  {}", operation.text)?;
        }
        for step in &self.steps {
            write!(f, "\n- {}", step.text)?;
        }
        Ok(())
    }
}
