//! Short reasons why an answer of a store is impossible: a handful of operations instead of a search.
//!
//! # The problem
//! A history of an etcd-like store is told impossible by a search over all its operations, and which of them are to blame is then
//! found by leaving operations away and searching again. Of a hundred thousand operations not many can be tried in time. But nearly
//! all that goes wrong with a store that numbers its changes is a contradiction between two answers, and to see that one needs no
//! search.
//!
//! # The rules
//! Let an answer have revision *r*. What it *shows* of a key is a version of it at a revision *s*: of a range that is *r*, of what a change
//! returns as the previous pair *r* − 1. The following is impossible, whatever others did:
//!
//! 1. one operation returned before another was invoked, and has a higher revision, or as high a one as the change that the other made;
//! 2. two operations both made the change of one revision;
//! 3. a pair was last changed at revision *m*, and the operation that made the change of *m* did not put that value there;
//! 4. a version *m* of a key is shown at *s*, and something else shows, or did, a change of this key after *m* and not after *s*;
//! 5. one version of a key has two values, or two creations;
//! 6. a key is missing at *s* in a range that would have it, and was put at *s*, or is shown later with a creation before or at *s*;
//! 7. an answer shows what is newer than itself, what nobody asked to put, or what no count of changes fits, or has a revision that so many requests cannot
//!    have made.
//!
//! One more needs that the answers of all others are what they are: a key is missing at *s* although it was there at *p* < *s*, and nothing
//! that could have deleted it has a revision between these two.
//!
//! # What it guarantees
//! Each rule follows from the store's being sequential alone, so what is found is impossible by itself. That is used to explain what a
//! search has found to be broken, and only that.
//!
//! # Costs
//! Linear in the operations, times what the last answer shows.
//!
//! # Left out
//! Contradictions of three and more answers, counts, limits, leases, and all compares of transactions but those of revisions for equality.

use super::evidence::certainly_changed;
use super::request::{Answer, Blob, Compare, Operand, Pair, Relation, Reply, Request, Span, SpanEnd};
use super::{KeyValue, KeyValueHistory, may_have_changed};
use crate::history::Event;
use crate::specification::Contradiction;

impl KeyValue {
    /// The shortest reason for which the operation `last`, with whose return the history ends, is impossible, where a rule knows one.
    pub(super) fn reason(&self, history: &KeyValueHistory, last: usize) -> Option<Contradiction> {
        let said = |index: usize| {
            let operation = &history.operations()[index];
            operation.output().map(|answer| Said::new(index, &operation.input, answer))
        };
        let blamed = said(last)?;
        let alone = |()| Contradiction { operations: vec![last], needs_answers: false };
        if let Some(reason) = self.is_impossible_alone(history, &blamed).then_some(()).map(alone) {
            return Some(reason);
        }
        let with = |other: usize, needs_answers| {
            let mut operations = vec![other, last];
            operations.sort_unstable();
            Some(Contradiction { operations, needs_answers })
        };
        let before = returned_before(history, last);
        let newer = before.iter().filter_map(|&index| said(index)).filter(|other| {
            other.revision > blamed.revision || other.revision == blamed.revision && blamed.change.is_some()
        });
        let newer: Vec<Said<'_>> = newer.collect();
        // Best told by a change of what was asked for.
        let told = newer.iter().find(|other| blamed.asks_for_change_of(other));
        if let Some(other) = told {
            return with(other.index, false);
        }
        let others = (0..history.len()).filter(|index| *index != last).filter_map(said);
        if let Some(other) = others.clone().find(|other| contradict(other, &blamed)) {
            return with(other.index, false);
        }
        if let Some(other) = newer.first() {
            return with(other.index, false);
        }
        let others: Vec<Said<'_>> = others.collect();
        let other = others.iter().find(|other| is_lost_between(history, &others, other, &blamed))?;
        with(other.index, true)
    }

