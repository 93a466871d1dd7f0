//! The whole description of a run as one value: with the subject's code, it determines every record.

use std::collections::BTreeSet;
use std::time::Duration;

use synod_machine::{Needs, NodeId};
use thiserror::Error;

use crate::fault::{Script, What};
use crate::{Delay, DiskShape, Odds};

/// Everything about a run but the subject. [`crate::Swarm`] draws one from a seed; tests write one out.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Salts every stream of random numbers.
    pub seed: u64,
    /// How many nodes: `n1` to `n<nodes>`.
    pub nodes: u64,
    /// How messages travel.
    pub network: NetworkShape,
    /// How disks behave.
    pub disk: DiskShape,
    /// How wrong clocks are.
    pub clock: ClockShape,
    /// How long a worker's jobs take.
    pub work: Delay,
    /// How long commands and replies are under way.
    pub client: Delay,
    /// 64 bits for the subject: which workload, which configuration.
    pub workload: u64,
    /// Commands of clients that never arrive, by their number: the first that is sent is 1. A shorter run with the same violation often needs
    /// only a few.
    pub commands_lost: BTreeSet<u64>,
    /// What goes wrong.
    pub faults: Script,
    /// The first phase: faults happen, and nothing unsafe may.
    pub safety: Duration,
    /// The second phase: no faults any more; within this bound there must be progress. Zero leaves the phase out.
    pub heal: Duration,
    /// How many nodes stay dead in the second phase; kept below half of the cluster.
    pub leave_dead: u64,
    /// What the mechanism claims to survive.
    pub tolerance: Tolerance,
    /// A run with more records violates bounded work.
    pub records_max: u64,
    /// Run although the world breaks what the mechanism needs: the run is labelled with what it broke.
    pub break_assumptions: bool,
    /// Bugs of the driver itself, to prove that the checks find them.
    pub sabotage: Sabotage,
}

impl Plan {
    /// A calm world: `nodes` nodes, a fast network, no faults, ten simulated seconds.
    pub fn calm(seed: u64, nodes: u64) -> Self {
        Plan {
            seed,
            nodes,
            network: NetworkShape::default(),
            disk: DiskShape::default(),
            clock: ClockShape::default(),
            work: Delay::micros(10, 200),
            client: Delay::micros(100, 500),
            workload: seed,
            commands_lost: BTreeSet::new(),
            faults: Script::default(),
            safety: Duration::from_secs(10),
            heal: Duration::ZERO,
            leave_dead: 0,
            tolerance: Tolerance::default(),
            records_max: 20_000_000,
            break_assumptions: false,
            sabotage: Sabotage::default(),
        }
    }

    /// The needs that this world does not meet, a sentence each.
    pub fn broken(&self, needs: Needs) -> Vec<String> {
        let mut broken = Vec::new();
        let mut refuse = |sentence: &str| broken.push(sentence.to_owned());
        let network = &self.network;
        if needs.fifo {
            if !network.fifo {
                refuse("needs fifo: the network reorders");
            }
            if network.duplication != Odds::NEVER {
                refuse("needs fifo: the network duplicates, and a copy arrives out of its turn");
            }
        }
        if needs.reliable {
            if network.loss != Odds::NEVER || network.duplication != Odds::NEVER {
                refuse("needs reliable: the network loses or duplicates");
            }
            if network.queue_bytes_max.is_some() {
                refuse("needs reliable: full queues drop");
            }
            self.refuse_faults(&mut refuse, "needs reliable", |what| {
                matches!(
                    what,
                    What::Partition(_)
                        | What::Flap { .. }
                        | What::Block { .. }
                        | What::Lose { .. }
                        | What::Reset(..)
                        | What::Drop { .. }
                )
            });
        }
        if needs.bounded_delay {
            match network.delay_bound {
                None => refuse("needs bounded_delay: the network states no bound"),
                Some(bound) if network.delay.most() > bound => {
                    refuse("needs bounded_delay: delays exceed the network's stated bound");
                }
                Some(_) => {}
            }
            if network.bytes_per_second.is_some() {
                refuse("needs bounded_delay: a message may wait for bandwidth without bound");
            }
            self.refuse_faults(&mut refuse, "needs bounded_delay", |what| {
                matches!(what, What::Pause(_) | What::Slow { .. })
            });
        }
        self.check_local_needs(needs, &mut refuse);
        broken
    }

