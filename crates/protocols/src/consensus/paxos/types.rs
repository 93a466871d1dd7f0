//! What a Paxos node sends, is asked, logs and reports.

use core::fmt;

use synod_machine::{Data, NodeId};

/// What can be agreed on: anything that can be copied, compared, shown and hashed.
pub trait Value: Data + Eq {}
impl<T: Data + Eq> Value for T {}

/// A proposal's number, called `n` in "Paxos Made Simple" and ballot in "The Part-Time Parliament". Rounds count; the
/// proposer's name makes it unique, so that no two proposers ever use the same (section 2.2: "different proposals have
/// different numbers"). The default stands below all: no ballot yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ballot {
    /// Grows with every attempt.
    pub round: u64,
    /// Who attempts.
    pub proposer: NodeId,
}

impl Ballot {
    /// The lowest ballot of `proposer` above this one in its round.
    ///
    /// # Panics
    /// After 2^64 rounds.
    pub fn next(self, proposer: NodeId) -> Ballot {
        let round = self.round.checked_add(1).expect("rounds rise by one an attempt and do not run out");
        Ballot { round, proposer }
    }
}

impl fmt::Display for Ballot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Ballot::default() {
            return f.write_str("none");
        }
        write!(f, "{}.{}", self.round, self.proposer)
    }
}

/// A value with the ballot under which it is, or was, put to the vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proposal<V> {
    /// Its number.
    pub ballot: Ballot,
    /// What is proposed.
    pub value: V,
}

/// A message between two nodes, whatever their roles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message<V> {
    /// Phase 1a, proposer to acceptor: promise me this ballot.
    Prepare {
        /// The ballot to be promised.
        ballot: Ballot,
    },
    /// Phase 1b: nothing below `ballot` will be accepted here any more.
    Promise {
        /// The ballot that was asked for.
        ballot: Ballot,
        /// The highest-numbered proposal that the acceptor has accepted. A promise without one binds just as much.
        accepted: Option<Proposal<V>>,
    },
    /// Phase 2a, proposer to acceptor: accept this.
    Accept(Proposal<V>),
    /// Phase 2b, to the proposer and perhaps to learners: it is accepted here.
    Accepted(Proposal<V>),
    /// Acceptor to proposer: too late, a higher ballot is promised. Safety needs no such message (section 2.2: "a
    /// performance optimization"); without it a proposer would wait for its patience to end.
    Rejected {
        /// The ballot of the refused request.
        ballot: Ballot,
        /// The one that is promised.
        promised: Ballot,
    },
    /// To learners: this value is chosen.
    Chosen(V),
    /// Learner to acceptor: what have you accepted?
    Inquire,
}

/// What a client asks of a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command<V> {
    /// Propose this value, and say what was chosen: perhaps another one.
    Propose(V),
    /// Say what was chosen. Only finds out: where no proposer is at work, it may wait for ever.
    Learn,
}

/// The answer to a [`Command`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply<V> {
    /// The group has chosen this, once and for all.
    Chosen(V),
    /// Not taken, and why.
    Refused(Refusal),
}

/// Why a command was not taken; nothing was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// This node does not propose.
    NotProposer,
    /// [`Config::requests_max`](super::Config::requests_max) clients wait already.
    Overloaded,
}

/// What is told to whoever embeds the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<V> {
    /// This node learned what is chosen; told once a life.
    Chosen(V),
}

/// What binds an acceptor: it survives every crash, or the guarantees do not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pledge<V> {
    /// Nothing below this ballot is accepted any more.
    pub promised: Ballot,
    /// The highest-numbered proposal accepted.
    pub accepted: Option<Proposal<V>>,
}

impl<V> Default for Pledge<V> {
    fn default() -> Self {
        Pledge { promised: Ballot::default(), accepted: None }
    }
}

/// What must survive a crash. The newest write says all; older ones may be forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Write<V> {
    /// A proposer that does not vote: ballots up to this one are used up (section 2.5: it "remembers in stable storage the
    /// highest-numbered proposal it has tried to issue").
    Attempted(Ballot),
    /// An acceptor: its promise and its vote, as one. If it proposes as well, its own promise uses the ballot up.
    Pledged(Pledge<V>),
}

/// Names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A proposer that gave way tries again.
    Attempt,
    /// A proposer repeats its request to acceptors that did not answer.
    Retry,
    /// A learner asks again.
    Learn,
}

impl<V> Message<V> {
    /// Its kind in one word, as diagrams and fault lines name it.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Prepare { .. } => "prepare",
            Message::Promise { .. } => "promise",
            Message::Accept(_) => "accept",
            Message::Accepted(_) => "accepted",
            Message::Rejected { .. } => "rejected",
            Message::Chosen(_) => "chosen",
            Message::Inquire => "inquire",
        }
    }
}
