//! Linearizable reads without a log entry (thesis, sections 6.4 and 6.4.1).
//!
//! A read may be served from a state that includes the leader's commit index as of its arrival, once it is known that no other leader had
//! committed more: that is, once a majority answered a heartbeat sent *after* the arrival. One round serves all reads that wait: a read that
//! arrives while a round is under way waits for the next, which begins when that one is answered. A leader does not know what is
//! committed until its first own entry is; until then the index of that entry stands for it.
//!
//! A follower collects its reads in the same way and asks the leader once for all of them. Its question carries a token that no life of
//! the node uses twice, or a late answer to an earlier life would serve a stale read to this one.
//!
//! The question is itself what a round would ask for: sent after the reads came, in the leader's term, by a voter who had thus given nobody
//! a later vote. Where leader and asker are a majority, as in a group of three, no round is held (`needs_no_round`): two messages
//! instead of six. A read that came after the question was sent must not share its answer, whichever way that was found.
//!
//! A lease (off by default) leaves out the round: members that heard the leader withhold their votes for `election_least` by their
//! clocks. The lease is counted from when the confirmed round was *sent*, and is shorter by the drift bound.

use alloc::vec::Vec;

use synod_machine::{Context, NodeId, RequestId};

use super::{Fx, Index, Message, Raft, Refusal, Reply, State, Timer};

/// A read that waits at the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Waiting {
    asker: Asker,
    index: Index,
    /// Served once a majority answered this round or a later one.
    round: u64,
}

/// Who wants to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Asker {
    Client(RequestId),
    Follower { node: NodeId, token: u64 },
}

impl Waiting {
    /// Followers are not answered: they ask the next leader.
    pub(super) fn refuse(self, refusal: Refusal, fx: &mut Fx) {
        if let Asker::Client(id) = self.asker {
            Raft::refuse(id, refusal, fx);
        }
    }
}

/// A follower's reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Forwarded {
    /// The next token; begins at a random place in each life.
    next_token: u64,
    /// The question under way, if there is one.
    asked: Option<Asked>,
    /// Reads that came since: the answer under way may be older than they are.
    gathering: Vec<RequestId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Asked {
    token: u64,
    reads: Vec<RequestId>,
    tries: u32,
}

impl Forwarded {
    /// For a new life; `entropy` keeps its tokens apart from those of earlier ones.
    pub(super) fn new(entropy: u64) -> Self {
        Forwarded { next_token: entropy, ..Forwarded::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.asked.is_none() && self.gathering.is_empty()
    }

    fn len(&self) -> usize {
        self.gathering.len() + self.asked.as_ref().map_or(0, |asked| asked.reads.len())
    }

    fn take(&mut self) -> Vec<RequestId> {
        let mut reads = self.asked.take().map_or_else(Vec::new, |asked| asked.reads);
        reads.append(&mut self.gathering);
        reads
    }

    fn fresh_token(&mut self) -> u64 {
        self.next_token = self.next_token.wrapping_add(1);
        self.next_token
    }
}

impl Raft {
    pub(super) fn read(&mut self, cx: &Context<'_>, id: RequestId, fx: &mut Fx) {
        self.wake(cx, fx);
        if self.is_leader() {
            self.read_as_leader(cx, Asker::Client(id), fx);
        } else if self.leader.is_none() {
            Self::refuse(id, Refusal::NotLeader(None), fx);
        } else if self.forwarded.len() >= self.config.reads_max {
            Self::refuse(id, Refusal::Overloaded, fx);
        } else {
            match &mut self.forwarded.asked {
                Some(asked) if self.config.flaws.read_joins_question => asked.reads.push(id),
                _ => self.forwarded.gathering.push(id),
            }
            self.ask_leader(fx);
        }
    }

    fn read_as_leader(&mut self, cx: &Context<'_>, asker: Asker, fx: &mut Fx) {
        let commit = self.commit;
        let leased = self.holds_lease(cx);
        let reads_max = self.config.reads_max;
        let reckless = self.config.flaws.read_without_quorum;
        let Some(leader) = self.as_leader_mut() else { return };
        let index = commit.max(leader.first);
        if (leased && leader.established) || reckless {
            fx.note("raft.lease_read", u64::from(leased));
            self.answer_read(asker, commit, fx);
            return;
        }
        if leader.reads.len() >= reads_max {
            if let Asker::Client(id) = asker {
                Self::refuse(id, Refusal::Overloaded, fx);
            }
            return;
        }
        if let Asker::Follower { node, .. } = asker
            && index <= commit
            && self.needs_no_round(node)
        {
            fx.note("raft.read_by_question", 1);
            self.answer_read(asker, commit, fx);
            return;
        }
        let Some(leader) = self.as_leader_mut() else { return };
        let under_way = leader.round > leader.confirmed.0 && leader.reads.front().is_some();
        let round = leader.round + 1;
        leader.reads.push_back(Waiting { asker, index, round });
        if !under_way {
            self.start_round(cx, false, fx);
        }
    }

