//! What one decision costs: one proposer without a rival, nothing lost, nobody down.

use super::{Announce, Config};

/// Messages until every learner knows. Where the proposer is an acceptor or a learner itself, what it tells itself is no message.
///
/// With n acceptors apart from the proposer: 4n until the proposer knows, n each for prepare, promise, accept and accepted.
pub fn messages(config: &Config) -> u64 {
    let Some(proposer) = config.proposers.first() else { return 0 };
    let acceptors = config.acceptors.iter().filter(|node| *node != proposer).count() as u64;
    let others = config.learners.iter().filter(|node| *node != proposer);
    let telling = match config.announce {
        Announce::ByProposer => others.count() as u64,
        Announce::ByAcceptors => others
            .map(|learner| config.acceptors.iter().filter(|acceptor| *acceptor != learner).count() as u64)
            .sum(),
    };
    4 * acceptors + telling
}

/// Message delays until the proposer knows: prepare, promise, accept, accepted.
pub const DELAYS: u64 = 4;

/// Message delays until every learner knows.
pub fn delays_until_learned(config: &Config) -> u64 {
    match config.announce {
        Announce::ByProposer => DELAYS + 1,
        Announce::ByAcceptors => DELAYS,
    }
}

/// Forced writes: a promise and an acceptance at each acceptor, and the used ballot at a proposer that has no acceptor's promise to say it.
pub fn forced_writes(config: &Config) -> u64 {
    let apart = config.proposers.first().is_some_and(|proposer| !config.acceptors.contains(proposer));
    2 * config.acceptors.len() as u64 + u64::from(apart)
}