    fn check_local_needs(&self, needs: Needs, refuse: &mut impl FnMut(&str)) {
        if needs.bounded_drift {
            let bound = self.clock.drift_ppm_bound;
            if self.clock.drift_ppm_max > bound {
                refuse("needs bounded_drift: clocks drift past the stated bound");
            }
            self.refuse_faults(
                refuse,
                "needs bounded_drift",
                |what| matches!(what, What::Drift { ppm, .. } if ppm.unsigned_abs() > bound),
            );
        }
        if needs.stable_storage {
            let wipes = self.tolerance.wipes_max;
            self.refuse_faults(refuse, "needs stable_storage", |what| {
                matches!(what, What::Wipe(_)) && wipes == 0
            });
        }
        if needs.wall_clock {
            if self.clock.wall_offset_max > self.clock.wall_error {
                refuse("needs wall_clock: wall clocks are further off than their stated error");
            }
            self.refuse_faults(refuse, "needs wall_clock", |what| matches!(what, What::Jump { .. }));
        }
    }

    fn refuse_faults(&self, refuse: &mut impl FnMut(&str), need: &str, breaks: impl Fn(&What) -> bool) {
        if let Some(fault) = self.faults.faults.iter().find(|fault| breaks(&fault.what)) {
            refuse(&format!("{need}: the fault `{fault}` breaks it"));
        }
    }

    /// Checks the plan itself: every node that a fault names exists.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        if self.nodes == 0 || self.nodes > NODES_MAX {
            return Err(PlanError::Nodes(self.nodes));
        }
        for fault in &self.faults.faults {
            let strange = fault.what.nodes().into_iter().find(|node| node.0 == 0 || node.0 > self.nodes);
            if let Some(node) = strange {
                return Err(PlanError::UnknownNode { fault: fault.to_string(), node });
            }
        }
        Ok(())
    }
}

/// Most nodes of a world.
pub const NODES_MAX: u64 = 1_024;

/// A plan that cannot be run.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PlanError {
    /// Too few, too many.
    #[error("a world has 1 to {NODES_MAX} nodes, found {0}")]
    Nodes(u64),
    /// A fault names a node that is not there.
    #[error("the fault `{fault}` names {node}, which is not in this world")]
    UnknownNode {
        /// Its line.
        fault: String,
        /// The node.
        node: NodeId,
    },
    /// The world breaks assumptions of the mechanism, and was not told to.
    #[error("the world breaks what the mechanism needs: {}", .0.join("; "))]
    Needs(Vec<String>),
}

/// The shape of the network, alike for all links; faults make links differ.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkShape {
    /// How long a message is under way.
    pub delay: Delay,
    /// How often one is lost.
    pub loss: Odds,
    /// How often one arrives twice.
    pub duplication: Odds,
    /// Messages of a link arrive in the order in which they left.
    pub fifo: bool,
    /// Bytes that a link holds; what does not fit is dropped. `None`: no bound.
    pub queue_bytes_max: Option<usize>,
    /// Bandwidth of a link. `None`: no bound.
    pub bytes_per_second: Option<u64>,
    /// How long it takes until a node is told that a connection came up or went down. `None`: it never is.
    pub link_notice: Option<Delay>,
    /// The bound on delays that the world states to mechanisms that need one.
    pub delay_bound: Option<Duration>,
}

