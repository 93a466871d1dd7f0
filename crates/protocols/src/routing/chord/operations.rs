//! What clients ask: lookups, puts and gets, each repeated until it is done or was tried often enough.

use bytes::Bytes;
use synod_machine::RequestId;

use super::forward::Hop;
use super::{
    Answer, Call, Chord, Command, Found, Fx, Identifier, Manner, Next, Peer, Purpose, Question, Reply,
    Search, Standing, Timer, advise,
};

/// A client's request under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Operation {
    id: RequestId,
    key: Identifier,
    what: What,
    attempts: u32,
    search: Option<Search>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum What {
    Lookup(Manner),
    Put(Bytes),
    Get,
}

impl Chord {
    pub(super) fn command(&mut self, id: RequestId, command: Command, fx: &mut Fx<'_>) {
        match command {
            Command::Lookup { key, manner } => self.begin(id, key, What::Lookup(manner), fx),
            Command::Put { key, value } => self.begin(id, key, What::Put(value), fx),
            Command::Get { key } => self.begin(id, key, What::Get, fx),
            Command::Leave => self.leave(id, fx),
            Command::Join => {
                let answer = if self.is_member() { Reply::Unavailable } else { Reply::Joining };
                fx.reply(id, answer);
                if matches!(self.standing, Standing::Outside { .. }) {
                    self.join(fx);
                }
            }
        }
    }

    fn begin(&mut self, id: RequestId, key: Identifier, what: What, fx: &mut Fx<'_>) {
        if !self.is_member() {
            return fx.reply(id, Reply::NotAMember);
        }
        let operation = self.next_call;
        self.next_call = Call(operation.0 + 1);
        self.operations.insert(operation, Operation { id, key, what, attempts: 0, search: None });
        self.try_operation(operation, fx);
    }

    /// Begins an attempt.
    pub(super) fn try_operation(&mut self, call: Call, fx: &mut Fx<'_>) {
        let Some(operation) = self.operations.get_mut(&call) else { return };
        operation.attempts += 1;
        if operation.attempts > self.config.attempts_max || self.table.successors.is_empty() {
            return self.finish(call, Reply::Unavailable, fx);
        }
        let key = operation.key;
        if let What::Lookup(Manner::Recursive) = operation.what {
            // The result may never come: a node on the way can die with the question.
            fx.arm(Timer::Retry(call), self.config.answer_timeout * 16..=self.config.answer_timeout * 16);
            let origin = self.table.me.node;
            return self.forward(Hop { origin, lookup: call, key, hops: 0, timeouts: 0 }, fx);
        }
        operation.search = Some(Search::new(self.config.ring, key, advise(&self.table, key)));
        let is_lookup = matches!(operation.what, What::Lookup(_));
        match self.found_here(key) {
            Some(found) if is_lookup => self.finish(call, Reply::Found(found), fx),
            _ if !is_lookup && self.owns(key) => self.finish_here(call, fx),
            _ => self.advance(call, fx),
        }
    }

    fn advance(&mut self, call: Call, fx: &mut Fx<'_>) {
        let me = self.table.me;
        let Some(Operation { key, what, search: Some(search), .. }) = self.operations.get_mut(&call) else {
            return;
        };
        let key = *key;
        let (peer, question) = match (search.step(), what) {
            (Next::Ask(peer), _) => (peer, Question::Route { key, joining: None }),
            (Next::Lost, _) => return self.later(call, fx),
            (Next::Found { owner, predecessor }, What::Lookup(_)) => {
                let (hops, timeouts) = (search.hops(), search.timeouts());
                let found = Found { key, owner, predecessor, hops, timeouts };
                return self.finish(call, Reply::Found(found), fx);
            }
            (Next::Found { owner, .. }, _) if owner == me => return self.finish_here(call, fx),
            (Next::Found { owner, .. }, What::Put(value)) => {
                (owner, Question::Put { key, value: value.clone() })
            }
            (Next::Found { owner, .. }, What::Get) => (owner, Question::Get { key }),
        };
        self.ask(peer, question, Purpose::Operation(call), fx);
    }

    /// A key between the predecessor and this node needs no asking. What is served here does not say so: a range can begin before a predecessor that has just come, or is gone.
    fn found_here(&self, key: Identifier) -> Option<Found> {
        let owner = self.table.me;
        let predecessor = self.table.predecessor?;
        let is_here = self.config.ring.up_to(predecessor.id, key, owner.id);
        is_here.then_some(Found { key, owner, predecessor, hops: 0, timeouts: 0 })
    }

    /// The key to put or get is, or should be, here.
    fn finish_here(&mut self, call: Call, fx: &mut Fx<'_>) {
        let Operation { key, what, .. } = &self.operations[&call];
        let (key, what) = (*key, what.clone());
        let answer = match what {
            What::Lookup(_) => return self.later(call, fx),
            What::Put(value) => self.put(key, value),
            What::Get => self.get(key),
        };
        match answer {
            Answer::Stored => self.finish(call, Reply::Stored, fx),
            Answer::Value(value) => self.finish(call, Reply::Value(value), fx),
            _ => self.later(call, fx),
        }
    }

    pub(super) fn operation_answered(&mut self, call: Call, from: Peer, answer: Answer, fx: &mut Fx<'_>) {
        let Some(operation) = self.operations.get_mut(&call) else { return };
        match (answer, &mut operation.search) {
            (Answer::Advice(advice), Some(search)) => {
                search.advised(advice);
                self.advance(call, fx);
            }
            (Answer::Stored, _) => self.finish(call, Reply::Stored, fx),
            (Answer::Value(value), _) => self.finish(call, Reply::Value(value), fx),
            (Answer::NotMine(Some(nearer)), _) if nearer != from => self.redirected(call, nearer, fx),
            _ => self.later(call, fx),
        }
    }

    /// The node that was taken for the owner knows one before it that is nearer to the key.
    fn redirected(&mut self, call: Call, nearer: Peer, fx: &mut Fx<'_>) {
        let Some(operation) = self.operations.get_mut(&call) else { return };
        operation.attempts += 1;
        if operation.attempts > self.config.attempts_max || nearer == self.table.me {
            return self.later(call, fx);
        }
        let key = operation.key;
        let question = match &operation.what {
            What::Put(value) => Question::Put { key, value: value.clone() },
            What::Get | What::Lookup(_) => Question::Get { key },
        };
        self.ask(nearer, question, Purpose::Operation(call), fx);
    }

    pub(super) fn operation_failed(&mut self, call: Call, peer: Peer, fx: &mut Fx<'_>) {
        if let Some(Operation { search: Some(search), .. }) = self.operations.get_mut(&call) {
            search.failed(peer.node);
            self.advance(call, fx);
        }
    }

    /// The end of a recursive lookup.
    pub(super) fn arrived(&mut self, call: Call, found: Found, fx: &mut Fx<'_>) {
        if self.operations.get(&call).is_some_and(|operation| operation.key == found.key) {
            self.finish(call, Reply::Found(found), fx);
        }
    }

    fn later(&mut self, call: Call, fx: &mut Fx<'_>) {
        fx.note("chord.retries", 1);
        fx.arm(Timer::Retry(call), self.config.retry_after..=self.config.retry_after);
    }

    fn finish(&mut self, call: Call, reply: Reply, fx: &mut Fx<'_>) {
        if let Some(operation) = self.operations.remove(&call) {
            fx.disarm(Timer::Retry(call));
            fx.reply(operation.id, reply);
        }
    }
}
