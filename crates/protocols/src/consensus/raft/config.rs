//! A group's options and limits. Every member of a group must have the same election times, lease bound and
//! `check_quorum`: one member's promise is what another's lease rests on.

use core::fmt;
use core::time::Duration;

/// Options and limits of one Raft node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// A follower that heard nothing for this long may stand for election, and before that refuses others its vote.
    pub election_least: Duration,
    /// It does stand by then; the moment is drawn evenly between the two.
    pub election_most: Duration,
    /// A leader speaks at least this often.
    pub heartbeat: Duration,
    /// It speaks only this often when all members have all entries and nothing happened since it spoke last. What it says then only keeps
    /// others from standing for election, so a few times within `election_least` is enough.
    /// `None`: as often as ever.
    pub heartbeat_at_rest: Option<Duration>,
    /// How long at most a follower still waits, drawn evenly, after its connection to the leader broke; `None`: as long as after any silence.
    /// Without effect under leases: there the wait is a promise.
    pub suspicion: Option<Duration>,
    /// Ask before standing for election, so that a node that could not win disturbs nobody (thesis, section 9.6).
    pub pre_vote: bool,
    /// A leader that heard no majority for `election_least` steps down, and who heard a leader within that time gives no
    /// other node its vote (thesis, sections 6.2 and 4.2.3).
    pub check_quorum: bool,
    /// Serve reads without a round of messages while a majority is bound by its promise (thesis, section 6.4.1). The value bounds
    /// how far the rate of any member's monotonic clock is off true time, in parts per million. Beyond it reads may be stale.
    pub lease_drift_ppm: Option<u32>,
    /// Stop heartbeats when all members have all entries and nothing happens. A leader's death is then only noticed when a link breaks or
    /// someone asks for something.
    pub quiesce: bool,
    /// What was sent and not answered for this long is sent again.
    pub retry: Duration,
    /// A forwarded read that was not answered for this long is asked again.
    pub read_retry: Duration,
    /// How often it is asked before it is refused.
    pub read_tries_max: u32,
    /// Reads waiting at one node.
    pub reads_max: usize,
    /// Entries' bytes in one append; one larger entry still travels, alone.
    pub append_bytes_max: usize,
    /// Appends sent to one follower and not answered; more entries wait and travel together.
    pub inflight_messages_max: usize,
    /// Entries' bytes sent to one follower and not answered.
    pub inflight_bytes_max: usize,
    /// Bytes of one proposed command.
    pub command_bytes_max: usize,
    /// Entries' bytes in a leader's log and not committed; beyond, proposals are refused as overloaded.
    pub uncommitted_bytes_max: usize,
    /// Entries kept before a compaction's point for followers that lag.
    pub retained_entries_max: usize,
    /// Their bytes.
    pub retained_bytes_max: usize,
    /// Bytes of entries kept for a follower that is being sent a snapshot, and until it has caught up from there, or each compaction would
    /// start its transfer anew.
    pub catch_up_bytes_max: usize,
    /// A learner that lacks more entries is not made a voter.
    pub promotion_lag_entries_max: u64,
    /// Voters and learners together.
    pub members_max: usize,
    /// Known bugs put back; for tests only.
    #[doc(hidden)]
    pub flaws: Flaws,
}

/// Known bugs, each at the one place where the right code is, so that checkers can be shown to find them. Test only.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flaws {
    /// Appends and votes are answered, and a leader counts itself, before the disk has them.
    pub reply_before_durable: bool,
    /// A restarted node does not remember for whom it voted.
    pub forget_vote: bool,
    /// Entries of older terms are committed by counting (the paper's figure 8).
    pub commit_older_term: bool,
    /// A leader serves reads without asking whether it still leads.
    pub read_without_quorum: bool,
    /// A follower's read shares the answer to a question that was sent before it came.
    pub read_joins_question: bool,
    /// Leases last the whole election time, whatever the clocks.
    pub lease_ignores_drift: bool,
    /// Votes are given to candidates with shorter logs.
    pub vote_for_stale_log: bool,
    /// A membership change goes straight to the new set.
    pub skip_joint: bool,
    /// A follower takes entries without looking at what precedes them.
    pub append_without_check: bool,
    /// A transfer leaves the lease in force.
    pub lease_survives_transfer: bool,
}

