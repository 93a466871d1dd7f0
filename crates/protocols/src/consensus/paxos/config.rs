//! Who plays which role in a Paxos group, how large its quorums are, and how patient its proposers.

use alloc::collections::BTreeSet;
use core::fmt;
use core::time::Duration;

use synod_machine::NodeId;

use crate::quorum::majority;

/// Options of a group; the same at every node, but for the patience.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Who may propose.
    pub proposers: BTreeSet<NodeId>,
    /// Who votes. Not empty.
    pub acceptors: BTreeSet<NodeId>,
    /// Who is told what was chosen, beside the proposer that brought it about.
    pub learners: BTreeSet<NodeId>,
    /// Promises that end phase 1.
    pub prepare_quorum: usize,
    /// Acceptances that choose a value.
    pub accept_quorum: usize,
    /// Who tells the learners.
    pub announce: Announce,
    /// What was asked and not answered for this long is asked again.
    pub retry: Duration,
    /// The bound of the first back-off after a ballot was refused; the wait is drawn evenly between zero and the bound, which
    /// doubles with every refusal in a row. Zero: none, as in the paper, and duelling proposers may go on for ever.
    pub backoff_least: Duration,
    /// The bound grows no further.
    pub backoff_most: Duration,
    /// Clients that wait for the outcome at one node.
    pub requests_max: usize,
    /// Known bugs put back; for tests only.
    #[doc(hidden)]
    pub flaws: Flaws,
}

/// How learners find out ("Paxos Made Simple", section 2.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Announce {
    /// The proposer tells them: as many messages as learners, one delay more. Each proposer is its own distinguished learner.
    #[default]
    ByProposer,
    /// Each acceptor tells each of them that it accepted: no delay more, but acceptors times learners messages.
    ByAcceptors,
}

/// Known bugs, each at the one place where the right code is, so that checkers can be shown to find them. Test only.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flaws {
    /// Answers leave before what they rest on is durable.
    pub answer_before_durable: bool,
    /// An acceptor accepts below its promise.
    pub accept_below_promise: bool,
    /// A proposer puts its own value to the vote whatever the promises report.
    pub ignore_accepted: bool,
    /// A proposer takes the value of the lowest-numbered proposal reported instead of the highest.
    pub adopt_lowest: bool,
    /// A proposer does not write which ballots it used.
    pub reuse_ballot: bool,
}

/// What is wrong with a [`Config`], and what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigError(pub &'static str);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for ConfigError {}

impl Config {
    /// Each of these nodes plays every role; majorities decide.
    pub fn colocated(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        let nodes: BTreeSet<NodeId> = nodes.into_iter().collect();
        Config::separate(nodes.clone(), nodes.clone(), nodes)
    }

    /// Every role has its own nodes, which may overlap; majorities of the acceptors decide.
    pub fn separate(
        proposers: impl IntoIterator<Item = NodeId>,
        acceptors: impl IntoIterator<Item = NodeId>,
        learners: impl IntoIterator<Item = NodeId>,
    ) -> Self {
        let acceptors: BTreeSet<NodeId> = acceptors.into_iter().collect();
        Config {
            proposers: proposers.into_iter().collect(),
            prepare_quorum: majority(acceptors.len()),
            accept_quorum: majority(acceptors.len()),
            acceptors,
            learners: learners.into_iter().collect(),
            announce: Announce::default(),
            retry: Duration::from_millis(200),
            backoff_least: Duration::from_millis(20),
            backoff_most: Duration::from_secs(2),
            requests_max: 1_024,
            flaws: Flaws::default(),
        }
    }

    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let acceptors = self.acceptors.len();
        let rules = [
            (acceptors > 0, "a group needs at least one acceptor"),
            (
                (1..=acceptors).contains(&self.prepare_quorum),
                "prepare_quorum must be at least 1 and at most the number of acceptors",
            ),
            (
                (1..=acceptors).contains(&self.accept_quorum),
                "accept_quorum must be at least 1 and at most the number of acceptors",
            ),
            (
                self.prepare_quorum + self.accept_quorum > acceptors,
                "prepare_quorum and accept_quorum must exceed the acceptors together: any two quorums must meet",
            ),
            (!self.retry.is_zero(), "retry must be more than zero"),
            (self.backoff_least <= self.backoff_most, "backoff_least must not be more than backoff_most"),
            (self.requests_max > 0, "requests_max must be at least 1"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(ConfigError(rule)),
            None => Ok(()),
        }
    }

    /// The bound of the wait after so many refusals in a row.
    pub(super) fn backoff(&self, refusals: u32) -> Duration {
        let factor = 1_u32.checked_shl(refusals.saturating_sub(1)).unwrap_or(u32::MAX);
        self.backoff_least.saturating_mul(factor).min(self.backoff_most)
    }
}