    /// Whether an answer is impossible whatever the others were answered.
    fn is_impossible_alone(&self, history: &KeyValueHistory, blamed: &Said<'_>) -> bool {
        let changes = history.operations().iter().filter(|each| each.input.may_change()).count() as u64;
        if blamed.revision > self.initial.revision + changes {
            return true;
        }
        let initial = &self.initial;
        let is_unheard_of = |pair: &Pair| {
            let first = initial.get(&pair.key);
            let (created, changed) = (pair.create_revision, pair.mod_revision);
            let is_kept = changed <= initial.revision;
            let is_put =
                || history.operations().iter().any(|each| may_put(&each.input, &pair.key, &pair.value));
            let is_counted = pair.version >= 1 && (pair.version == 1) == (created == changed);
            is_kept && first.as_ref() != Some(pair)
                || created <= initial.revision && first.is_none_or(|first| first.create_revision != created)
                || created > changed
                || created > initial.revision && !is_counted
                || !is_kept && !is_put()
        };
        blamed.versions().any(|(_, version, seen_at)| version > seen_at)
            || blamed.sights.iter().flat_map(|sight| &sight.pairs).any(|pair| is_unheard_of(pair))
    }
}

/// The operations that returned before another one was invoked.
fn returned_before(history: &KeyValueHistory, last: usize) -> Vec<usize> {
    let before = history.events().iter().take_while(|event| **event != Event::Invoked(last));
    let returned = before.filter_map(|event| match *event {
        Event::Returned(index) => Some(index),
        Event::Invoked(_) => None,
    });
    returned.collect()
}

/// What an answer says.
struct Said<'a> {
    index: usize,
    request: &'a Request,
    reply: &'a Reply,
    revision: u64,
    /// The revision of the change that it certainly made.
    change: Option<u64>,
    sights: Vec<Sight<'a>>,
}

/// What it shows of the store at one revision.
#[derive(Default)]
struct Sight<'a> {
    revision: u64,
    pairs: Vec<&'a Pair>,
    /// The span of which no other keys were there.
    complete: Option<&'a Span>,
    /// The revisions at which keys were last changed, where a compare tells no more.
    versions: Vec<(&'a Blob, u64)>,
    /// Other keys that were not there.
    missing: Vec<&'a Blob>,
}

/// What a request, with its answer, did to a key.
#[derive(PartialEq, Eq)]
enum Deed<'a> {
    Put(&'a Blob),
    Deleted,
    MayHaveDeleted,
    Nothing,
}

impl<'a> Said<'a> {
    fn new(index: usize, request: &'a Request, answer: &'a Answer) -> Self {
        let Answer { revision, reply } = answer;
        let change = certainly_changed(request, reply).then_some(*revision);
        let mut said = Self { index, request, reply, revision: *revision, change, sights: Vec::new() };
        said.look(request, reply, !may_have_changed(request, reply));
        said
    }

    /// Takes in what a reply shows. `is_whole` says that nothing was changed, so that all of it is of the answer's own revision.
    fn look(&mut self, request: &'a Request, reply: &'a Reply, is_whole: bool) {
        let (now, before) = (self.revision, self.revision.saturating_sub(1));
        match (request, reply) {
            (Request::Range { span, limit, count_only }, Reply::Range { pairs, .. }) => {
                let is_complete = !count_only && (*limit == 0 || (pairs.len() as u64) < *limit);
                let (old, own): (Vec<&Pair>, Vec<&Pair>) =
                    pairs.iter().partition(|pair| is_whole || pair.mod_revision < now);
                let complete = Some(span).filter(|_| is_complete && is_whole);
                let seen_at = if is_whole { now } else { before };
                self.sights.push(Sight { revision: seen_at, pairs: old, complete, ..Sight::default() });
                self.sights.push(Sight { revision: now, pairs: own, ..Sight::default() });
            }
            (Request::Put { return_previous: true, .. }, Reply::Put { previous: Some(pair) }) => {
                self.sights.push(Sight { revision: before, pairs: vec![pair], ..Sight::default() });
            }
            (Request::Delete { span, return_previous: true }, Reply::Delete { previous, deleted }) => {
                let complete = Some(span).filter(|_| *deleted == previous.len() as u64);
                let seen_at = if *deleted > 0 { before } else { now };
                let pairs = previous.iter().collect();
                // Within a transaction, what it deletes may be what it put.
                let complete = complete.filter(|_| std::ptr::eq(request, self.request));
                self.sights.push(Sight { revision: seen_at, pairs, complete, ..Sight::default() });
            }
            (Request::Txn { compares, success, failure }, Reply::Txn { succeeded, replies }) => {
                if *succeeded && std::ptr::eq(request, self.request) {
                    let seen_at = if is_whole { now } else { before };
                    self.sights.push(compared(compares, seen_at));
                }
                let branch = if *succeeded { success } else { failure };
                for (request, reply) in branch.iter().zip(replies) {
                    self.look(request, reply, is_whole);
                }
            }
            _ => {}
        }
    }

