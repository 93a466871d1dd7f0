//! Consistency of reads and writes: every model of single operations, for registers and key-value stores.
//!
//! A [`Trace`] is a history of reads and writes; [`check`] judges it by one model, [`check_all`] by all of them, and
//! sums up which are kept and which are broken. What each model demands stands in the module that decides it, and on the page
//! `docs/consistency-models.md` for all of them together.
//!
//! What is broken is argued for: a sentence, the operations that are impossible together, and the steps from what was seen
//! to why it cannot be, each justified by operations.
//!
//! # What is polynomial, and what is not
//!
//! | model | how | cost, n operations, k sessions |
//! |---|---|---|
//! | causal, causal convergence | vector clocks, bad patterns | n·k |
//! | causal memory, PRAM | saturation for each session | n·k² times passes |
//! | read your writes, monotonic reads and writes | one walk | n |
//! | writes follow reads | lists of what was read | n·k² log n |
//! | eventual | one walk | n |
//! | staleness in time | zones | n log n |
//! | sequential | saturation, then search | NP-complete |
//! | linearizable, staleness in versions | search | NP-complete if values repeat |
//!
//! All but the last two lines assume that each write of a key has a value of its own. Where values repeat, a read may have
//! several sources; the module `sources` says what is done then, and where the answer is *unknown*. It is never a guess.
//!
//! Left out: compare-and-swap and other operations that read and write at once; for these [`crate::linearizability`] and
//! [`crate::sequential`] decide the two strongest models, and [`crate::views`] the weaker ones.

mod argument;
pub mod brute_force;
mod causal;
mod eventual;
mod follows;
mod graph;
mod objects;
mod saturation;
mod sequential;
mod sessions;
mod sources;
mod staleness;
mod trace;
mod views;

use crate::linearizability::Effort;
use crate::model::{Family, Finding, Judgement, Model, Summary, implied};

use graph::Graph;
use sources::{Sources, judge};
pub use trace::{OPERATIONS_MAX, Trace, TraceError};

/// Judges a history by one model.
pub fn check(model: Model, trace: &Trace<'_>, effort: Effort<'_>) -> Judgement {
    Judgement { model, finding: find(model, trace, &Sources::new(trace), effort) }
}

/// Judges a history by the given models (usually [`Model::OPERATIONS`], and some with parameters), strongest first as far
/// as they compare. What follows from other verdicts is not decided again: what a kept model implies is kept, and what
/// implies a broken one is broken, for the same reason.
pub fn check_all(models: &[Model], trace: &Trace<'_>, effort: Effort<'_>) -> Summary {
    let sources = Sources::new(trace);
    let mut order: Vec<Model> = models.to_vec();
    // The cheap ones that are often broken first, then by strength: a broken one settles all that imply it.
    order.sort_by_key(|model| rank(*model));
    let mut judged: Vec<Judgement> = Vec::new();
    for model in order {
        let finding = implied(model, &judged).unwrap_or_else(|| find(model, trace, &sources, effort));
        judged.push(Judgement { model, finding });
    }
    // What an early verdict left unknown, a later one may settle.
    for index in 0..judged.len() {
        if matches!(judged[index].finding, Finding::Unknown { .. })
            && let Some(finding) = implied(judged[index].model, &judged)
        {
            judged[index].finding = finding;
        }
    }
    judged.sort_by_key(|judgement| models.iter().position(|model| *model == judgement.model));
    Summary::new(judged)
}

/// In which order models are decided.
fn rank(model: Model) -> usize {
    let order = [
        Model::Causal,
        Model::CausalConvergence,
        Model::CausalMemory,
        Model::Pram,
        Model::Sequential,
        Model::Linearizable,
    ];
    order.iter().position(|other| *other == model).unwrap_or(order.len())
}

fn find(model: Model, trace: &Trace<'_>, sources: &Sources, effort: Effort<'_>) -> Finding {
    if let Some(time) = effort.time.filter(|time| (time.elapsed)() > time.time_max) {
        return Finding::Unknown {
            reason: format!(
                "the time limit of {:?} was reached before this model was looked at",
                time.time_max
            ),
        };
    }
    match model {
        Model::Linearizable => staleness::linearizable(trace, effort),
        Model::StalenessVersions { versions } => staleness::versions(trace, versions, effort),
        Model::StalenessTime { age_max } => staleness::time(trace, sources, age_max, effort),
        Model::Eventual { quiet } => match sources.thin_air(trace) {
            Some(breach) => Finding::Broken(Box::new(breach)),
            None => eventual::decide(trace, quiet),
        },
        Model::Sequential => sequential_consistency(trace, sources, effort),
        _ if model.family() == Family::Transactions => Finding::Unknown {
            reason: "it is a model of transactions, and this is a history of single operations".to_owned(),
        },
        _ => judge(trace, sources, |sources| match Graph::new(trace, sources) {
            Ok(graph) => decide(model, &graph, effort),
            Err(reason) => Finding::Unknown { reason },
        }),
    }
}

/// The models that need nothing but a graph.
fn decide(model: Model, graph: &Graph<'_, '_>, effort: Effort<'_>) -> Finding {
    let is_over = || effort.time.is_some_and(|time| (time.elapsed)() > time.time_max);
    match model {
        Model::CausalConvergence => causal::decide(graph, true),
        Model::CausalMemory => views::decide(graph, true, is_over),
        Model::Pram => views::decide(graph, false, is_over),
        Model::ReadYourWrites => sessions::read_your_writes(graph),
        Model::MonotonicReads => sessions::monotonic_reads(graph),
        Model::MonotonicWrites => sessions::monotonic_writes(graph),
        Model::WritesFollowReads => follows::decide(graph),
        _ => causal::decide(graph, false),
    }
}

/// Sequential consistency: by sources where they are known, and where values repeat by values.
fn sequential_consistency(trace: &Trace<'_>, sources: &Sources, effort: Effort<'_>) -> Finding {
    if let Some(breach) = sources.thin_air(trace) {
        return Finding::Broken(Box::new(breach));
    }
    let graph = match Graph::new(trace, sources.settled()) {
        Ok(graph) => graph,
        Err(reason) => return Finding::Unknown { reason },
    };
    if sources.are_settled() {
        return sequential::decide(&graph, effort);
    }
    // What is impossible without the reads that have several sources is so with them.
    if let Err(breach) = sequential::saturates(&graph) {
        return Finding::Broken(breach);
    }
    let spec =
        crate::specification::Keyed::new(crate::specification::Register { initial: objects::initial(trace) });
    crate::sequential::check(&spec, &objects::history(trace, trace.events.to_vec()), effort).finding
}
