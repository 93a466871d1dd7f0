//! Faults as data: what goes wrong, when, and for how long.
//!
//! A run's faults are a list, whether a person wrote it or a seed drew it ([`crate::Swarm`]): so each fault has a number that fates and
//! diagrams can name, a finding can be replayed with fewer of them, and a script is a text that is read and printed back without loss.
//! A fault that lasts carries its own end. Leaving one out leaves no half of it behind.

mod text;

use std::time::Duration;

use synod_machine::NodeId;

pub use text::{FaultError, Seconds, parse_duration};

use crate::Odds;

/// One fault. Its text form is one line: `at 1.25s partition n1 | n2 n3 for 0.8s`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When, since the world's beginning.
    pub at: Duration,
    /// What happens.
    pub what: What,
    /// For how long; without it until the heal, a `heal` line, or a `restart`.
    pub lasts: Option<Duration>,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// `crash n1`: power is lost; memory is gone, and any subset of the sectors that were not synced.
    Crash(NodeId),
    /// `kill n1`: the process is killed; the operating system keeps what was written.
    Kill(NodeId),
    /// `crash-at-sync n1`: power is lost in the middle of the next sync.
    CrashAtSync(NodeId),
    /// `restart n1`: a node that is down comes back.
    Restart(NodeId),
    /// `upgrade n1`: killed, and restarted with the next format version.
    Upgrade(NodeId),
    /// `wipe n1`: power is lost and the disk comes back empty.
    Wipe(NodeId),
    /// `pause n1`: it does nothing; what comes waits.
    Pause(NodeId),
    /// `partition n1 | n2 n3`: groups cannot reach each other. Who is in no group reaches all: a bridge.
    Partition(Vec<Vec<NodeId>>),
    /// `flap 0.05s n1 | n2 n3`: a partition that comes and goes with that period.
    Flap {
        /// Half of it cut, half of it whole.
        period: Duration,
        /// As in a partition.
        groups: Vec<Vec<NodeId>>,
    },
    /// `block n1 -> n2 n3`: one way only.
    Block {
        /// Whose messages do not arrive.
        from: Vec<NodeId>,
        /// Where.
        to: Vec<NodeId>,
    },
    /// `heal`: all partitions, blocks, slow and lossy links end.
    Heal,
    /// `slow n1 -> n2 x20`: delays are multiplied.
    Slow {
        /// From here.
        from: NodeId,
        /// To there.
        to: NodeId,
        /// By so much.
        factor: u32,
    },
    /// `lose 20% n1 -> n2`: messages are lost at these odds.
    Lose {
        /// From here.
        from: NodeId,
        /// To there.
        to: NodeId,
        /// How often.
        odds: Odds,
    },
    /// `reset n1 n2`: the connection breaks; what is under way is lost. It is down for as long as the fault lasts.
    Reset(NodeId, NodeId),
    /// `drop append n1 -> n3 x4`: the next messages of that kind (`*`: any) are lost.
    Drop {
        /// See [`crate::Subject::message_kind`].
        kind: String,
        /// From here.
        from: NodeId,
        /// To there.
        to: NodeId,
        /// How many.
        count: u32,
    },
    /// `fail-sync n1`: the next sync fails, which is fatal for the process.
    FailSync(NodeId),
    /// `fill n1`: the disk is full: the next write is fatal for the process.
    Fill(NodeId),
    /// `stall n1`: syncs end no earlier than the fault.
    Stall(NodeId),
    /// `rot n1`: a bit of what is durable flips; the node notices at its next start.
    Rot(NodeId),
    /// `jump n1 -5s`: the wall clock is set.
    Jump {
        /// Whose.
        node: NodeId,
        /// Forward, or back.
        back: bool,
        /// By so much.
        by: Duration,
    },
    /// `drift n1 +200ppm`: the monotonic clock's rate from now on.
    Drift {
        /// Whose.
        node: NodeId,
        /// Parts per million fast (or slow).
        ppm: i32,
    },
}

impl What {
    /// The fault's name, as counted and as written.
    pub fn name(&self) -> &'static str {
        match self {
            What::Crash(_) => "crash",
            What::Kill(_) => "kill",
            What::CrashAtSync(_) => "crash-at-sync",
            What::Restart(_) => "restart",
            What::Upgrade(_) => "upgrade",
            What::Wipe(_) => "wipe",
            What::Pause(_) => "pause",
            What::Partition(_) => "partition",
            What::Flap { .. } => "flap",
            What::Block { .. } => "block",
            What::Heal => "heal",
            What::Slow { .. } => "slow",
            What::Lose { .. } => "lose",
            What::Reset(..) => "reset",
            What::Drop { .. } => "drop",
            What::FailSync(_) => "fail-sync",
            What::Fill(_) => "fill",
            What::Stall(_) => "stall",
            What::Rot(_) => "rot",
            What::Jump { .. } => "jump",
            What::Drift { .. } => "drift",
        }
    }

    /// The node that it happens to, if it is one.
    pub fn node(&self) -> Option<NodeId> {
        match self {
            What::Crash(node)
            | What::Kill(node)
            | What::CrashAtSync(node)
            | What::Restart(node)
            | What::Upgrade(node)
            | What::Wipe(node)
            | What::Pause(node)
            | What::FailSync(node)
            | What::Fill(node)
            | What::Stall(node)
            | What::Rot(node)
            | What::Jump { node, .. }
            | What::Drift { node, .. } => Some(*node),
            _ => None,
        }
    }

    /// Every node that is named.
    pub fn nodes(&self) -> Vec<NodeId> {
        match self {
            What::Partition(groups) | What::Flap { groups, .. } => groups.concat(),
            What::Block { from, to } => [from.as_slice(), to].concat(),
            What::Slow { from, to, .. } | What::Lose { from, to, .. } | What::Drop { from, to, .. } => {
                vec![*from, *to]
            }
            What::Reset(one, other) => vec![*one, *other],
            _ => self.node().into_iter().collect(),
        }
    }
}

/// Faults by time, one line each in the text form; `#` begins a comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// In any order; the world sorts them by time and keeps the order of equals.
    pub faults: Vec<Fault>,
}

impl Script {
    /// Adds a fault.
    pub fn at(mut self, at: Duration, what: What) -> Self {
        self.faults.push(Fault { at, what, lasts: None });
        self
    }

    /// Adds a fault that lasts.
    pub fn at_for(mut self, at: Duration, what: What, lasts: Duration) -> Self {
        self.faults.push(Fault { at, what, lasts: Some(lasts) });
        self
    }
}
