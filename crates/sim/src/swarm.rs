//! One seed draws a whole plan: which faults are on at all, how often they strike, how large the cluster is, how its network and disks behave.
//!
//! Each run switches on a random subset of the fault kinds (swarm testing: Groce, Zhang, Eide, Chen and Regehr, "Swarm Testing", ISSTA
//! 2012). A mix of everything hides what a few kinds do when they strike often: a cluster that is always partitioned never
//! gets far enough for a torn record to matter. Only what the mechanism claims to survive is drawn.

use std::collections::BTreeSet;
use std::time::Duration;

use synod_machine::{Needs, NodeId};

use crate::fault::{Fault, Script, What};
use crate::plan::{ClockShape, NetworkShape, Plan, Tolerance};
use crate::{Delay, DiskShape, Odds, Sabotage, Stream};

/// The space from which plans are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Swarm {
    /// What the mechanism needs: faults that would break a need are left out.
    pub needs: Needs,
    /// Cluster sizes, each as likely.
    pub nodes: Vec<u64>,
    /// Length of the first phase.
    pub safety: (Duration, Duration),
    /// The bound within which a healed world must progress.
    pub heal: Duration,
    /// What the mechanism claims to survive beyond crashes.
    pub tolerance: Tolerance,
    /// Fault kinds by name ([`What::name`]) that are never drawn. Without `crash`, no node stays dead after the heal either.
    pub without: Vec<&'static str>,
    /// The bound on drift that is stated, in parts per million; half of it is the most that is drawn.
    pub drift_ppm_bound: u32,
    /// Faults that one run plans at most.
    pub faults_max: usize,
    /// Bugs of the driver, for tests.
    pub sabotage: Sabotage,
}

impl Default for Swarm {
    fn default() -> Self {
        Swarm {
            needs: Needs::default(),
            nodes: vec![3, 5],
            safety: (Duration::from_secs(2), Duration::from_secs(20)),
            heal: Duration::from_secs(30),
            tolerance: Tolerance { wipes_max: 0, lost_max: 1 },
            without: Vec::new(),
            drift_ppm_bound: 500,
            faults_max: 200,
            sabotage: Sabotage::default(),
        }
    }
}

const KINDS_DRAWN: &[&str] = &[
    "crash",
    "kill",
    "crash-at-sync",
    "upgrade",
    "wipe",
    "pause",
    "partition",
    "flap",
    "block",
    "slow",
    "lose",
    "reset",
    "fail-sync",
    "fill",
    "stall",
    "rot",
    "jump",
    "drift",
];

/// Every kind that can be drawn. `heal` and `restart` are not: drawn faults carry their own ends.
const KINDS: [&str; 19] = [
    "crash",
    "kill",
    "crash-at-sync",
    "upgrade",
    "wipe",
    "pause",
    "partition",
    "isolate",
    "flap",
    "block",
    "slow",
    "lose",
    "reset",
    "fail-sync",
    "fill",
    "stall",
    "rot",
    "jump",
    "drift",
];

