//! The known bugs, one entry each, and what their hunts are bent towards.

use std::time::Duration;

use synod_machine::NodeId;
use synod_sim::{Delay, Fault, NetworkShape, Plan, Script, Stream, Swarm, What};

use super::Planted;
use crate::mechanism::database::{Mix, Setting};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Every known bug.
pub const BUGS: &[Planted] = &[
    Planted {
        name: "reply-before-fsync",
        sentence: "Appends and votes are answered, and the leader counts itself, before the disk has them.",
        breaks: &["durability"],
        space: replicated,
        plan: |plan| strike(plan, ms(700), ms(300), What::Crash),
        setting: |setting| setting.shard.raft.flaws.reply_before_durable = true,
    },
    Planted {
        name: "leak-held-effects",
        sentence: "The driver lets go of what waits for the disk before the disk has it.",
        breaks: &["durability"],
        space: replicated,
        plan: |plan| {
            plan.sabotage.leak_held_effects = true;
            strike(plan, ms(700), ms(300), What::Crash);
        },
        setting: |_| {},
    },
    Planted {
        name: "forget-vote",
        sentence: "A restarted node does not remember for whom it voted.",
        breaks: &["durability of votes", "election safety"],
        space: replicated,
        plan: |plan| strike(plan, ms(700), ms(300), What::Crash),
        setting: |setting| setting.shard.raft.flaws.forget_vote = true,
    },
    Planted {
        name: "commit-older-term",
        sentence: "A leader commits entries of older terms by counting copies: the Raft paper's figure 8.",
        breaks: &["leader completeness", "state machine safety"],
        space: replicated,
        plan: |plan| {
            quiet(plan);
            // Elections come between an entry and the next.
            plan.network.delay = Delay::micros(10_000, 60_000);
            strike(plan, ms(200), ms(300), isolated(plan.nodes));
        },
        setting: |setting| {
            setting.shard.raft.flaws.commit_older_term = true;
            setting.shard.raft.inflight_messages_max = 1;
            contested(setting);
            // As little as goes through one entry at a time.
            (setting.load.clients, setting.load.batch_max, setting.load.think) = (2, 1, ms(100));
        },
    },
    Planted {
        name: "vote-for-stale-log",
        sentence: "Votes are given to candidates whose log is behind.",
        breaks: &["leader completeness", "state machine safety"],
        space: replicated,
        plan: |plan| strike(plan, ms(600), ms(500), isolated(plan.nodes)),
        setting: |setting| {
            setting.shard.raft.flaws.vote_for_stale_log = true;
            contested(setting);
        },
    },
    Planted {
        name: "append-without-check",
        sentence: "A follower takes entries without looking at what precedes them.",
        breaks: &["log matching", "state machine safety", "leader completeness", "durability"],
        space: replicated,
        plan: |plan| strike(plan, ms(600), ms(500), isolated(plan.nodes)),
        setting: |setting| {
            setting.shard.raft.flaws.append_without_check = true;
            contested(setting);
        },
    },
    Planted {
        name: "read-of-deposed-leader",
        sentence: "A leader serves reads without asking whether it still leads.",
        breaks: &["linearizability"],
        space: replicated,
        plan: |plan| strike(plan, ms(1_500), ms(2_000), isolated(plan.nodes)),
        setting: |setting| {
            setting.shard.raft.flaws.read_without_quorum = true;
            setting.shard.raft.check_quorum = false;
            setting.shard.raft.lease_drift_ppm = None;
            busy_readers(setting);
        },
    },
    Planted {
        name: "read-joins-round",
        sentence: "A read shares the answer to a round that was begun before it came.",
        breaks: &["linearizability"],
        space: replicated,
        plan: |plan| {
            quiet(plan);
            // Answers take long enough for writes to be acknowledged meanwhile.
            plan.network.delay = Delay::micros(500, 30_000);
        },
        setting: |setting| {
            setting.flaws.read_joins_round = true;
            setting.shard.raft.lease_drift_ppm = None;
            busy_readers(setting);
        },
    },
    Planted {
        name: "lease-ignores-drift",
        sentence: "A leader's lease lasts the whole election time, although clocks drift (here by up to a third).",
        breaks: &["linearizability"],
        space: |space| {
            replicated(space);
            space.drift_ppm_bound = 300_000;
        },
        plan: |plan| {
            quiet(plan);
            plan.clock.drift_ppm_max = 300_000;
            strike(plan, ms(1_500), ms(1_500), isolated(plan.nodes));
        },
        setting: |setting| {
            setting.shard.raft.flaws.lease_ignores_drift = true;
            leased_reads(setting, 300_000);
        },
    },
    Planted {
        name: "drift-past-the-bound",
        sentence: "Clocks drift by up to a third, where leases are set up for a thousandth.",
        breaks: &["linearizability", "leases never expire early"],
        space: replicated,
        plan: |plan| {
            quiet(plan);
            plan.clock.drift_ppm_max = 300_000;
            strike(plan, ms(1_500), ms(1_500), isolated(plan.nodes));
        },
        setting: |setting| leased_reads(setting, 1_000),
    },
    Planted {
        name: "lease-survives-transfer",
        sentence: "A leader that hands over goes on reading by its lease.",
        breaks: &["linearizability"],
        space: replicated,
        plan: |plan| {
            quiet(plan);
            plan.network.delay = Delay::micros(500, 30_000);
            strike(plan, ms(500), ms(500), isolated(plan.nodes));
        },
        setting: |setting| {
            setting.shard.raft.flaws.lease_survives_transfer = true;
            leased_reads(setting, 500);
            setting.load.mix.upkeep = 25;
        },
    },
    Planted {
        name: "apply-again-after-restart",
        sentence: "The applied index is stored apart from the data: a restart applies the last entries again.",
        breaks: &["replicas are equal at equal applied index", "durability of entries", "no panic"],
        space: replicated,
        plan: |plan| strike(plan, ms(800), ms(300), What::Kill),
        setting: |setting| {
            setting.flaws.apply_again_after_restart = true;
            setting.persist_entries = 20;
        },
    },
    Planted {
        name: "accept-torn-tail",
        sentence: "The log believes records that were written in part when power was lost.",
        breaks: &["log integrity", "durability of entries", "durability of votes", "log matching"],
        space: replicated,
        plan: |plan| {
            plan.sabotage.accept_torn_tail = true;
            strike(plan, ms(500), ms(300), What::CrashAtSync);
        },
        setting: |setting| setting.load.value_bytes_max = 1_000,
    },
    Planted {
        name: "watch-skips-snapshot",
        sentence: "After a snapshot was installed, watches go on with what is live and leave out what lies between.",
        breaks: &[WATCHES],
        space: replicated,
        plan: |plan| strike(plan, ms(1_500), ms(1_500), isolated(plan.nodes)),
        setting: |setting| {
            setting.flaws.watch_skips_snapshot = true;
            installing(setting);
            setting.load.streams = 4;
        },
    },
    Planted {
        name: "lessor-outlives-leadership",
        sentence: "A leader that was deposed goes on ending leases, by way of its successor.",
        breaks: &["leases never expire early"],
        space: replicated,
        plan: |plan| strike(plan, ms(1_500), ms(1_500), isolated(plan.nodes)),
        setting: |setting| {
            setting.flaws.lessor_outlives_leadership = true;
            setting.load.mix.lease = 60;
        },
    },
    Planted {
        name: "snapshot-without-sessions",
        sentence: "Snapshots leave out which requests were applied: a late copy of a change is applied again.",
        breaks: &["replicas are equal at equal applied index", "acknowledged writes are never lost"],
        space: replicated,
        plan: |plan| strike(plan, ms(1_200), ms(1_000), isolated(plan.nodes)),
        setting: |setting| {
            setting.flaws.snapshot_without_sessions = true;
            installing(setting);
            setting.shard.resend_after = ms(30);
        },
    },
];