impl Default for NetworkShape {
    /// A data centre's network that reorders and loses nothing.
    fn default() -> Self {
        NetworkShape {
            delay: Delay::micros(200, 1_000),
            loss: Odds::NEVER,
            duplication: Odds::NEVER,
            fifo: false,
            queue_bytes_max: None,
            bytes_per_second: None,
            link_notice: Some(Delay::micros(500, 20_000)),
            delay_bound: Some(Duration::from_millis(1)),
        }
    }
}

/// How wrong clocks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockShape {
    /// Monotonic clocks run at most so much faster or slower than true time, in parts per million; each node's rate is drawn.
    pub drift_ppm_max: u32,
    /// The bound on drift that the world states to mechanisms that need one.
    pub drift_ppm_bound: u32,
    /// Wall clocks are at most so far off; each node's offset is drawn.
    pub wall_offset_max: Duration,
    /// The error bound that comes with every wall reading.
    pub wall_error: Duration,
}

impl Default for ClockShape {
    /// Clocks as good as a machine with NTP has them.
    fn default() -> Self {
        ClockShape {
            drift_ppm_max: 100,
            drift_ppm_bound: 500,
            wall_offset_max: Duration::from_millis(5),
            wall_error: Duration::from_millis(10),
        }
    }
}

/// What a mechanism claims to survive beyond crashes: the world keeps within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tolerance {
    /// Wiped disks that come back empty under the same name. 0: a wiped node never returns.
    pub wipes_max: u64,
    /// Nodes that are lost for good, by rot or by wiped disks; less than half of the cluster in any case.
    pub lost_max: u64,
}

/// Planted bugs of the driver. Only tests set them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sabotage {
    /// Sends and replies leave although what they wait for is not durable.
    pub leak_held_effects: bool,
    /// The log believes torn records.
    pub accept_torn_tail: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken(change: impl FnOnce(&mut Plan), needs: Needs) -> bool {
        let mut plan = Plan::calm(1, 3);
        plan.network.fifo = true;
        assert_eq!(plan.broken(needs), Vec::<String>::new(), "the calm world meets every need");
        change(&mut plan);
        !plan.broken(needs).is_empty()
    }

    fn fault(plan: &mut Plan, line: &str) {
        plan.faults = line.parse().expect("a fault");
    }

    #[test]
    fn each_need_is_checked() {
        let fifo = Needs { fifo: true, ..Needs::default() };
        assert!(broken(|plan| plan.network.fifo = false, fifo));
        assert!(broken(|plan| plan.network.duplication = Odds::percent(1), fifo));
        let reliable = Needs { reliable: true, ..Needs::default() };
        assert!(broken(|plan| plan.network.loss = Odds::percent(1), reliable));
        assert!(broken(|plan| plan.network.queue_bytes_max = Some(1), reliable));
        assert!(broken(|plan| fault(plan, "at 1s partition n1 | n2"), reliable));
        let bounded = Needs { bounded_delay: true, ..Needs::default() };
        assert!(broken(|plan| plan.network.delay = Delay::micros(1, 2_000), bounded));
        assert!(broken(|plan| plan.network.delay_bound = None, bounded));
        assert!(broken(|plan| fault(plan, "at 1s pause n1 for 1s"), bounded));
        let drift = Needs { bounded_drift: true, ..Needs::default() };
        assert!(broken(|plan| plan.clock.drift_ppm_max = 501, drift));
        assert!(broken(|plan| fault(plan, "at 1s drift n1 -501ppm"), drift));
        let stable = Needs { stable_storage: true, ..Needs::default() };
        assert!(broken(|plan| fault(plan, "at 1s wipe n1"), stable));
        let wall = Needs { wall_clock: true, ..Needs::default() };
        assert!(broken(|plan| plan.clock.wall_offset_max = Duration::from_secs(1), wall));
        assert!(broken(|plan| fault(plan, "at 1s jump n1 +1s"), wall));
    }
}
