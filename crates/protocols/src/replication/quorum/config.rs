//! Options and limits of a node.

use core::fmt;
use core::time::Duration;

/// What orders the writes of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Versions {
    /// Tags: one value, the larger tag wins. A register.
    #[default]
    Tags,
    /// Dotted version vectors: concurrent writes are kept as siblings.
    Vectors,
}

/// How a node takes part. The same at all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Copies of each key (N).
    pub copies: usize,
    /// Copies that a read waits for (R).
    pub read: usize,
    /// Copies that a write waits for (W).
    pub write: usize,
    /// Registers, or siblings.
    pub versions: Versions,
    /// Reads of a register write back what they found before they answer (ABD). Without it reads are regular, not atomic.
    pub write_back: bool,
    /// Copies that a read finds behind are sent what they lack.
    pub read_repair: bool,
    /// Other nodes stand in for those of the key that are silent.
    pub sloppy: bool,
    /// Silent nodes are asked again after this time, and others in their place where the quorum is sloppy.
    pub again_after: Duration,
    /// A client is told after this time that too few answered.
    pub give_up_after: Duration,
    /// Time between two attempts to hand over hints.
    pub offer_every: Duration,
    /// Hints that are kept at most; what comes beyond is not stored and not acknowledged.
    pub hints_max: usize,
    /// Hints that are offered at a time.
    pub offers_max: usize,
    /// Records in the log until one is written that stands for all.
    pub records_max: usize,
}

impl Default for Config {
    /// Three copies, majorities, a linearizable register.
    fn default() -> Self {
        Config {
            copies: 3,
            read: 2,
            write: 2,
            versions: Versions::Tags,
            write_back: true,
            read_repair: true,
            sloppy: false,
            again_after: Duration::from_millis(20),
            give_up_after: Duration::from_millis(1_000),
            offer_every: Duration::from_millis(100),
            hints_max: 10_000,
            offers_max: 64,
            records_max: 1_000,
        }
    }
}

/// What cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// More copies than nodes, or none.
    Copies {
        /// Copies.
        copies: usize,
        /// Nodes.
        nodes: usize,
    },
    /// R or W is none of 1 to N.
    Quorum {
        /// R or W.
        quorum: usize,
        /// N.
        copies: usize,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Copies { copies, nodes } => {
                write!(f, "expected 1 to {nodes} copies on {nodes} nodes, found {copies}")
            }
            ConfigError::Quorum { quorum, copies } => {
                write!(f, "expected a quorum of 1 to {copies} copies, found {quorum}")
            }
        }
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// Whether this can be run on so many nodes. Quorums that do not meet are allowed: that is a choice, and what it costs can be seen.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self, nodes: usize) -> Result<(), ConfigError> {
        let Config { copies, read, write, .. } = *self;
        if copies == 0 || copies > nodes {
            return Err(ConfigError::Copies { copies, nodes });
        }
        match [read, write].into_iter().find(|quorum| *quorum == 0 || *quorum > copies) {
            Some(quorum) => Err(ConfigError::Quorum { quorum, copies }),
            None => Ok(()),
        }
    }

    /// Whether every read quorum meets every write quorum: R + W > N.
    pub fn meets(&self) -> bool {
        self.read + self.write > self.copies && !self.sloppy
    }
}
