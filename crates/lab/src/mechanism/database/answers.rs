//! Judging what clients are answered.
//!
//! What can be judged when an answer arrives is judged at once, so that a finding is near its cause: an acknowledged change must be what the oracle
//! applied, a linearizable read must know what anybody knew when it was asked, a node's own state does not go back within a life. All answers together
//! are put before the checkers, whose model of the store is their own, window by window while the run goes on ([`synod_check::etcd::Windows`]): so a run of an hour
//! holds no more of its past than one of a minute. That is exact, for the oracle tells when a change is decided whose client has given up.

use std::time::Duration;

use synod_check::etcd::{OldRead, OldReadAnswer, WindowError};
use synod_check::format::objects::etcd_answer;
use synod_check::history::{Client, OperationId};
use synod_check::specification::key_value::{Answer as ModelAnswer, Reply as ModelReply, Request, Span};
use synod_database::{Answer, Command, Consistency, LeaseTime, Query, Refusal, Reply};
use synod_machine::{NodeId, RequestId};
use synod_sim::Violation;
use synod_storage::mvcc::{LeaseId, Operation, Outcome, Revision, StoreError};

use super::clients::{Crowd, Ghost, Pending, asked};
use super::leases::Leases;
use super::model;
use super::oracle::Oracle;

/// In whose name leases expire.
const EXPIRY: Client = Client(u64::MAX);
/// The same in histories that are written.
const EXPIRY_PROCESS: u64 = 999;

impl Crowd {
    /// Judges an answer; whether it is what the client wanted.
    pub(super) fn judge(
        &mut self,
        from: NodeId,
        id: RequestId,
        pending: &Pending,
        reply: &Reply,
        now: Duration,
        oracle: &mut Oracle,
        leases: &mut Leases,
    ) -> Result<bool, Violation> {
        let answer = match reply {
            Reply::Applied { revision, outcome } => {
                self.known.revision = self.known.revision.max(*revision);
                if let Ok(outcome) = outcome {
                    self.learn_of_leases(from, pending, outcome, leases)?;
                }
                outcome.as_ref().ok().and_then(|outcome| model::outcome(*revision, outcome))
            }
            Reply::Read { revision, answer } => {
                self.judge_read(from, pending, (*revision, answer), leases)?
            }
            Reply::Lease(time) => {
                self.judge_lease(from, pending, *time, leases)?;
                None
            }
            Reply::Refused(refusal) => {
                let unknown = matches!(refusal, Refusal::TimedOut { .. });
                if matches!(pending.command, Command::Propose(_)) && !unknown {
                    oracle.decline(from, id)?;
                }
                match unknown {
                    true => self.give_up(id, pending, now, oracle)?,
                    false => self.close(pending.recorded, now, None)?,
                }
                return Ok(false);
            }
            Reply::Completed => None,
            Reply::Watch(_) => {
                let sentence = format!("request {} was answered with a watch's output", id.0);
                return Err(Violation::new("answers fit their questions", [from], sentence));
            }
        };
        self.close(pending.recorded, now, answer)?;
        Ok(true)
    }

    /// A client gives up waiting. What it asked has taken effect, or may still.
    pub(super) fn give_up(
        &mut self,
        id: RequestId,
        pending: &Pending,
        now: Duration,
        oracle: &Oracle,
    ) -> Result<(), Violation> {
        self.abandoned += 1;
        let Some(operation) = pending.recorded else { return Ok(()) };
        if !matches!(pending.command, Command::Propose(_)) {
            self.chronicle.gives_up(now, id.0);
            return self.close(Some(operation), now, None);
        }
        self.ghosts.insert(id, Ghost { operation, node: pending.node });
        if oracle.answer(id).is_some() {
            return self.decided(id, now, oracle);
        }
        self.windows.give_up(operation);
        Ok(())
    }

    /// A change was decided. If its client has given up, this is when it took effect for all others: whoever asks a leader from now on is told.
    pub fn decided(&mut self, id: RequestId, now: Duration, oracle: &Oracle) -> Result<(), Violation> {
        let Some(Ghost { operation, .. }) = self.ghosts.remove(&id) else { return Ok(()) };
        let answer = match oracle.answer(id) {
            Some(Reply::Applied { revision, outcome: Ok(outcome) }) => model::outcome(*revision, outcome),
            _ => None,
        };
        match &answer {
            Some(answer) => self.chronicle.answers(now, id.0, || etcd_answer(answer)),
            None => self.chronicle.fails(now, id.0),
        }
        self.close(Some(operation), now, answer)
    }