impl Swarm {
    /// The kinds of faults that are drawn, by name ([`What::name`]).
    pub fn kinds() -> &'static [&'static str] {
        // An isolated node is a partition.
        KINDS_DRAWN
    }

    /// The plan of that seed. The same in every run of the same build.
    pub fn plan(&self, seed: u64) -> Plan {
        let mut draw = Stream::named(seed, "swarm.world");
        let nodes = *draw.pick(&self.nodes);
        let safety = draw.duration(self.safety.0, self.safety.1);
        let dead = draw.below((nodes - 1) / 2 + 1);
        // What does not survive crashes is not left with dead nodes either.
        let leave_dead = if self.without.contains(&"crash") { 0 } else { dead };
        let workload = draw.bits();
        let clock = self.clock(seed);
        Plan {
            seed,
            nodes,
            network: self.network(seed),
            disk: disk(seed),
            faults: self.faults(seed, nodes, safety, &clock),
            clock,
            work: pick(
                seed,
                "swarm.work",
                &[Delay::micros(5, 50), Delay::micros(50, 2_000), Delay::micros(10, 50_000)],
            ),
            client: pick(seed, "swarm.client", &[Delay::micros(50, 500), Delay::micros(500, 20_000)]),
            workload,
            commands_lost: BTreeSet::new(),
            safety,
            heal: self.heal,
            leave_dead,
            tolerance: self.tolerance,
            records_max: 5_000_000,
            break_assumptions: false,
            sabotage: self.sabotage,
        }
    }

    fn network(&self, seed: u64) -> NetworkShape {
        let mut draw = Stream::named(seed, "swarm.network");
        let ms = Duration::from_millis;
        let delays = [
            Delay::micros(100, 600),
            Delay::micros(500, 10_000),
            Delay::Exponential { least: Duration::from_micros(200), mean: ms(2), most: ms(200) },
            Delay::Pareto { least: Duration::from_micros(300), shape: 1.3, most: ms(2_000) },
            Delay::LogNormal { median: ms(5), sigma: 0.8, most: ms(500) },
        ];
        let delay = draw.pick(&delays[..if self.needs.bounded_delay { 2 } else { 5 }]).clone();
        let unreliable = !self.needs.reliable;
        let odds = |draw: &mut Stream, on: bool, per_million_max: u32| {
            let (drawn, parts) = (draw.below(3) == 0, draw.below(u64::from(per_million_max)) as u32);
            if on && drawn { Odds::per_million(parts) } else { Odds::NEVER }
        };
        let loss = odds(&mut draw, unreliable, 100_000);
        let duplication = odds(&mut draw, unreliable && !self.needs.fifo, 100_000);
        let fifo = draw.below(2) == 0 || self.needs.fifo;
        let queue = draw.between(20_000, 1_000_000) as usize;
        let queue_bytes_max = (draw.below(4) == 0 && unreliable).then_some(queue);
        let rate = draw.between(1_000_000, 100_000_000);
        let bytes_per_second = (draw.below(4) == 0 && !self.needs.bounded_delay).then_some(rate);
        let link_notice = (draw.below(4) > 0).then_some(Delay::micros(200, 100_000));
        let delay_bound = Some(delay.most());
        NetworkShape {
            delay,
            loss,
            duplication,
            fifo,
            queue_bytes_max,
            bytes_per_second,
            link_notice,
            delay_bound,
        }
    }

    fn clock(&self, seed: u64) -> ClockShape {
        let mut draw = Stream::named(seed, "swarm.clock");
        let drift_ppm_bound = self.drift_ppm_bound;
        let drift_ppm_max = draw.below(u64::from(drift_ppm_bound) / 2 + 1) as u32;
        let wall_error = Duration::from_millis(10);
        let offsets = [Duration::ZERO, Duration::from_millis(10), Duration::from_secs(100)];
        let wall_offset_max = *draw.pick(&offsets[..if self.needs.wall_clock { 2 } else { 3 }]);
        ClockShape { drift_ppm_max, drift_ppm_bound, wall_offset_max, wall_error }
    }

    fn faults(&self, seed: u64, nodes: u64, safety: Duration, clock: &ClockShape) -> Script {
        let mut script = Script::default();
        let mut switches = Stream::named(seed, "swarm.kinds");
        // Few kinds or many.
        let share = Odds::percent(*switches.pick(&[10, 25, 50, 80]));
        for kind in KINDS {
            let on = switches.happens(share);
            // Several a second, or one in several seconds.
            let mean = switches.duration(Duration::from_millis(150), Duration::from_secs(8));
            if !on || !self.allowed(kind) {
                continue;
            }
            let mut draw = Stream::named(seed, kind);
            let between = Delay::Exponential { least: Duration::ZERO, mean, most: safety * 2 };
            let mut at = between.draw(draw.bits());
            while at < safety && script.faults.len() < self.faults_max {
                let lasts = Delay::Exponential {
                    least: Duration::from_millis(1),
                    mean: Duration::from_millis(700),
                    most: Duration::from_secs(8),
                };
                let lasts = lasts.draw(draw.bits());
                let what = draw_fault(kind, nodes, clock, &mut draw);
                script.faults.push(Fault { at, what, lasts: Some(lasts) });
                at += between.draw(draw.bits()).max(Duration::from_millis(1));
            }
        }
        script.faults.sort_by_key(|fault| fault.at);
        script
    }

    fn allowed(&self, kind: &str) -> bool {
        let Tolerance { wipes_max, lost_max } = self.tolerance;
        let needs = &self.needs;
        let name = if kind == "isolate" { "partition" } else { kind };
        !self.without.contains(&name)
            && match kind {
                "partition" | "isolate" | "flap" | "block" | "lose" | "reset" => !needs.reliable,
                "pause" | "slow" => !needs.bounded_delay,
                "jump" => !needs.wall_clock,
                "wipe" => (wipes_max > 0 || lost_max > 0) && !(needs.stable_storage && wipes_max == 0),
                "rot" => lost_max > 0,
                _ => true,
            }
    }
}

fn disk(seed: u64) -> DiskShape {
    let ms = Duration::from_millis;
    let sync = pick(
        seed,
        "swarm.sync",
        &[
            Delay::micros(50, 300),
            Delay::micros(2_000, 15_000),
            Delay::Pareto { least: Duration::from_micros(100), shape: 1.2, most: ms(1_000) },
        ],
    );
    let segment_bytes = pick(seed, "swarm.segment", &[2 * 1024, 16 * 1024, 256 * 1024]);
    DiskShape { sync, segment_bytes }
}

fn pick<T: Clone>(seed: u64, label: &str, items: &[T]) -> T {
    Stream::named(seed, label).pick(items).clone()
}

