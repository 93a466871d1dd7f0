//! Replicas against the oracle, and against each other: at one applied index all hold the same.
//!
//! A comparison reads the whole store, so it is made now and then while entries flow, and always where something may have gone wrong: after a restart,
//! after a snapshot was installed, and at the end.

use std::collections::BTreeMap;

use synod_database::{GroupId, Replicas};
use synod_machine::NodeId;
use synod_sim::Violation;
use synod_storage::kv::MemoryKv;

use super::oracle::Oracle;

const PROPERTY: &str = "replicas are equal at equal applied index";

/// Answers of a node's worker that pass between two comparisons.
const ANSWERS_BETWEEN: u32 = 150;

/// What was compared so far.
#[derive(Default)]
pub struct Comparison {
    answers: BTreeMap<NodeId, u32>,
    /// The first hash of the whole state that was seen at an applied index, and where.
    hashes: BTreeMap<u64, (NodeId, u64)>,
    /// How many comparisons there were.
    pub made: u64,
}

impl Comparison {
    /// Whether it is time to look at that node's replica again.
    pub fn due(&mut self, node: NodeId) -> bool {
        let answers = self.answers.entry(node).or_default();
        *answers += 1;
        answers.is_multiple_of(ANSWERS_BETWEEN)
    }

    /// Forgets what is too old to be compared.
    pub fn forget(&mut self, oracle: &Oracle) {
        self.hashes.retain(|applied, _| oracle.view(*applied).is_some());
    }

    /// Compares a replica with what it should hold.
    pub fn compare(
        &mut self,
        oracle: &Oracle,
        node: NodeId,
        worker: &Replicas<MemoryKv>,
    ) -> Result<(), Violation> {
        let Some(replica) = worker.get(GroupId::default()) else { return Ok(()) };
        let violation = |sentence: String| Err(Violation::new(PROPERTY, [node], sentence));
        let view = replica.view();
        let applied = view.applied_index();
        if applied > oracle.applied() {
            let sentence =
                format!("{node} has applied entry {applied}, and only {} are committed", oracle.applied());
            return violation(sentence);
        }
        let Some(truth) = oracle.view(applied) else { return Ok(()) };
        self.made += 1;
        let whole = view.hash().expect("an engine in memory can be read");
        if self.hashes.get(&applied).is_some_and(|(_, known)| *known == whole) {
            // The first replica with this state was compared with the truth.
            return Ok(());
        }
        if (view.revision(), view.compacted()) != (truth.revision(), truth.compacted()) {
            return violation(format!(
                "{node} is at revision {}, compacted {}, after entry {applied}; it should be at {}, compacted {}",
                view.revision(),
                view.compacted(),
                truth.revision(),
                truth.compacted()
            ));
        }
        let (found, expected) = (view.hash_kv(0), truth.hash_kv(0));
        if found != expected {
            let sentence = format!(
                "after entry {applied} {node} holds other keys than it should: {found:?} and not {expected:?}"
            );
            return violation(sentence);
        }
        if view.leases() != truth.leases() {
            let sentence = format!(
                "after entry {applied} {node} has the leases {:?} and not {:?}",
                view.leases(),
                truth.leases()
            );
            return violation(sentence);
        }
        self.compare_whole(node, applied, whole)
    }

    /// Compares everything, sessions and members included, with what another replica had at the same index.
    fn compare_whole(&mut self, node: NodeId, applied: u64, hash: u64) -> Result<(), Violation> {
        if applied == 0 {
            return Ok(());
        }
        let (first, known) = *self.hashes.entry(applied).or_insert((node, hash));
        if known == hash {
            return Ok(());
        }
        let sentence = format!(
            "after entry {applied} {first} and {node} hold equal keys and leases, but differ in sessions, members or place"
        );
        Err(Violation::new(PROPERTY, [first, node], sentence))
    }
}
