//! Models weaker than sequential consistency, for objects of any kind: PRAM, causal memory, causal consistency and the session
//! guarantees of queues, sets, counters, locks and whatever else has a [`Specification`].
//!
//! For reads and writes these models are about which write a read returned ([`crate::read_write`]). A dequeue returns an
//! element and removes it as well, and many histories of a queue that lacks one element explain its answer. So the definitions
//! here are those of Perrin, Mostéfaoui and Jard ("Causal Consistency: Beyond Memory", 2016), which speak of no object in
//! particular: an operation changes the state by what it asks, whatever it is answered; and a session's answers have to be
//! right where, in an order of its own, the others' updates take effect with *free* answers. A dequeue that a session never
//! sees answered removes what is at the front for that session, which need not be what it returned to its own.
//!
//! - **PRAM** (pipelined consistency): for each session there is an order of its operations and of all updates that keeps
//!   the order of each session, in which its answers are right.
//! - **Causal memory**: there is an order of causality, which holds the sessions', and for each operation an order of its
//!   past in which its session's answers up to it are right.
//! - **Causal consistency**: the same, but only the operation itself has to be right in its order.
//! - The session guarantees are in the module `guarantees`.
//!
//! An update that was never answered comes after what its session did before it, and before nothing of its session.
//!
//! # How a verdict is found
//!
//! All of them ask which updates, in which order, explain an answer, and one search answers that (`gathering`). PRAM and read
//! your writes need nothing else, and are decided, within the limits. For the others what one answer has seen binds others, and
//! a choice that serves one may spoil another. So a history is found to
//!
//! - *keep* a model by a witness: replicas that take in updates only when an answer asks for it, with all that those had
//!   seen, and that give all the answers;
//! - *break* it by a proof: some answers have certainly seen some updates, and there is no order for some answer that respects
//!   what is certain (`certain`);
//! - and the answer is *unknown*, with the reason, if neither is found.
//!
//! # What it costs
//!
//! The questions are NP-complete already for registers whose values repeat. A history that keeps a model mostly costs its length
//! times the sessions, and the sessions' pasts for each answer that needs what is not at hand; one that breaks it at worst
//! the product of the sessions' lengths. [`Effort`] bounds all of it.
//!
//! Left out: causal convergence, but for what follows from causal and from sequential consistency; choices are not taken
//! back; threads.

pub mod brute_force;
mod causality;
mod certain;
mod gathering;
mod guarantees;
mod setting;

use crate::history::{History, OperationId};
use crate::linearizability::Effort;
use crate::model::{Finding, Judgement, Model, implied};
use crate::specification::Specification;

use setting::Setting;

/// The models that are decided here, in the order in which they are, so that one verdict settles others.
pub const MODELS: [Model; 8] = [
    Model::Pram,
    Model::CausalMemory,
    Model::Causal,
    Model::ReadYourWrites,
    Model::MonotonicReads,
    Model::MonotonicWrites,
    Model::WritesFollowReads,
    Model::CausalConvergence,
];

/// Judges a history by some of [`MODELS`]; of others nothing is said. The specification must not be one that was told what
/// the answers of the history prove ([`Queue::for_history`](crate::specification::Queue::for_history) and the like): that
/// is true only where all answers are right.
pub fn check_all<S: Specification>(
    models: &[Model],
    spec: &S,
    history: &History<S::Input, S::Output>,
    effort: Effort<'_>,
) -> Vec<Judgement> {
    let setting = Setting::new(spec, history);
    let mut judged: Vec<Judgement> = Vec::new();
    for model in MODELS {
        // Without them a stronger one that is asked about could not be settled.
        let is_wanted =
            models.contains(&model) || (model == Model::Causal && models.contains(&Model::CausalConvergence));
        if is_wanted {
            let finding = implied(model, &judged).unwrap_or_else(|| find(model, &setting, effort));
            judged.push(Judgement { model, finding });
        }
    }
    judged.retain(|judgement| models.contains(&judgement.model));
    judged
}

/// Judges a history by one of [`MODELS`]; the same holds of the specification.
pub fn check<S: Specification>(
    model: Model,
    spec: &S,
    history: &History<S::Input, S::Output>,
    effort: Effort<'_>,
) -> Judgement {
    check_all(&[model], spec, history, effort)
        .pop()
        .unwrap_or_else(|| Judgement::unknown(model, "it is not decided by the views of sessions"))
}

fn find<S: Specification>(model: Model, setting: &Setting<'_, S>, effort: Effort<'_>) -> Finding {
    if let Some(time) = effort.time.filter(|time| (time.elapsed)() > time.time_max) {
        let reason =
            format!("the time limit of {:?} was reached before this model was looked at", time.time_max);
        return Finding::Unknown { reason };
    }
    if let Some(index) = setting.without_source {
        let sentence = format!("no update could have made the answer of {} right", OperationId(index as u64));
        return Finding::Broken(Box::new(setting.breach(sentence, [index])));
    }
    match model {
        Model::Pram => causality::pram(setting, effort),
        Model::CausalMemory => causality::causal_memory(setting, effort),
        Model::Causal => causality::causal(setting, effort),
        Model::CausalConvergence => {
            let reason = "one order of all updates that settles conflicts is not looked for where operations read and \
                          write at once";
            Finding::Unknown { reason: reason.to_owned() }
        }
        _ => guarantees::decide(setting, model, effort),
    }
}