fn draw_fault(kind: &str, nodes: u64, clock: &ClockShape, draw: &mut Stream) -> What {
    let node = NodeId(draw.between(1, nodes));
    let other = NodeId(if nodes == 1 { 1 } else { (node.0 + draw.between(0, nodes - 2)) % nodes + 1 });
    match kind {
        "crash" => What::Crash(node),
        "kill" => What::Kill(node),
        "crash-at-sync" => What::CrashAtSync(node),
        "upgrade" => What::Upgrade(node),
        "wipe" => What::Wipe(node),
        "pause" => What::Pause(node),
        "partition" => What::Partition(groups(nodes, draw)),
        "isolate" => What::Partition(vec![vec![node], others(nodes, node)]),
        "flap" => What::Flap {
            period: draw.duration(Duration::from_millis(20), Duration::from_secs(1)),
            groups: groups(nodes, draw),
        },
        // One link, or all that a node says.
        "block" if draw.below(2) == 0 => What::Block { from: vec![node], to: vec![other] },
        "block" if draw.below(2) == 0 => What::Block { from: others(nodes, node), to: vec![node] },
        "block" => What::Block { from: vec![node], to: others(nodes, node) },
        "slow" => What::Slow { from: node, to: other, factor: draw.between(2, 100) as u32 },
        "lose" => What::Lose { from: node, to: other, odds: Odds::percent(draw.between(5, 100) as u32) },
        "reset" => What::Reset(node, other),
        "fail-sync" => What::FailSync(node),
        "fill" => What::Fill(node),
        "stall" => What::Stall(node),
        "rot" => What::Rot(node),
        "jump" => {
            What::Jump { node, back: draw.below(2) == 0, by: Duration::from_millis(draw.between(1, 100_000)) }
        }
        "drift" => {
            let most = u64::from(clock.drift_ppm_bound);
            What::Drift { node, ppm: draw.between(0, 2 * most) as i32 - most as i32 }
        }
        _ => unreachable!("every kind can be drawn, found {kind}"),
    }
}

fn others(nodes: u64, node: NodeId) -> Vec<NodeId> {
    (1..=nodes).map(NodeId).filter(|other| *other != node).collect()
}

/// Two sides, now and then with a bridge between them.
fn groups(nodes: u64, draw: &mut Stream) -> Vec<Vec<NodeId>> {
    let mut order: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
    draw.shuffle(&mut order);
    if nodes > 2 && draw.below(4) == 0 {
        order.pop();
    }
    let mut first = order.split_off(draw.between(1, (order.len() as u64 - 1).max(1)) as usize);
    first.sort_unstable();
    order.sort_unstable();
    [first, order].into_iter().filter(|group| !group.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn seeds_draw_variety_and_repeat() {
        let swarm = Swarm { nodes: vec![1, 2, 3, 5], ..Swarm::default() };
        let plans: Vec<Plan> = (0..300).map(|seed| swarm.plan(seed)).collect();
        assert_eq!(plans[7], swarm.plan(7));
        let sizes: BTreeSet<u64> = plans.iter().map(|plan| plan.nodes).collect();
        assert_eq!(sizes.len(), 4);
        let kinds: BTreeSet<&str> =
            plans.iter().flat_map(|plan| &plan.faults.faults).map(|fault| fault.what.name()).collect();
        // All but `heal`, `restart` and `drop`; an isolated node is a partition.
        assert_eq!(kinds, Swarm::kinds().iter().copied().collect());
        let calm = plans.iter().filter(|plan| plan.faults.faults.is_empty()).count();
        let wild = plans.iter().filter(|plan| plan.faults.faults.len() > 30).count();
        assert!((1..60).contains(&calm) && wild > 20, "calm {calm}, wild {wild}");
        assert!(plans.iter().any(|plan| plan.network.fifo) && plans.iter().any(|plan| !plan.network.fifo));
    }

    #[test]
    fn what_is_drawn_keeps_every_need() {
        for bits in 0..64_u32 {
            let on = |bit: u32| bits >> bit & 1 == 1;
            let needs = Needs {
                fifo: on(0),
                reliable: on(1),
                bounded_delay: on(2),
                bounded_drift: on(3),
                stable_storage: on(4),
                wall_clock: on(5),
            };
            let swarm = Swarm { needs, ..Swarm::default() };
            for seed in 0..40 {
                let plan = swarm.plan(seed);
                assert_eq!(plan.broken(needs), Vec::<String>::new(), "{needs:?} seed {seed}");
                plan.check().expect("drawn plans can be run");
            }
        }
    }

    #[test]
    fn a_drawn_script_reads_back() {
        for seed in 0..50 {
            let script = Swarm::default().plan(seed).faults;
            assert_eq!(script.to_string().parse::<Script>().expect("printed"), script);
        }
    }
}
