//! Leading: what a leader knows beside its log, its heartbeats, and when it gives up.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use synod_machine::{Context, Mono, NodeId, RequestId};

use super::read::Waiting;
use super::{Event, Fx, Index, Job, Message, Mode, Payload, Progress, Raft, Refusal, State, Timer};

/// What belongs to a leader alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Leader {
    /// Every member but this node, and members just removed until they were told.
    pub progress: BTreeMap<NodeId, Progress>,
    /// Its first own entry.
    pub first: Index,
    /// That entry is committed.
    pub established: bool,
    /// Bytes of its entries that are not committed.
    pub uncommitted_bytes: usize,
    /// The newest round of heartbeats.
    pub round: u64,
    /// Rounds that no majority has answered, with their times.
    pub open_rounds: VecDeque<(u64, Mono)>,
    /// The newest round that a majority answered, and when it was sent.
    pub confirmed: (u64, Option<Mono>),
    /// A successor was asked to stand: what others promise to this leader no longer binds them.
    pub lease_void: bool,
    /// Reads that wait for a round.
    pub reads: VecDeque<Waiting>,
    /// Who asked for the membership change under way.
    pub change: Option<RequestId>,
    /// The end of the log at the last heartbeat: whether nothing happened since.
    pub last_at_heartbeat: Index,
}

impl Raft {
    pub(super) fn become_leader(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let next = self.log.last().index.next();
        self.state = State::Leader(alloc::boxed::Box::new(Leader {
            progress: BTreeMap::new(),
            first: next,
            established: false,
            uncommitted_bytes: 0,
            round: 0,
            open_rounds: VecDeque::new(),
            confirmed: (0, None),
            lease_void: false,
            reads: VecDeque::new(),
            change: None,
            last_at_heartbeat: Index(0),
        }));
        self.leader = Some(self.me);
        self.installing = None;
        self.quiescent = false;
        self.settle_handover(self.me, fx);
        fx.note("raft.leader", 1);
        self.tell_role(fx);
        fx.disarm(Timer::Election);
        self.reconcile_progress(cx, next);
        self.append(Vec::from([Payload::Noop]), fx);
        self.arm_leader_timers(fx);
        self.feed_all(cx, fx);
        self.lead_own_reads(cx, fx);
        // With nobody else to wait for, or with the flaw that does not wait, this is all it takes.
        self.commit_what_majority_has(cx, fx);
    }

    /// Clears what only a leader has, and answers who waits.
    pub(super) fn give_up_leading(&mut self, deposed: Leader, fx: &mut Fx) {
        fx.disarm(Timer::Heartbeat);
        fx.disarm(Timer::CheckQuorum);
        for (peer, progress) in &deposed.progress {
            if progress.watched {
                fx.disarm(Timer::Retry(*peer));
            }
            if matches!(progress.mode, Mode::Snapshot(_)) {
                fx.work(Job::Release { peer: *peer });
            }
        }
        for waiting in deposed.reads {
            waiting.refuse(Refusal::Unknown, fx);
        }
        if let Some(id) = deposed.change {
            Self::refuse(id, Refusal::Unknown, fx);
        }
    }

    /// Leaves leadership in the same term.
    pub(super) fn step_down(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        fx.note("raft.step_down", 1);
        self.become_follower(cx, self.term, None, fx);
    }

    pub(super) fn arm_leader_timers(&mut self, fx: &mut Fx) {
        let Some(leader) = self.as_leader() else { return };
        // A leader without followers has nobody to speak to, and needs no timer at all.
        if leader.progress.is_empty() {
            fx.disarm(Timer::Heartbeat);
            fx.disarm(Timer::CheckQuorum);
            return;
        }
        let (heartbeat, check) = (self.config.heartbeat, self.config.election_least);
        fx.arm(Timer::Heartbeat, heartbeat..=heartbeat);
        if self.config.check_quorum {
            fx.arm(Timer::CheckQuorum, check..=check);
        }
    }

    pub(super) fn on_heartbeat_timer(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let last = self.log.last().index;
        let settled = self.is_settled();
        let Some(leader) = self.as_leader_mut() else { return };
        let at_rest = settled && leader.last_at_heartbeat == last;
        leader.last_at_heartbeat = last;
        if at_rest && self.config.quiesce {
            self.quiesce(fx);
            return;
        }
        let heartbeat = self.config.heartbeat_at_rest.filter(|_| at_rest).unwrap_or(self.config.heartbeat);
        fx.arm(Timer::Heartbeat, heartbeat..=heartbeat);
        self.start_round(cx, false, fx);
        // What back-pressure held up gets another chance.
        self.feed_all(cx, fx);
    }