impl Default for Config {
    fn default() -> Self {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        Config {
            election_least: Duration::from_millis(1000),
            election_most: Duration::from_millis(2000),
            heartbeat: Duration::from_millis(100),
            heartbeat_at_rest: None,
            suspicion: Some(Duration::from_millis(150)),
            pre_vote: true,
            check_quorum: true,
            lease_drift_ppm: None,
            quiesce: false,
            retry: Duration::from_millis(300),
            read_retry: Duration::from_millis(500),
            read_tries_max: 10,
            reads_max: 65_536,
            append_bytes_max: MIB,
            inflight_messages_max: 8,
            inflight_bytes_max: 8 * MIB,
            command_bytes_max: 16 * MIB,
            uncommitted_bytes_max: 64 * MIB,
            retained_entries_max: 5_000,
            retained_bytes_max: 16 * MIB,
            catch_up_bytes_max: 256 * MIB,
            promotion_lag_entries_max: 1_000,
            members_max: 64,
            flaws: Flaws::default(),
        }
    }
}

/// What is wrong with a [`Config`], naming the option and what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(pub &'static str);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let rules = [
            (!self.heartbeat.is_zero(), "heartbeat must be more than zero"),
            (self.heartbeat < self.election_least, "heartbeat must be less than election_least"),
            (
                self.heartbeat_at_rest
                    .is_none_or(|at_rest| (self.heartbeat..self.election_least).contains(&at_rest)),
                "heartbeat_at_rest must not be less than heartbeat, and less than election_least",
            ),
            (self.election_least <= self.election_most, "election_least must not be more than election_most"),
            (!self.retry.is_zero(), "retry must be more than zero"),
            (!self.read_retry.is_zero(), "read_retry must be more than zero"),
            (self.read_tries_max > 0, "read_tries_max must be at least 1"),
            (self.reads_max > 0, "reads_max must be at least 1"),
            (self.append_bytes_max > 0, "append_bytes_max must be at least 1"),
            (self.inflight_messages_max > 0, "inflight_messages_max must be at least 1"),
            (self.inflight_bytes_max > 0, "inflight_bytes_max must be at least 1"),
            (self.uncommitted_bytes_max > 0, "uncommitted_bytes_max must be at least 1"),
            (self.members_max > 0, "members_max must be at least 1"),
            (
                self.lease_drift_ppm.is_none_or(|ppm| ppm < PARTS),
                "lease_drift_ppm must be less than a million: a clock that may stand still bounds nothing",
            ),
            (
                self.lease_drift_ppm.is_none() || self.check_quorum,
                "lease_drift_ppm needs check_quorum: the lease rests on the votes that it withholds",
            ),
            (
                !self.quiesce || self.pre_vote,
                "quiesce needs pre_vote: a follower that missed the message must be able to ask",
            ),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(ConfigError(rule)),
            None => Ok(()),
        }
    }

    /// How long, by the leader's clock, followers keep a promise made at a moment: they wait `election_least` by theirs, which may
    /// run fast by the bound, and ours slow by it. `None` without leases.
    pub fn lease(&self) -> Option<Duration> {
        let drift = u128::from(self.lease_drift_ppm?);
        if self.flaws.lease_ignores_drift {
            return Some(self.election_least);
        }
        let parts = u128::from(PARTS);
        let nanos = self.election_least.as_nanos() * (parts - drift) / (parts + drift);
        // What is longer than 584 years may as well be cut to that.
        Some(Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

/// Parts in a million.
const PARTS: u32 = 1_000_000;
