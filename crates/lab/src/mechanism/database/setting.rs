//! How one run's database is set up and used: limits, times and mix of operations, all drawn from the run's workload bits.
//!
//! Limits are small on purpose. A store that is asked to persist after twenty entries, a log that keeps ten, a snapshot in pieces of a kilobyte: what
//! happens once a day in production happens here several times a second.

use std::time::Duration;

use synod_database::{Flaws, ShardConfig, raft};
use synod_sim::{Plan, Stream};

/// Everything that is drawn about the database and its clients.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Limits and times of each node's group.
    pub shard: ShardConfig,
    /// Entries applied before a replica persists.
    pub persist_entries: u64,
    /// Compacted changes cleared away at once.
    pub compact_step_changes: usize,
    /// Bytes in a piece of a snapshot.
    pub chunk_bytes: usize,
    /// Known bugs of the database; consensus has its own among its options.
    pub flaws: Flaws,
    /// How clients behave.
    pub load: Load,
    /// Stale reads are found when they arrive. Without it the windows must find them, which a test wants to see.
    pub judges_at_once: bool,
}

/// How clients behave.
#[derive(Clone, Debug)]
pub struct Load {
    /// Clients of keys.
    pub clients: usize,
    /// Connections with watches.
    pub streams: usize,
    /// Watches on each of them, at most.
    pub watches_max: u64,
    /// Keys that clients use.
    pub keys: u64,
    /// Longest value, in bytes.
    pub value_bytes_max: u64,
    /// Mean pause between a client's operations.
    pub think: Duration,
    /// How long a client waits for an answer.
    pub patience: Duration,
    /// Operations that a client may have in flight together.
    pub batch_max: u64,
    /// Operations of a whole run, at most: as many short runs show more than a few long ones.
    pub operations_max: u64,
    /// How often each kind of operation is asked, as shares.
    pub mix: Mix,
}

/// Shares of the kinds of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Puts.
    pub put: u64,
    /// Deletions of a key or a range.
    pub delete: u64,
    /// Transactions.
    pub txn: u64,
    /// Linearizable reads.
    pub read: u64,
    /// Reads of what a node has, and reads of old revisions.
    pub local_read: u64,
    /// Grants, renewals, questions and revocations.
    pub lease: u64,
    /// Compactions.
    pub compact: u64,
    /// Transfers of leadership, publications, orders to persist.
    pub upkeep: u64,
}

impl Mix {
    /// The shares in their order, for a draw.
    pub fn shares(&self) -> [u64; 8] {
        [self.put, self.delete, self.txn, self.read, self.local_read, self.lease, self.compact, self.upkeep]
    }
}

/// Runs from this length on are long: their clients go on to the end.
const LONG: Duration = Duration::from_secs(60);
/// What clients ask together in a second of a long run, on average. Nobody waits so long for an answer that the rest of the run forgets the question.
const LONG_RUN_RATE: u64 = 200;

impl Load {
    /// Makes clients ask steadily for so long, and compact now and then: a store that is never compacted grows, whatever watches it.
    fn go_on_for(&mut self, time: Duration) {
        let together = self.clients as u64 * (1 + self.batch_max) / 2;
        self.think = self.think.max(Duration::from_millis(together * 1_000 / LONG_RUN_RATE));
        self.operations_max = self.operations_max.max(time.as_secs() * LONG_RUN_RATE);
        self.mix.compact = self.mix.compact.max(1);
    }
}

impl Setting {
    /// What the plan's workload bits say.
    pub fn draw(plan: &Plan) -> Setting {
        let mut draw = Stream::named(plan.workload, "setting");
        let mut shard = draw_shard(plan, &mut draw);
        let persist_entries = *draw.pick(&[5, 20, 60, 200]);
        let compact_step_changes = *draw.pick(&[3, 20, 1_000]);
        let load = draw_load(&mut draw);
        // One piece is under way at a time, and a slow worker takes a tenth of a second for it: dozens, not thousands.
        let piece = (load.value_bytes_max as usize * draw.between(20, 200) as usize).max(2_000);
        let chunk_bytes = room_for(plan, piece);
        // Over slow links a transfer takes longer than a short log lasts: none would ever end.
        shard.raft.catch_up_bytes_max = 1 << 26;
        let mut setting = Setting {
            shard,
            persist_entries,
            compact_step_changes,
            chunk_bytes,
            flaws: Flaws::default(),
            load,
            judges_at_once: true,
        };
        if plan.safety >= LONG {
            setting.load.go_on_for(plan.safety);
        }
        setting
    }
}