    fn did(&self, key: &Blob) -> Deed<'a> {
        deed(self.request, self.reply, key)
    }

    /// The keys and the versions of them that are shown, each with the revision at which that is so.
    fn versions(&self) -> impl Iterator<Item = (&'a Blob, u64, u64)> {
        self.sights.iter().flat_map(|sight| {
            let shown = sight.pairs.iter().map(|pair| (&pair.key, pair.mod_revision));
            shown.chain(sight.versions.iter().copied()).map(|(key, version)| (key, version, sight.revision))
        })
    }

    fn asks_for_change_of(&self, other: &Said<'_>) -> bool {
        let is_changed = |key: &Blob| matches!(other.did(key), Deed::Put(_) | Deed::Deleted);
        let span_is_changed = |span: &Span| match (&span.end, other.request) {
            (SpanEnd::Single, _) => is_changed(&span.from),
            (_, Request::Put { key, .. }) => span.contains(key),
            _ => false,
        };
        self.sights.iter().any(|sight| sight.complete.is_some_and(span_is_changed))
            || self.versions().any(|(key, ..)| is_changed(key))
            || matches!(self.request, Request::Put { key, .. } if is_changed(key))
    }
}

/// What it shows that compares held.
fn compared(compares: &[Compare], revision: u64) -> Sight<'_> {
    let told = compares.iter().filter_map(|compare| match (&compare.operand, &compare.span.end) {
        (Operand::ModRevision(version), SpanEnd::Single) if compare.relation == Relation::Equal => {
            Some((&compare.span.from, *version))
        }
        _ => None,
    });
    let (missing, versions): (Vec<_>, Vec<_>) = told.partition(|(_, version)| *version == 0);
    let missing = missing.into_iter().map(|(key, _)| key).collect();
    Sight { revision, versions, missing, ..Sight::default() }
}

fn deed<'a>(request: &'a Request, reply: &'a Reply, key: &Blob) -> Deed<'a> {
    match (request, reply) {
        (Request::Put { key: put, value, .. }, _) if put == key => Deed::Put(value),
        (Request::Delete { span, .. }, Reply::Delete { deleted, previous }) if span.contains(key) => {
            match deleted {
                0 => Deed::Nothing,
                _ if span.end == SpanEnd::Single || previous.iter().any(|pair| pair.key == *key) => {
                    Deed::Deleted
                }
                _ => Deed::MayHaveDeleted,
            }
        }
        (Request::Txn { success, failure, .. }, Reply::Txn { succeeded, replies }) => {
            let branch = if *succeeded { success } else { failure };
            let deeds = branch.iter().zip(replies).map(|(request, reply)| deed(request, reply, key));
            deeds.into_iter().find(|deed| *deed != Deed::Nothing).unwrap_or(Deed::Nothing)
        }
        (Request::Revoke { .. }, _) => Deed::MayHaveDeleted,
        _ => Deed::Nothing,
    }
}

/// Whether a request may put a value at a key.
fn may_put(request: &Request, key: &Blob, value: &Blob) -> bool {
    match request {
        Request::Put { key: put, value: with, .. } => put == key && with == value,
        Request::Txn { success, failure, .. } => {
            success.iter().chain(failure).any(|each| may_put(each, key, value))
        }
        _ => false,
    }
}

/// Whether a request may delete a key.
fn may_delete(request: &Request, key: &Blob) -> bool {
    match request {
        Request::Delete { span, .. } => span.contains(key),
        Request::Revoke { .. } => true,
        Request::Txn { success, failure, .. } => {
            success.iter().chain(failure).any(|each| may_delete(each, key))
        }
        _ => false,
    }
}

