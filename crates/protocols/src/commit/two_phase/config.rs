//! What is presumed of a transaction that nobody remembers, and how patient a node is.

use core::fmt;
use core::time::Duration;

/// Options and limits of one node. The presumption must be the same at all.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// Which records and acknowledgements are spared.
    pub presumption: Presumption,
    /// A participant in doubt asks its peers as well as the coordinator.
    pub cooperative: bool,
    /// A coordinator that misses a vote for this long aborts.
    pub votes_within: Duration,
    /// What was asked and not answered for this long is asked again; a participant is in doubt after as long.
    pub retry: Duration,
    /// Transactions that one node coordinates at once.
    pub transactions_max: usize,
    /// Outcomes that a participant remembers for its peers, for each coordinator. Of older ones it says nothing.
    pub outcomes_max: usize,
    /// After so many records the log is replaced by a checkpoint.
    pub records_max: usize,
    /// Known bugs put back; for tests only.
    #[doc(hidden)]
    pub flaws: Flaws,
}

/// What a coordinator answers about a transaction that it knows nothing of (Mohan, Lindsay and Obermarck, 1986).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Presumption {
    /// The basic protocol: each decision is logged and acknowledged, so that the question hardly comes up. If it does, after a crash before
    /// the decision, the answer is abort.
    Nothing,
    /// Abort: an abort then needs neither a record nor an acknowledgement. What most systems use.
    #[default]
    Abort,
    /// Commit: a commit then needs no acknowledgement, and no forced record at participants, but a record before the first message, since
    /// otherwise a crash before the decision would be taken for a commit.
    Commit,
}

/// Known bugs, each at the one place where the right code is, so that checkers can be shown to find them. Test only.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flaws {
    /// A participant votes Yes before its disk has what it promises.
    pub vote_before_durable: bool,
    /// A coordinator tells a decision before its disk has it.
    pub tell_before_durable: bool,
    /// A participant that waited long enough aborts, although it voted Yes.
    pub abort_in_doubt: bool,
    /// A coordinator commits with the votes that it has when its patience ends.
    pub commit_without_all_votes: bool,
    /// Participants that only read are asked by those in doubt; one that has forgotten takes itself for one that never voted.
    pub ask_readers: bool,
    /// Presumed commit without the record before the first message.
    pub skip_collecting: bool,
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

impl Default for Config {
    fn default() -> Self {
        Config {
            presumption: Presumption::default(),
            cooperative: true,
            votes_within: Duration::from_secs(1),
            retry: Duration::from_millis(500),
            transactions_max: 1_024,
            outcomes_max: 1_024,
            records_max: 4_096,
            flaws: Flaws::default(),
        }
    }
}

impl Config {
    /// Whether the options fit together.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let rules = [
            (!self.votes_within.is_zero(), "votes_within must be more than zero"),
            (!self.retry.is_zero(), "retry must be more than zero"),
            (self.transactions_max > 0, "transactions_max must be at least 1"),
            (self.outcomes_max > 0, "outcomes_max must be at least 1"),
            (self.records_max > 0, "records_max must be at least 1"),
        ];
        match rules.iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(ConfigError(rule)),
            None => Ok(()),
        }
    }
}

impl Presumption {
    /// Whether a coordinator writes this decision down.
    pub(super) fn records(self, outcome: super::Outcome) -> bool {
        match self {
            Presumption::Nothing => true,
            Presumption::Abort | Presumption::Commit => outcome == super::Outcome::Commit,
        }
    }

    /// Whether participants acknowledge this decision, and force its record before they do.
    pub fn acknowledges(self, outcome: super::Outcome) -> bool {
        match self {
            Presumption::Nothing => true,
            Presumption::Abort => outcome == super::Outcome::Commit,
            Presumption::Commit => outcome == super::Outcome::Abort,
        }
    }

    /// How a transaction ended of which the coordinator knows nothing.
    pub fn presumed(self) -> super::Outcome {
        match self {
            Presumption::Nothing | Presumption::Abort => super::Outcome::Abort,
            Presumption::Commit => super::Outcome::Commit,
        }
    }
}