    /// Whether this leader and the follower that asks it are a majority: neither left the term before the question was sent.
    fn needs_no_round(&self, asker: NodeId) -> bool {
        self.voters().decided_by(|node| node == self.me || node == asker)
    }

    /// Serves the reads whose round is answered and whose index is committed; begins the round that the others wait for.
    pub(super) fn serve_reads(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let commit = self.commit;
        loop {
            let Some(leader) = self.as_leader_mut() else { return };
            let confirmed = leader.confirmed.0;
            let Some(waiting) = leader.reads.front().copied() else { return };
            if waiting.round > confirmed || waiting.index > commit {
                // The front waits for a round that nobody began: the one under way before it is answered.
                if waiting.round > leader.round && leader.round <= confirmed {
                    self.start_round(cx, false, fx);
                }
                return;
            }
            leader.reads.pop_front();
            self.answer_read(waiting.asker, waiting.index, fx);
        }
    }

    fn answer_read(&mut self, asker: Asker, index: Index, fx: &mut Fx) {
        match asker {
            Asker::Client(id) => fx.reply(id, Reply::ReadAt(index)),
            Asker::Follower { node, token } => {
                self.send(node, Message::ReadAnswer { term: self.term, token, index }, fx);
            }
        }
    }

    /// Whether a majority is still bound by what it promised.
    fn holds_lease(&self, cx: &Context<'_>) -> bool {
        let (Some(lease), State::Leader(leader)) = (self.config.lease(), &self.state) else { return false };
        let void = leader.lease_void && !self.config.flaws.lease_survives_transfer;
        !void && leader.confirmed.1.is_some_and(|sent| cx.now.since(sent) < lease)
    }

    pub(super) fn on_read_request(&mut self, cx: &Context<'_>, from: NodeId, token: u64, fx: &mut Fx) {
        self.wake(cx, fx);
        if self.is_leader() {
            self.read_as_leader(cx, Asker::Follower { node: from, token }, fx);
        }
    }

    /// Asks the leader for all reads that gathered, unless a question is under way.
    fn ask_leader(&mut self, fx: &mut Fx) {
        if self.forwarded.asked.is_some() || self.forwarded.gathering.is_empty() {
            return;
        }
        let reads = core::mem::take(&mut self.forwarded.gathering);
        let token = self.forwarded.fresh_token();
        self.forwarded.asked = Some(Asked { token, reads, tries: 1 });
        self.send_question(fx);
    }

    fn send_question(&mut self, fx: &mut Fx) {
        let Some(token) = self.forwarded.asked.as_ref().map(|asked| asked.token) else { return };
        let retry = self.config.read_retry;
        fx.arm(Timer::Read, retry..=retry);
        if let Some(leader) = self.leader {
            self.send(leader, Message::ReadRequest { term: self.term, token }, fx);
        }
    }

    pub(super) fn on_read_answer(&mut self, token: u64, index: Index, fx: &mut Fx) {
        let Some(asked) = self.forwarded.asked.take_if(|asked| asked.token == token) else { return };
        fx.disarm(Timer::Read);
        for id in asked.reads {
            fx.reply(id, Reply::ReadAt(index));
        }
        self.ask_leader(fx);
    }

    pub(super) fn on_read_timer(&mut self, fx: &mut Fx) {
        let tries_max = self.config.read_tries_max;
        let Some(asked) = &mut self.forwarded.asked else { return };
        asked.tries += 1;
        if asked.tries <= tries_max {
            self.send_question(fx);
            return;
        }
        for id in self.forwarded.take() {
            Self::refuse(id, Refusal::Unknown, fx);
        }
    }

    /// Another leader is known: it has not been asked yet.
    pub(super) fn forward_again(&mut self, fx: &mut Fx) {
        self.send_question(fx);
    }

    /// This node leads now: it answers its own reads.
    pub(super) fn lead_own_reads(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let reads = self.forwarded.take();
        if !reads.is_empty() {
            fx.disarm(Timer::Read);
        }
        for id in reads {
            self.read_as_leader(cx, Asker::Client(id), fx);
        }
    }
}