/// Rules 2 to 6.
fn contradict(one: &Said<'_>, other: &Said<'_>) -> bool {
    let both_changed = one.change.is_some() && one.change == other.change;
    both_changed || refutes(one, other) || refutes(other, one)
}

/// Whether what `one` did or shows makes impossible what `other` shows.
fn refutes(one: &Said<'_>, other: &Said<'_>) -> bool {
    let deed_refutes = || {
        let Some(revision) = one.change else { return false };
        let put_otherwise =
            |pair: &&Pair| pair.mod_revision == revision && one.did(&pair.key) != Deed::Put(&pair.value);
        let misses = |sight: &Sight<'_>| {
            let put = |key: &Blob| matches!(one.did(key), Deed::Put(_));
            sight.revision == revision
                && keys_put(one.request).into_iter().any(|key| put(key) && is_missing(sight, key))
        };
        other.sights.iter().any(|sight| sight.pairs.iter().any(put_otherwise) || misses(sight))
            || other.versions().any(|(key, version, seen_at)| {
                version < revision
                    && revision <= seen_at
                    && matches!(one.did(key), Deed::Put(_) | Deed::Deleted)
            })
    };
    let shown_refutes = || {
        let shown = || {
            one.sights.iter().flat_map(|sight| sight.pairs.iter().map(move |pair| (*pair, sight.revision)))
        };
        other.versions().any(|(key, version, seen_at)| {
            let newer = |(pair, _): (&Pair, u64)| {
                pair.key == *key && version < pair.mod_revision && pair.mod_revision <= seen_at
            };
            shown().any(newer)
        }) || other.sights.iter().any(|sight| {
            let differs = |pair: &&Pair| {
                let same = |other: &Pair| other.key == pair.key && other.mod_revision == pair.mod_revision;
                shown().any(|(other, _)| same(other) && other != *pair)
            };
            let is_missing = |(pair, until): (&Pair, u64)| {
                pair.create_revision <= sight.revision
                    && sight.revision <= until
                    && is_missing(sight, &pair.key)
            };
            sight.pairs.iter().any(differs) || shown().any(is_missing)
        })
    };
    deed_refutes() || shown_refutes()
}

/// Whether a sight shows that a key is not there.
fn is_missing(sight: &Sight<'_>, key: &Blob) -> bool {
    let is_within = sight.complete.is_some_and(|span| span.contains(key));
    is_within && !sight.pairs.iter().any(|pair| pair.key == *key) || sight.missing.contains(&key)
}

/// The keys that a request may put.
fn keys_put(request: &Request) -> Vec<&Blob> {
    match request {
        Request::Put { key, .. } => vec![key],
        Request::Txn { success, failure, .. } => success.iter().chain(failure).flat_map(keys_put).collect(),
        _ => Vec::new(),
    }
}

/// Whether a key that `one` put or shows is missing later, where `blamed` looks, though nothing can have deleted it in between.
fn is_lost_between(
    history: &KeyValueHistory,
    others: &[Said<'_>],
    one: &Said<'_>,
    blamed: &Said<'_>,
) -> bool {
    let put =
        one.change.into_iter().flat_map(|at| keys_put(one.request).into_iter().map(move |key| (key, at)));
    let put = put.filter(|(key, _)| matches!(one.did(key), Deed::Put(_)));
    let shown =
        one.sights.iter().flat_map(|sight| sight.pairs.iter().map(move |pair| (&pair.key, sight.revision)));
    let mut there = put.chain(shown);
    there.any(|(key, from)| {
        blamed.sights.iter().any(|sight| {
            let is_lost = from < sight.revision && is_missing(sight, key);
            let between = |revision: u64| from < revision && revision <= sight.revision;
            let deleted = |other: &Said<'_>| {
                between(other.revision) && !matches!(other.did(key), Deed::Nothing | Deed::Put(_))
            };
            let taken =
                || others.iter().filter_map(|other| other.change).filter(|at| between(*at)).count() as u64;
            let open = |each: &crate::history::Operation<Request, Answer>| {
                each.output().is_none() && may_delete(&each.input, key)
            };
            is_lost
                && !others.iter().chain([blamed]).any(deleted)
                && (taken() == sight.revision - from || !history.operations().iter().any(open))
        })
    })
}
