//! After the faults: what must work again, and what still stands in its way.

use std::time::Duration;

use bytes::Bytes;
use synod_database::{Command, Consistency, GroupId, Query};
use synod_machine::NodeId;
use synod_sim::View;
use synod_storage::mvcc::{KeyRange, Operation, PutRequest, RangeRequest};

use super::clients::Crowd;
use super::oracle::Oracle;
use super::subject::Database;
use super::watchers::Watchers;

/// The phase after the faults.
pub struct Recovery {
    /// Who is up.
    pub survivors: Vec<NodeId>,
    /// When progress must have been made.
    pub ends: Duration,
    /// What was missing when it was last looked.
    pub obstacle: String,
}

/// What is asked through every survivor: a change, then a linearizable read.
pub fn errands(node: NodeId) -> Vec<Command> {
    let key = Bytes::from(format!("recovered/{node}"));
    let put = PutRequest { key: key.clone(), value: Bytes::from_static(b"yes"), ..PutRequest::default() };
    let range = RangeRequest { range: KeyRange { key, end: Bytes::new() }, ..RangeRequest::default() };
    vec![
        Command::Propose(Operation::Put(put)),
        Command::Read { query: Query::Range(range), consistency: Consistency::Linearizable },
    ]
}

impl Recovery {
    /// What is missing; nothing if all is well.
    pub fn missing(
        &self,
        view: &View<'_, Database>,
        crowd: &Crowd,
        oracle: &Oracle,
        watchers: &mut Watchers,
    ) -> Result<(), String> {
        if !crowd.errands_done() {
            return Err("not every survivor has answered a write and a read".to_owned());
        }
        let truth = oracle.view(oracle.applied()).ok_or("the oracle remembers its newest view")?;
        let leases = truth.leases().map_err(|error| error.to_string())?;
        if !leases.is_empty() {
            return Err(format!("the leases {leases:?} have not ended"));
        }
        for node in &self.survivors {
            let applied = view.worker(*node).and_then(|worker| worker.get(GroupId::default()));
            let applied = applied.map(|replica| replica.view().applied_index());
            if applied != Some(oracle.applied()) {
                return Err(format!("{node} has applied {applied:?} of {} entries", oracle.applied()));
            }
        }
        watchers.caught_up(oracle, oracle.revision())
    }
}
