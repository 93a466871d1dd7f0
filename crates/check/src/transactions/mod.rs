//! Isolation of transactions: which models a history of transactions keeps, and which anomaly breaks which.
//!
//! # The problem
//! A database promises that transactions are isolated: read committed, read atomic, causal, snapshot isolation,
//! serializable, strict serializable. Clients see what they read and whether they committed; from that alone it is to be
//! decided which promise was kept, and if one was not, by which transactions, in words.
//!
//! # How it works
//! - The history says for certain who read whose write ([`History`]; lists also say in which order the versions came).
//!   Reads of what was never written, aborted or not final, and transactions that contradict themselves, are found at
//!   once: garbage reads, G1a, G1b, dirty updates, duplicate elements, incompatible orders, internal anomalies.
//! - Everything else is a cycle of dependencies (Adya 1999): who replaced whose version (ww), who read it (wr), who
//!   replaced what was read (rw), and, for the models that speak of them, sessions and real time. Each model forbids
//!   cycles of some shape, and each shape has a name; Kingsbury and Alvaro (Elle, VLDB 2020) showed that lists make all
//!   dependencies known. Components with cycles are found in linear time, and short cycles within them are the witnesses.
//! - Of registers the order of versions must be inferred. For read committed any order will do that respects who read from
//!   whom; for read atomic and causal each read demands the order of some pairs, and no search is needed (Biswas and
//!   Enea, OOPSLA 2019). Snapshot isolation and serializability are NP-complete there (Papadimitriou 1979): what must be is
//!   inferred until nothing more follows, and the rest is searched for, under a limit.
//!
//! # What the models mean here
//! Read committed is Adya's PL-2. Read atomic adds that a transaction agrees with itself and sees all or nothing of
//! another. Causal is that for all that was seen directly or through others, sessions included, with one order of
//! conflicting writes for all. Snapshot isolation is the generalized one, without real time. Plain models do not speak of
//! sessions; the strong session ones do; strict serializability respects real time as well.
//!
//! # What it guarantees
//! *Kept* and *broken* are exact for these definitions: brute force over all orders says the same on small histories
//! (`crates/check/tests/transactions/`). A limit that is met is *unknown*, with the reason.
//!
//! # What it assumes
//! No two writes write the same value to one key; otherwise the answer is unknown. Times are those of one clock. What a
//! transaction of unknown outcome read is not known.
//!
//! # Costs
//! Lists: linear in operations, but for the sorting of values and times. Registers: read committed and read atomic are
//! linear; causality multiplies reads by sessions; the rest may take exponential time, and says *unknown* first.
//!
//! # Left out
//! Predicates (phantoms: G2 in full), reads of unknown transactions, and models between those named here.

mod analysis;
mod anomaly;
pub mod brute_force;
mod causal;
mod cycles;
mod edges;
mod facts;
pub mod generate;
mod graph;
mod history;
mod lists;
mod operation;
mod orders;
mod reached;
mod registers;
mod replacements;
mod schedule;
mod search;
mod words;

pub use anomaly::{Anomaly, Dependency, Order, Step, Witness};
pub use history::{Builder, History, HistoryError, OPERATIONS_MAX};
pub use operation::{Header, Key, Kind, Operation, Session, Status, TransactionId, Value};

use crate::linearizability::TimeLimit;
use crate::model::{Family, Judgement, Model, Summary};

/// How much work a search may take. Only snapshot isolation and serializability of registers (and of lists with several
/// writes that nobody saw) are searched for; everything else takes what it takes.
#[derive(Clone, Copy)]
pub struct Effort<'a> {
    /// Steps of a search; time is proportional to it.
    pub steps_max: u64,
    /// A limit on time, kept by a clock of the caller's.
    pub time: Option<TimeLimit<'a>>,
}

impl Default for Effort<'_> {
    /// Some seconds.
    fn default() -> Self {
        Self { steps_max: 400_000_000, time: None }
    }
}

/// What was found about a history.
#[derive(Clone, Debug)]
pub struct Report {
    /// One for each model that was asked for.
    pub judgements: Vec<Judgement>,
    /// Anomalies, one or a few for each name, each with the weakest model that it breaks.
    pub witnesses: Vec<Witness>,
}

impl Report {
    /// The judgement of a model that was asked for.
    pub fn judgement(&self, model: Model) -> Option<&Judgement> {
        self.judgements.iter().find(|judgement| judgement.model == model)
    }

    /// The strongest models that are kept, the weakest that are broken.
    pub fn summary(&self) -> Summary {
        Summary::new(self.judgements.clone())
    }
}

/// Whether a history keeps a model.
pub fn check(history: &History, model: Model, effort: Effort<'_>) -> Judgement {
    if model.family() != Family::Transactions {
        return Judgement::unknown(
            model,
            "it is a model of single operations, and the history is of transactions",
        );
    }
    let mut report = analysis::judge(history, &[model], effort);
    report.judgements.remove(0)
}

/// Which of some models of transactions a history keeps, and the anomalies that were met on the way.
pub fn check_each(history: &History, models: &[Model], effort: Effort<'_>) -> Report {
    let (of_transactions, others): (Vec<Model>, Vec<Model>) =
        models.iter().partition(|model| model.family() == Family::Transactions);
    let mut report = analysis::judge(history, &of_transactions, effort);
    report.judgements.extend(others.into_iter().map(|model| check(history, model, effort)));
    report.judgements.sort_by_key(|judgement| models.iter().position(|model| *model == judgement.model));
    report
}

/// Which models of transactions a history keeps, and the anomalies that break the others.
pub fn check_all(history: &History, effort: Effort<'_>) -> Report {
    analysis::judge(history, &Model::TRANSACTIONS, effort)
}