    /// Closes the history's entry: with the answer, or as something that did not happen.
    fn close(
        &mut self,
        recorded: Option<OperationId>,
        now: Duration,
        answer: Option<ModelAnswer>,
    ) -> Result<(), Violation> {
        let Some(operation) = recorded else { return Ok(()) };
        match answer {
            Some(answer) => self.windows.complete(operation, now, answer).map_err(broken),
            None => {
                self.windows.refuse(operation);
                Ok(())
            }
        }
    }

    fn learn_of_leases(
        &mut self,
        from: NodeId,
        pending: &Pending,
        outcome: &Outcome,
        leases: &mut Leases,
    ) -> Result<(), Violation> {
        match (&pending.command, outcome) {
            (_, Outcome::LeaseGrant { id, ttl_seconds }) => {
                self.known.granted(*id);
                leases.promised(from, *id, pending.sent, Duration::from_secs(ttl_seconds.unsigned_abs()))
            }
            (Command::Propose(Operation::LeaseRevoke { id }), _) => {
                self.known.ended(*id);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn judge_lease(
        &mut self,
        from: NodeId,
        pending: &Pending,
        time: Option<LeaseTime>,
        leases: &mut Leases,
    ) -> Result<(), Violation> {
        let (Command::LeaseRenew(lease) | Command::LeaseTime(lease)) = pending.command else { return Ok(()) };
        match time {
            Some(time) => leases.promised(from, lease, pending.sent, time.remaining),
            None => {
                self.known.ended(lease);
                Ok(())
            }
        }
    }

    fn judge_read(
        &mut self,
        from: NodeId,
        pending: &Pending,
        (revision, answer): (Revision, &Result<Answer, StoreError>),
        leases: &Leases,
    ) -> Result<Option<ModelAnswer>, Violation> {
        let Command::Read { query, consistency } = &pending.command else { return Ok(None) };
        match consistency {
            Consistency::Linearizable => {
                if revision < pending.floor && self.judges_at_once {
                    return Err(stale(from, pending, query, revision));
                }
                self.known.revision = self.known.revision.max(revision);
            }
            Consistency::Serializable => self.judge_progress(from, pending, revision)?,
        }
        let linearizable = *consistency == Consistency::Linearizable;
        match (query, answer) {
            (Query::Range(request), Ok(Answer::Range(response))) if request.revision == 0 && linearizable => {
                let reply = model::range_reply(response);
                return Ok(Some(ModelAnswer { revision: model::number(revision), reply }));
            }
            (Query::Txn(_), Ok(Answer::Txn(response))) => {
                let reply = model::txn_reply(response);
                return Ok(Some(ModelAnswer { revision: model::number(revision), reply }));
            }
            (Query::Range(request), Ok(Answer::Range(response))) => {
                let at = if request.revision > 0 { request.revision } else { revision };
                let pairs = response.kvs.iter().map(model::pair).collect();
                self.note_old_read(model::span(&request.range), at, OldReadAnswer::Pairs(pairs))?;
            }
            (Query::Range(request), Err(StoreError::Compacted { .. })) => {
                let span = model::span(&request.range);
                self.note_old_read(span, request.revision, OldReadAnswer::Compacted)?;
            }
            (_, Err(StoreError::FutureRevision { requested, current })) if linearizable => {
                let sentence = format!(
                    "{from} refused revision {requested} as lying ahead of {current}; a client had been told of {}",
                    pending.floor
                );
                return Err(Violation::new("linearizability", [from], sentence));
            }
            (Query::HashKv(_), Ok(Answer::HashKv { hash, revision, compacted })) => {
                self.judge_hash(from, (*revision, *compacted), *hash)?;
            }
            (Query::Leases, Ok(Answer::Leases(found))) if linearizable => {
                judge_leases(from, pending, found, leases)?;
            }
            _ => {}
        }
        Ok(None)
    }

    /// Within one life a node's own state does not go back.
    fn judge_progress(
        &mut self,
        from: NodeId,
        pending: &Pending,
        revision: Revision,
    ) -> Result<(), Violation> {
        let life = self.received.get(&pending.envelope).copied();
        if let Some((then, shown)) = pending.shown
            && life == Some(then)
            && revision < shown
        {
            let sentence = format!(
                "{from} answered at revision {revision}, after it had shown {shown} in the same life"
            );
            return Err(Violation::new("a node's state does not go back", [from], sentence));
        }
        if let Some((present, shown)) = self.shown.get_mut(&from)
            && life == Some(*present)
        {
            *shown = revision.max(*shown);
        }
        Ok(())
    }

    fn note_old_read(&mut self, span: Span, at: Revision, answer: OldReadAnswer) -> Result<(), Violation> {
        self.old_reads += 1;
        let read = OldRead {
            id: OperationId(self.old_reads),
            span,
            at_revision: model::number(at),
            compaction_requested: model::number(self.known.compaction),
            answer,
        };
        self.windows.read_old(read).map_err(broken)
    }

    fn judge_hash(&mut self, from: NodeId, place: (Revision, Revision), hash: u64) -> Result<(), Violation> {
        let (first, known) = *self.hashes.entry(place).or_insert((from, hash));
        if known == hash {
            return Ok(());
        }
        let sentence = format!(
            "at revision {}, compacted {}, {first} hashes its keys to {known:016x} and {from} to {hash:016x}",
            place.0, place.1
        );
        Err(Violation::new("replicas are equal at equal applied index", [first, from], sentence))
    }

    /// A lease expired, which changed keys: a change that no client asked for. Nobody could see it before it was committed.
    pub fn lease_expired(&mut self, lease: LeaseId, revision: u64, now: Duration) -> Result<(), Violation> {
        let request = Request::Revoke { lease };
        // No request of a client has that number.
        let number = u64::MAX - lease.unsigned_abs();
        self.chronicle.asks(now, EXPIRY_PROCESS, number, || asked(&request));
        let answer = ModelAnswer { revision, reply: ModelReply::Revoke };
        self.chronicle.answers(now, number, || etcd_answer(&answer));
        let operation = self.windows.invoke(EXPIRY, now, request);
        self.close(Some(operation), now, Some(answer))
    }

    /// The run is over: what is left of the answers.
    pub fn judge_rest(&mut self, now: Duration) -> Result<(), Violation> {
        // What was never committed never took effect.
        for (id, ghost) in std::mem::take(&mut self.ghosts) {
            self.chronicle.fails(now, id.0);
            self.windows.refuse(ghost.operation);
        }
        self.windows.finish().map(drop).map_err(broken)
    }
}

fn broken(error: WindowError) -> Violation {
    Violation::new(&error.property, [], error.sentence)
}

/// An acknowledged change is the one that was committed, with its answer.
pub(super) fn judge_applied(
    from: NodeId,
    id: RequestId,
    reply: &Reply,
    oracle: &Oracle,
) -> Result<(), Violation> {
    const PROPERTY: &str = "acknowledged writes are never lost";
    match oracle.answer(id) {
        Some(answer) if answer == reply => Ok(()),
        Some(answer) => {
            let sentence = format!(
                "{from} answered request {} with {reply:?}; what was committed gives {answer:?}",
                id.0
            );
            Err(Violation::new(PROPERTY, [from], sentence))
        }
        None => {
            let sentence =
                format!("{from} acknowledged request {} with {reply:?}, and it was never committed", id.0);
            Err(Violation::new(PROPERTY, [from], sentence))
        }
    }
}

/// No lease is listed that had ended before the question was asked.
fn judge_leases(
    from: NodeId,
    pending: &Pending,
    found: &[LeaseId],
    leases: &Leases,
) -> Result<(), Violation> {
    match found.iter().find(|lease| leases.ended_before(**lease, pending.sent)) {
        None => Ok(()),
        Some(lease) => {
            let sentence = format!(
                "{from} lists lease {lease}, which had ended before it was asked at {:?}",
                pending.sent
            );
            Err(Violation::new("linearizability", [from], sentence))
        }
    }
}

fn stale(from: NodeId, pending: &Pending, query: &Query, revision: Revision) -> Violation {
    let sentence = format!(
        "{from} answered a linearizable read, asked at {:?}, from revision {revision}; revision {} was known to a client \
         before it was asked ({query:?})",
        pending.sent, pending.floor
    );
    Violation::new("linearizability", [from], sentence)
}