const WATCHES: &str = "watchers see every event once, in order, without a gap";

/// Three nodes: enough to disagree, and each matters.
fn replicated(space: &mut Swarm) {
    space.nodes = vec![3];
}

/// One fault of a kind, again and again, at drawn nodes.
fn strike(plan: &mut Plan, between: Duration, lasts: Duration, what: impl Fn(NodeId) -> What) {
    let mut draw = Stream::named(plan.seed, "focus");
    let mut at = draw.duration(Duration::ZERO, between * 2);
    while at < plan.safety {
        let lasts = Some(draw.duration(lasts / 4, lasts * 2));
        plan.faults.faults.push(Fault { at, what: what(NodeId(draw.between(1, plan.nodes))), lasts });
        at += draw.duration(between / 4, between * 2);
    }
    plan.faults.faults.sort_by_key(|fault| fault.at);
}

/// One node on its own, the others together.
fn isolated(nodes: u64) -> impl Fn(NodeId) -> What {
    move |node| {
        let others = (1..=nodes).map(NodeId).filter(|other| *other != node).collect();
        What::Partition(vec![vec![node], others])
    }
}

/// No faults but those that are wanted, and a world that is fast otherwise, for long.
fn quiet(plan: &mut Plan) {
    plan.faults = Script::default();
    plan.network = NetworkShape::default();
    plan.disk.sync = Delay::micros(50, 300);
    (plan.work, plan.client) = (Delay::micros(5, 50), Delay::micros(50, 500));
    plan.safety = Duration::from_secs(15);
}

/// Elections are quick and frequent, and logs differ: entries go out one at a time.
fn contested(setting: &mut Setting) {
    let raft = &mut setting.shard.raft;
    (raft.pre_vote, raft.quiesce, raft.lease_drift_ppm) = (false, false, None);
    (raft.election_least, raft.election_most) = (ms(150), ms(300));
    (raft.heartbeat, raft.heartbeat_at_rest) = (ms(40), None);
    raft.suspicion = None;
    raft.append_bytes_max = 1;
    setting.load.think = ms(10);
}

/// Clients that write and read all the time, and are everywhere.
fn busy_readers(setting: &mut Setting) {
    let load = &mut setting.load;
    (load.clients, load.keys, load.batch_max) = (8, 4, 1);
    // So little that none waits for long at a node that is cut off.
    (load.think, load.patience) = (ms(10), ms(100));
    load.mix = Mix { put: 30, read: 50, delete: 0, local_read: 0, lease: 0, ..load.mix };
}

/// Reads by a lease that is sound up to that drift.
fn leased_reads(setting: &mut Setting, drift_ppm: u32) {
    let raft = &mut setting.shard.raft;
    (raft.check_quorum, raft.quiesce) = (true, false);
    raft.lease_drift_ppm = Some(drift_ppm);
    (raft.election_least, raft.election_most) = (ms(600), ms(700));
    (raft.heartbeat, raft.heartbeat_at_rest) = (ms(50), None);
    raft.suspicion = None;
    busy_readers(setting);
}

/// Logs so short that who was away for a moment gets a snapshot.
fn installing(setting: &mut Setting) {
    let raft = &mut setting.shard.raft;
    (raft.retained_entries_max, raft.retained_bytes_max, raft.catch_up_bytes_max) = (0, 1_000, 0);
    setting.persist_entries = 5;
    setting.load.think = ms(10);
}