/// A message of so many bytes, made to fit the plan's queues: as in the real transport, whose queues hold any frame.
fn room_for(plan: &Plan, bytes: usize) -> usize {
    plan.network.queue_bytes_max.map_or(bytes, |queue| bytes.min(queue / 2))
}

fn draw_raft(plan: &Plan, draw: &mut Stream) -> raft::Config {
    let ms = Duration::from_millis;
    let election_least = ms(draw.between(150, 1_000));
    let check_quorum = draw.below(4) > 0;
    let leases = check_quorum && draw.below(3) == 0;
    let pre_vote = draw.below(4) > 0;
    raft::Config {
        election_least,
        election_most: election_least * 2,
        heartbeat: election_least / draw.between(4, 10) as u32,
        suspicion: (draw.below(3) > 0).then(|| election_least / 5),
        pre_vote,
        check_quorum,
        lease_drift_ppm: leases.then_some(plan.clock.drift_ppm_bound),
        quiesce: pre_vote && draw.below(3) == 0,
        retry: ms(draw.between(20, 400)),
        read_retry: ms(draw.between(50, 500)),
        read_tries_max: draw.between(1, 10) as u32,
        append_bytes_max: room_for(plan, *draw.pick(&[500, 10_000, 1 << 20])),
        inflight_messages_max: draw.between(1, 16) as usize,
        inflight_bytes_max: *draw.pick(&[2_000, 1 << 20]),
        uncommitted_bytes_max: *draw.pick(&[3_000, 100_000, 1 << 26]),
        retained_entries_max: *draw.pick(&[0, 10, 50, 1_000]),
        retained_bytes_max: *draw.pick(&[1_000, 1 << 20]),
        catch_up_bytes_max: *draw.pick(&[0, 5_000, 1 << 20]),
        heartbeat_at_rest: election_least.as_millis().is_multiple_of(2).then_some(election_least / 4),
        ..raft::Config::default()
    }
}

fn draw_shard(plan: &Plan, draw: &mut Stream) -> ShardConfig {
    let ms = Duration::from_millis;
    let mut shard = ShardConfig::new(draw_raft(plan, draw));
    shard.request_time = ms(draw.between(500, 7_000));
    shard.resend_after = ms(draw.between(30, 600));
    shard.proposals_max = *draw.pick(&[6, 100, 5_000]);
    shard.reads_max = *draw.pick(&[6, 100, 5_000]);
    shard.forward_bytes_max = room_for(plan, *draw.pick(&[300, 1 << 20]));
    shard.lease_ends_max = *draw.pick(&[1, 500]);
    shard
}

fn draw_load(draw: &mut Stream) -> Load {
    let share = |draw: &mut Stream, most: u64| if draw.below(5) == 0 { 0 } else { draw.between(1, most) };
    let mix = Mix {
        put: draw.between(5, 40),
        delete: share(draw, 10),
        txn: share(draw, 20),
        read: share(draw, 30),
        local_read: share(draw, 10),
        lease: share(draw, 25),
        compact: share(draw, 4),
        upkeep: share(draw, 3),
    };
    Load {
        clients: draw.between(2, 8) as usize,
        streams: draw.below(5) as usize,
        watches_max: draw.between(1, 8),
        keys: draw.between(2, 25),
        value_bytes_max: *draw.pick(&[16, 100, 1_000]),
        think: Duration::from_millis(draw.between(1, 60)),
        patience: Duration::from_millis(*draw.pick(&[300, 1_000, 2_500, 9_000])),
        batch_max: *draw.pick(&[1, 1, 4, 12]),
        operations_max: 4_000,
        mix,
    }
}
