//! Eventual convergence: once nobody writes any more, and a quiet time has passed, all reads agree.
//!
//! "Eventually" is not broken by any history that ends, so the quiet time has to be stated (Vogels 2009 calls it the
//! inconsistency window). For each key: reads that were invoked more than that after the last write of the key had
//! ended return one value, and not the initial one if a write was acknowledged. What is read before is not judged.
//!
//! A write that was never answered ends when the first read that returned it did: it may have taken effect until then.
//! If nobody read it, it does not count. The guarantee follows from linearizability, and from bounded staleness in
//! time; not from sequential or causal consistency, which allow a session to lag for ever.
//!
//! One walk over the history. A quiet time longer than the end of the history allows makes the model kept by default.

use std::time::Duration;

use super::trace::{Access, INITIAL_VALUE, NO_VALUE, Trace};
use crate::model::{Breach, Finding, Step};

/// Decides eventual convergence. Works for repeated values too: an unanswered write is then taken to end with the last
/// read of its value, which hides a breach rather than inventing one.
pub(super) fn decide(trace: &Trace<'_>, quiet: Duration) -> Finding {
    let ends = ends_of_writing(trace);
    let mut settled: Vec<Option<u32>> = vec![None; trace.keys_count];
    for index in 0..trace.len() as u32 {
        let access = trace.access(index);
        if access.is_write || access.value == NO_VALUE {
            continue;
        }
        let end = &ends[access.key as usize];
        // Without a quiet time the order of events decides, which is finer than their times.
        let is_quiet = quiet.is_zero() || end.at.is_none_or(|at| access.invoked > at.saturating_add(quiet));
        if !is_quiet || access.invoked_rank < end.rank {
            continue;
        }
        if access.value == INITIAL_VALUE
            && let Some(acknowledged) = end.acknowledged
        {
            return Finding::Broken(Box::new(forgotten(trace, index, acknowledged, quiet)));
        }
        match settled[access.key as usize] {
            None => settled[access.key as usize] = Some(index),
            Some(other) if trace.access(other).value != access.value => {
                return Finding::Broken(Box::new(disagree(trace, other, index, end, quiet)));
            }
            Some(_) => {}
        }
    }
    Finding::Kept
}

/// When the writing of a key ended.
#[derive(Clone, Copy, Default)]
struct End {
    at: Option<Duration>,
    /// In the order of all events.
    rank: u32,
    /// What ended last: a write, or a read that saw one that was never answered.
    last: u32,
    /// A write that was acknowledged, of another value than the initial one.
    acknowledged: Option<u32>,
}

fn ends_of_writing(trace: &Trace<'_>) -> Vec<End> {
    let mut ends = vec![End::default(); trace.keys_count];
    let mut unanswered = std::collections::BTreeSet::new();
    let mut initial_written = vec![false; trace.keys_count];
    let extend = |access: &Access, index: u32, ends: &mut Vec<End>| {
        let end = &mut ends[access.key as usize];
        if access.returned.is_some() && end.at.is_none_or(|_| end.rank < access.returned_rank) {
            (end.at, end.rank, end.last) = (access.returned, access.returned_rank, index);
        }
    };
    for (index, access) in trace.accesses.iter().enumerate().filter(|(_, access)| access.is_write) {
        initial_written[access.key as usize] |= access.value == INITIAL_VALUE;
        if access.returned.is_none() {
            unanswered.insert((access.key, access.value));
            continue;
        }
        ends[access.key as usize].acknowledged = Some(index as u32);
        extend(access, index as u32, &mut ends);
    }
    if !unanswered.is_empty() {
        let mut seen = std::collections::BTreeSet::new();
        // With a value that others wrote too, any read of it may be the first of the unanswered write.
        let is_repeated = repeated_values(trace);
        for (index, access) in trace.accesses.iter().enumerate().filter(|(_, access)| !access.is_write) {
            let pair = (access.key, access.value);
            if unanswered.contains(&pair) && (seen.insert(pair) || is_repeated.contains(&pair)) {
                extend(access, index as u32, &mut ends);
            }
        }
    }
    for (end, written) in ends.iter_mut().zip(initial_written) {
        end.acknowledged = end.acknowledged.filter(|_| !written);
    }
    ends
}

fn repeated_values(trace: &Trace<'_>) -> std::collections::BTreeSet<(u32, u32)> {
    let mut once = std::collections::BTreeSet::new();
    let writes = trace.accesses.iter().filter(|access| access.is_write);
    writes.map(|access| (access.key, access.value)).filter(|pair| !once.insert(*pair)).collect()
}

fn forgotten(trace: &Trace<'_>, read: u32, write: u32, quiet: Duration) -> Breach {
    let sentence = format!(
        "{} returned the first value{}, {}, though all writes had ended {quiet:?} before and {} was acknowledged",
        trace.id(read),
        trace.of_key(trace.access(read).key),
        trace.value_text(trace.access(read).value),
        trace.id(write)
    );
    let at = trace.access(write).returned.unwrap_or_default();
    let text = format!(
        "{} ended at {at:?}, {} began at {:?}.",
        trace.id(write),
        trace.id(read),
        trace.access(read).invoked
    );
    Breach {
        anomaly: None,
        sentence,
        witness: vec![trace.summary(write), trace.summary(read)],
        steps: vec![Step { text, operations: vec![trace.id(write), trace.id(read)] }],
    }
}

fn disagree(trace: &Trace<'_>, first: u32, second: u32, end: &End, quiet: Duration) -> Breach {
    let value = |read: u32| trace.value_text(trace.access(read).value);
    let sentence = format!(
        "{} returned {} and {} {}{}, though all writes had ended {quiet:?} before",
        trace.id(first),
        value(first),
        trace.id(second),
        value(second),
        trace.of_key(trace.access(first).key),
    );
    let mut steps = Vec::new();
    let mut witness = Vec::new();
    if let Some(at) = end.at {
        let (text, last) =
            (format!("The writing ended with {} at {at:?}.", trace.id(end.last)), trace.id(end.last));
        steps.push(Step { text, operations: vec![last] });
        witness.push(trace.summary(end.last));
    }
    for read in [first, second] {
        let text = format!("{} began at {:?}.", trace.id(read), trace.access(read).invoked);
        steps.push(Step { text, operations: vec![trace.id(read)] });
        witness.push(trace.summary(read));
    }
    Breach { anomaly: None, sentence, witness, steps }
}
