//! What is known about the change at a revision before any order is searched.

use std::collections::BTreeMap;

use crate::history::OperationId;

use super::request::{Answer, Blob, Pair, Reply, Request};
use super::store::Store;

/// Facts about revisions. See the essay of the parent module for why a step may be refused by them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    at: BTreeMap<u64, Facts>,
}

/// Facts about one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Facts {
    /// The operation that was answered that it made this change.
    taken_by: Option<OperationId>,
    /// The values that the change left at keys; `None`: it deleted the key.
    changed: BTreeMap<Blob, Option<Blob>>,
}

impl Evidence {
    /// Takes in what an answer says.
    pub fn add_answer(&mut self, id: OperationId, request: &Request, answer: &Answer) {
        if super::may_have_changed(request, &answer.reply) && certainly_changed(request, &answer.reply) {
            self.at.entry(answer.revision).or_default().taken_by.get_or_insert(id);
        }
        self.add_reply(&answer.reply);
    }

    /// Takes in that the change at `revision` left `value` at `key`, or deleted the key.
    pub fn add_change(&mut self, revision: u64, key: Blob, value: Option<Blob>) {
        self.at.entry(revision).or_default().changed.entry(key).or_insert(value);
    }

    /// Forgets revisions below `revision`: for a long run, once every state that is still possible is past them.
    pub fn forget_below(&mut self, revision: u64) {
        self.at = self.at.split_off(&revision);
    }

    /// Whether an operation was answered that it made the change at `revision`: one without answer did not, then.
    pub(super) fn is_taken(&self, revision: u64) -> bool {
        self.at.get(&revision).is_some_and(|facts| facts.taken_by.is_some())
    }

    /// Whether the change that made `store` is the one that the facts show.
    pub(super) fn allows(&self, store: &Store) -> bool {
        let Some(facts) = self.at.get(&store.revision) else { return true };
        facts.changed.iter().all(|(key, value)| match (store.get(key), value) {
            (None, None) => true,
            (Some(pair), Some(value)) => pair.mod_revision == store.revision && pair.value == *value,
            _ => false,
        })
    }

    fn add_reply(&mut self, reply: &Reply) {
        match reply {
            Reply::Range { pairs, .. } | Reply::Delete { previous: pairs, .. } => {
                pairs.iter().for_each(|pair| self.add_pair(pair));
            }
            Reply::Put { previous } => previous.iter().for_each(|pair| self.add_pair(pair)),
            Reply::Txn { replies, .. } => replies.iter().for_each(|reply| self.add_reply(reply)),
            Reply::Revoke => {}
        }
    }

    fn add_pair(&mut self, pair: &Pair) {
        self.add_change(pair.mod_revision, pair.key.clone(), Some(pair.value.clone()));
    }
}

/// Whether the reply proves a change. A revocation may have found no key.
pub(super) fn certainly_changed(request: &Request, reply: &Reply) -> bool {
    match (request, reply) {
        (Request::Put { .. }, Reply::Put { .. }) => true,
        (Request::Delete { .. }, Reply::Delete { deleted, .. }) => *deleted > 0,
        (Request::Txn { success, failure, .. }, Reply::Txn { succeeded, replies }) => {
            let branch = if *succeeded { success } else { failure };
            branch.iter().zip(replies).any(|(request, reply)| certainly_changed(request, reply))
        }
        _ => false,
    }
}
