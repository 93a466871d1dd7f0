//! Leases: what their holders were promised, and when they ended.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_check::etcd::{LeaseEnd, LeaseRun, Renewal, leased_keys_go_at_once, leases_never_expire_early};
use synod_machine::NodeId;
use synod_sim::{Plan, Violation, What};
use synod_storage::mvcc::LeaseId;

use super::oracle::Oracle;

/// Longest time to live that clients ask for.
const TIME_TO_LIVE_MAX: Duration = Duration::from_secs(4);

/// So many renewals of a lease are remembered, at most.
const RENEWALS_MAX: usize = 64;

/// The lives of all leases of a run.
pub struct Leases {
    runs: BTreeMap<LeaseId, LeaseRun>,
    forgotten: usize,
    tolerance: Duration,
}

impl Leases {
    /// None yet. A lease lasts by its leader's clock, so that much earlier than by true time as the plan's clocks may run fast.
    pub fn new(plan: &Plan) -> Self {
        let faults = plan.faults.faults.iter().map(|fault| match fault.what {
            What::Drift { ppm, .. } => ppm.unsigned_abs(),
            _ => 0,
        });
        let drift_ppm = faults.chain([plan.clock.drift_ppm_max]).max().unwrap_or_default();
        let tolerance = TIME_TO_LIVE_MAX * drift_ppm / 1_000_000 + Duration::from_millis(1);
        Leases { runs: BTreeMap::new(), forgotten: 0, tolerance }
    }

    /// How many there were.
    pub fn len(&self) -> usize {
        self.forgotten + self.runs.len()
    }

    /// A client that sent its request at `sent` was promised this much more.
    pub fn promised(
        &mut self,
        node: NodeId,
        lease: LeaseId,
        sent: Duration,
        time_to_live: Duration,
    ) -> Result<(), Violation> {
        let renewals = &mut self.run(lease).renewals;
        renewals.push(Renewal { sent, time_to_live });
        if renewals.len() > RENEWALS_MAX {
            keep_strictest(renewals);
        }
        self.judge(node, lease)
    }

    /// The end of a lease was committed: the earliest moment at which it could be known.
    pub fn ended(&mut self, node: NodeId, lease: LeaseId, end: LeaseEnd) -> Result<(), Violation> {
        self.run(lease).end = Some(end);
        self.judge(node, lease)
    }

    /// Whether a lease had ended by then.
    pub fn ended_before(&self, lease: LeaseId, moment: Duration) -> bool {
        self.runs.get(&lease).and_then(|run| run.end).is_some_and(|end| end.at < moment)
    }

    /// Forgets leases that ended in a revision before that one, or without keys before that moment, when they were judged.
    pub fn forget(&mut self, revision: u64, moment: Duration) {
        let known = self.runs.len();
        self.runs.retain(|_, run| match run.end {
            Some(LeaseEnd { revision: Some(ended), .. }) => ended > revision,
            Some(LeaseEnd { revision: None, at, .. }) => at >= moment,
            None => true,
        });
        self.forgotten += known - self.runs.len();
    }

    /// What was attached to leases went with them.
    pub fn judge_all(&self, oracle: &Oracle) -> Result<(), Violation> {
        let ended: Vec<LeaseRun> = self.runs.values().filter(|run| run.end.is_some()).cloned().collect();
        leased_keys_go_at_once(oracle.history(), &ended)
            .map_err(|broken| Violation::new(&broken.property.to_string(), [], broken.sentence))
    }

    fn run(&mut self, lease: LeaseId) -> &mut LeaseRun {
        self.runs.entry(lease).or_insert_with(|| LeaseRun { lease, renewals: Vec::new(), end: None })
    }

    fn judge(&self, node: NodeId, lease: LeaseId) -> Result<(), Violation> {
        let Some(run) = self.runs.get(&lease) else { return Ok(()) };
        leases_never_expire_early(std::slice::from_ref(run), self.tolerance)
            .map_err(|broken| Violation::new(&broken.property.to_string(), [node], broken.sentence))
    }
}

/// Of renewals those that demand most: what neither the last that was sent forbids nor the one that promised the latest end, none of the others does.
fn keep_strictest(renewals: &mut Vec<Renewal>) {
    let last = renewals.iter().max_by_key(|renewal| renewal.sent).copied();
    let longest = renewals.iter().max_by_key(|renewal| renewal.sent + renewal.time_to_live).copied();
    *renewals = last.into_iter().chain(longest).collect();
}
