//! Options and limits of a node.

use alloc::vec::Vec;
use core::time::Duration;

use super::{Identifier, Peer, Ring};

/// Most successors a node keeps.
pub const SUCCESSORS_MAX: usize = 64;

/// How a node takes part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The identifiers.
    pub ring: Ring,
    /// This node's place.
    pub id: Identifier,
    /// Successors that a node keeps, the papers' r: the ring survives the failure of fewer neighbours between two rounds of stabilization.
    pub successors: usize,
    /// The members of a new ring, this node among them; empty for a node that joins one. Zave's proof asks for `successors + 1` of them.
    pub founders: Vec<Peer>,
    /// Members to ask when joining. One that is this node itself is passed over.
    pub contacts: Vec<Peer>,
    /// How long a node waits after its start before it joins: where founders start at about the same time, until all of them are up.
    pub join_after: Duration,
    /// Time between two rounds of stabilization.
    pub stabilize_every: Duration,
    /// Time between two fingers that are looked up.
    pub fix_finger_every: Duration,
    /// A node that has not answered within this time is dead: at least two message delays.
    pub answer_timeout: Duration,
    /// How long a client's operation waits before it tries again when the owner is just changing.
    pub retry_after: Duration,
    /// How often it tries.
    pub attempts_max: u32,
    /// Known mistakes, to be seen fail.
    pub flaws: Flaws,
}

/// Rules as they were published first, and other ways to do it wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flaws {
    /// Join, stabilize and notify as in the paper of 2001: a joining node knows its successor only, a candidate for successor is adopted unasked, and a dead predecessor is
    /// forgotten rather than replaced.
    pub original_join: bool,
    /// A joining node serves its keys before its successor has handed them over.
    pub serve_at_once: bool,
}

impl Default for Config {
    /// For a data centre; `id`, `founders` and `contacts` are to be set.
    fn default() -> Self {
        Config {
            ring: Ring::of_bits(64),
            id: Identifier(0),
            successors: 3,
            founders: Vec::new(),
            contacts: Vec::new(),
            join_after: Duration::ZERO,
            stabilize_every: Duration::from_millis(100),
            fix_finger_every: Duration::from_millis(50),
            answer_timeout: Duration::from_millis(10),
            retry_after: Duration::from_millis(50),
            attempts_max: 40,
            flaws: Flaws::default(),
        }
    }
}