    /// Begins a round of heartbeats: whoever answers had not left this term when it did.
    pub(super) fn start_round(&mut self, cx: &Context<'_>, quiesce: bool, fx: &mut Fx) {
        let (term, commit, now) = (self.term, self.commit, cx.now);
        let Some(leader) = self.as_leader_mut() else { return };
        leader.round += 1;
        let round = leader.round;
        // Unanswered rounds are only kept for the moment when each was sent; when a majority is silent the oldest tell nothing.
        const OPEN_ROUNDS_MAX: usize = 64;
        if leader.open_rounds.len() == OPEN_ROUNDS_MAX {
            leader.open_rounds.pop_front();
        }
        leader.open_rounds.push_back((round, now));
        let heartbeats: Vec<_> = leader
            .progress
            .iter_mut()
            .map(|(peer, progress)| {
                let commit = commit.min(progress.matched);
                progress.commit_told = progress.commit_told.max(commit);
                (*peer, Message::Heartbeat { term, commit, round, quiesce })
            })
            .collect();
        for (peer, message) in heartbeats {
            self.send(peer, message, fx);
        }
        self.confirm_rounds(cx, fx);
    }

    pub(super) fn on_alive(&mut self, cx: &Context<'_>, from: NodeId, round: u64, fx: &mut Fx) {
        let Some(leader) = self.as_leader_mut() else { return };
        let newest = leader.round;
        let Some(progress) = leader.progress.get_mut(&from).filter(|_| round <= newest) else { return };
        progress.round = progress.round.max(round);
        self.heard_follower(cx, from, fx);
        self.confirm_rounds(cx, fx);
    }

    /// A follower answered: notes the time, and takes up what waited for a sign of life.
    pub(super) fn heard_follower(&mut self, cx: &Context<'_>, from: NodeId, fx: &mut Fx) {
        let now = cx.now;
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&from)) else {
            return;
        };
        progress.heard = now;
        progress.down = false;
        if !progress.watched && !progress.is_idle() {
            // Nobody waits for the answer to what is under way: the follower was silent for too long. Begin again.
            self.resend(cx, from, fx);
        } else if !progress.watched {
            self.feed(cx, from, fx);
        }
    }

    /// Sees which rounds a majority has answered, this node included, and serves the reads that waited for them.
    pub(super) fn confirm_rounds(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let me = self.me;
        let State::Leader(leader) = &self.state else { return };
        let answered = self.voters().reached(|node| match leader.progress.get(&node) {
            _ if node == me => leader.round,
            Some(progress) => progress.round,
            None => 0,
        });
        let Some(leader) = self.as_leader_mut() else { return };
        if let Some(round) = answered.filter(|round| *round > leader.confirmed.0) {
            let mut sent = leader.confirmed.1;
            while let Some((_, at)) = leader.open_rounds.front().filter(|(open, _)| *open <= round) {
                sent = Some(*at);
                leader.open_rounds.pop_front();
            }
            leader.confirmed = (round, sent);
        }
        self.serve_reads(cx, fx);
    }

    pub(super) fn on_check_quorum_timer(&mut self, cx: &Context<'_>, fx: &mut Fx) {
        let (me, period, now) = (self.me, self.config.election_least, cx.now);
        let State::Leader(leader) = &self.state else { return };
        let in_touch = self.voters().decided_by(|node| {
            node == me
                || leader.progress.get(&node).is_some_and(|progress| now.since(progress.heard) < period)
        });
        if in_touch {
            fx.arm(Timer::CheckQuorum, period..=period);
        } else {
            fx.note("raft.quorum_lost", 1);
            self.step_down(cx, fx);
        }
    }

    /// A follower's connection broke or came back.
    pub(super) fn leader_link(&mut self, cx: &Context<'_>, peer: NodeId, up: bool, fx: &mut Fx) {
        let Some(progress) = self.as_leader_mut().and_then(|leader| leader.progress.get_mut(&peer)) else {
            return;
        };
        progress.down = !up;
        if progress.mode_is_stream() {
            // What was under way is lost with the connection.
            progress.probe();
        }
        if up {
            self.wake(cx, fx);
            self.resend(cx, peer, fx);
        }
    }

    /// Makes the set of followers that of the membership in force; new ones are probed from `next` on. Removed ones
    /// stay until the membership without them is committed.
    pub(super) fn reconcile_progress(&mut self, cx: &Context<'_>, next: Index) {
        let me = self.me;
        let members: BTreeSet<NodeId> =
            self.log.configuration().members().filter(|node| *node != me).collect();
        let down = core::mem::take(&mut self.down);
        if let Some(leader) = self.as_leader_mut() {
            for member in members {
                leader.progress.entry(member).or_insert_with(|| {
                    let down = down.contains(&member);
                    Progress { down, ..Progress::new(next, cx.now) }
                });
            }
        }
        self.down = down;
    }

    pub(super) fn establish(&mut self, fx: &mut Fx) {
        let (term, commit) = (self.term, self.commit);
        if let Some(leader) = self.as_leader_mut()
            && !leader.established
            && leader.first <= commit
        {
            leader.established = true;
            let index = leader.first;
            fx.emit(Event::Established { term, index });
        }
    }
}
