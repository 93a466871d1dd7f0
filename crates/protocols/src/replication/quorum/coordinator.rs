//! The node that a client talks to: it asks all of a key's nodes and waits for enough.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use bytes::Bytes;
use synod_machine::{NodeId, RequestId};

use super::{Command, Copy, Fx, Key, Message, Own, Quorum, Reply, Serial, Tag, Timer, Versions};
use crate::clocks::{Dot, Siblings, VersionVector};

/// A client's request under way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Operation {
    id: RequestId,
    key: Key,
    /// The key's nodes.
    preference: Vec<NodeId>,
    /// Nodes that were asked in place of those that were silent, with whom they stand in for.
    stand_ins: BTreeMap<NodeId, NodeId>,
    phase: Phase,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// Waiting for R copies.
    Collect { copies: BTreeMap<NodeId, Copy>, then: Then },
    /// Waiting for W nodes to have it.
    Spread { copy: Copy, at: BTreeSet<NodeId>, reply: Reply },
    /// The client was answered; late copies are still repaired.
    Repair { copy: Copy, copies: BTreeSet<NodeId> },
}

/// What R copies are for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Then {
    Read,
    Write(Bytes),
}

impl Quorum {
    pub(super) fn command(&mut self, id: RequestId, command: Command, fx: &mut Fx<'_>) {
        match (command, self.config.versions) {
            (Command::Read { key }, _) => self.collect(id, key, Then::Read, fx),
            (Command::Write { key, value, .. }, Versions::Tags) => {
                self.collect(id, key, Then::Write(value), fx)
            }
            (Command::Write { key, value, seen }, Versions::Vectors) => self.put(id, key, value, &seen, fx),
        }
    }

    fn begin(&mut self, operation: Operation, fx: &mut Fx<'_>) -> Serial {
        let serial = self.serial(fx);
        self.operations.insert(serial, operation);
        fx.arm(Timer::GiveUp(serial), self.config.give_up_after..=self.config.give_up_after);
        fx.arm(Timer::Again(serial), self.config.again_after..=self.config.again_after);
        serial
    }

    /// Unique also across crashes, as late answers to a former life would otherwise count.
    fn serial(&mut self, fx: &mut Fx<'_>) -> Serial {
        if self.next == Serial(0) {
            self.next = Serial(fx.entropy() >> 1);
        }
        self.next = Serial(self.next.0 + 1);
        self.next
    }

    fn collect(&mut self, id: RequestId, key: Key, then: Then, fx: &mut Fx<'_>) {
        let preference = self.preference(key);
        let phase = Phase::Collect { copies: BTreeMap::new(), then };
        let serial = self.begin(Operation { id, key, preference, stand_ins: BTreeMap::new(), phase }, fx);
        self.ask(serial, fx);
    }

    /// A write with vectors: put into this node's own copy, then sent to the others.
    fn put(&mut self, id: RequestId, key: Key, value: Bytes, seen: &VersionVector, fx: &mut Fx<'_>) {
        let preference = self.preference(key);
        if !preference.contains(&self.me) {
            return fx.reply(id, Reply::NotAReplica { preference });
        }
        let mut siblings = match self.copies.get(&key) {
            Some(Copy::Siblings(siblings)) => siblings.clone(),
            _ => Siblings::default(),
        };
        let dot: Dot = siblings.put(self.me, seen, value);
        let (copy, reply) = (Copy::Siblings(siblings), Reply::Written { dot: Some(dot) });
        let phase = Phase::Spread { copy, at: BTreeSet::new(), reply };
        let serial = self.begin(Operation { id, key, preference, stand_ins: BTreeMap::new(), phase }, fx);
        // This node's own copy is first: the dot must not be given twice, so it is durable before anybody hears of it.
        self.spread(serial, fx);
    }

    /// Asks all nodes that have not answered this phase.
    fn ask(&mut self, serial: Serial, fx: &mut Fx<'_>) {
        let Some(operation) = self.operations.get(&serial) else { return };
        let (key, phase) = (operation.key, operation.phase.clone());
        let asked: Vec<NodeId> = operation.asked().collect();
        for node in asked {
            match &phase {
                Phase::Collect { copies, .. } if !copies.contains_key(&node) => {
                    self.fetch_from(node, serial, key, fx)
                }
                Phase::Repair { copies, .. } if !copies.contains(&node) => {
                    self.fetch_from(node, serial, key, fx)
                }
                _ => {}
            }
        }
        if let Phase::Spread { .. } = phase {
            self.spread(serial, fx);
        }
    }

    fn fetch_from(&mut self, node: NodeId, serial: Serial, key: Key, fx: &mut Fx<'_>) {
        if node == self.me {
            let copy = self.known(key);
            self.when_durable(Own::Fetched { serial, copy }, fx);
        } else {
            fx.send(node, Message::Fetch { serial, key });
        }
    }

    /// Sends what is to be stored to all that have not stored it. What goes to others waits until this node's own copy is durable, if it has one.
    fn spread(&mut self, serial: Serial, fx: &mut Fx<'_>) {
        let Some(operation) = self.operations.get(&serial) else { return };
        let Phase::Spread { copy, at, .. } = &operation.phase else { return };
        let (key, copy) = (operation.key, copy.clone());
        let mut to: Vec<(NodeId, Option<NodeId>)> =
            operation.asked().map(|node| (node, operation.stands_in(node))).collect();
        to.retain(|(node, _)| !at.contains(node));
        let me = self.me;
        let mut own = None;
        if to.iter().any(|(node, _)| *node == me) {
            own = Some(self.merge(key, &copy, fx));
            self.when_durable(Own::Stored { serial }, fx);
        }
        for (node, owner) in to.into_iter().filter(|(node, _)| *node != me) {
            let message = Message::Store { serial: Some(serial), key, copy: copy.clone(), owner };
            match own {
                Some(ticket) if self.config.versions == Versions::Vectors => {
                    fx.hold(ticket, |fx| fx.send(node, message));
                }
                _ => fx.send(node, message),
            }
        }
    }

    pub(super) fn fetched(&mut self, from: NodeId, serial: Serial, copy: Copy, fx: &mut Fx<'_>) {
        let needed = self.config.read;
        let Some(operation) = self.operations.get_mut(&serial) else { return };
        if !operation.asked().any(|node| node == from) {
            return fx.note("quorum.answers_strange", 1);
        }
        let key = operation.key;
        match &mut operation.phase {
            Phase::Collect { copies, .. } => {
                copies.insert(from, copy);
                if copies.len() >= needed {
                    self.collected(serial, fx);
                }
            }
            Phase::Repair { copy: newest, copies } => {
                let repair = copy.lacks(newest).then(|| newest.clone());
                copies.insert(from);
                let all = copies.len() >= operation.preference.len();
                if let Some(copy) = repair {
                    self.repair(from, key, copy, fx);
                }
                if all {
                    self.end(serial, fx);
                }
            }
            Phase::Spread { .. } => {}
        }
    }

    /// R copies are here.
    fn collected(&mut self, serial: Serial, fx: &mut Fx<'_>) {
        let Some(Operation { id, key, preference, stand_ins, phase }) = self.operations.remove(&serial)
        else {
            return;
        };
        let Phase::Collect { copies, then } = phase else { return };
        fx.disarm(Timer::Again(serial));
        fx.disarm(Timer::GiveUp(serial));
        let mut newest = Copy::Nothing;
        copies.values().for_each(|copy| {
            newest.merge(copy);
        });
        let operation = |phase| Operation { id, key, preference, stand_ins, phase };
        match then {
            Then::Write(value) => {
                let tag = Tag { counter: newest.tag().counter + 1, node: self.me, nonce: fx.entropy() };
                let copy = Copy::Tagged { tag, value };
                let phase = Phase::Spread { copy, at: BTreeSet::new(), reply: Reply::Written { dot: None } };
                let serial = self.begin(operation(phase), fx);
                self.spread(serial, fx);
            }
            Then::Read => {
                let reply = Reply::Values { values: newest.values(), context: newest.context() };
                let up_to_date =
                    || copies.iter().filter(|(_, copy)| !copy.lacks(&newest)).map(|(node, _)| *node);
                let register = self.config.versions == Versions::Tags && self.config.write_back;
                if register && newest != Copy::Nothing && up_to_date().count() < self.config.write {
                    fx.note("quorum.written_back", 1);
                    let phase = Phase::Spread { copy: newest.clone(), at: up_to_date().collect(), reply };
                    let serial = self.begin(operation(phase), fx);
                    self.spread(serial, fx);
                } else {
                    fx.reply(id, reply);
                    self.repair_late(operation, &copies, newest, serial, fx);
                }
            }
        }
    }

    /// The client has its answer; those that are behind get what they lack, also those that answer late.
    fn repair_late(
        &mut self,
        operation: impl FnOnce(Phase) -> Operation,
        copies: &BTreeMap<NodeId, Copy>,
        newest: Copy,
        serial: Serial,
        fx: &mut Fx<'_>,
    ) {
        if !self.config.read_repair {
            return;
        }
        let operation =
            operation(Phase::Repair { copy: newest.clone(), copies: copies.keys().copied().collect() });
        let behind: Vec<NodeId> =
            copies.iter().filter(|(_, copy)| copy.lacks(&newest)).map(|(node, _)| *node).collect();
        for node in behind {
            self.repair(node, operation.key, newest.clone(), fx);
        }
        if copies.len() < operation.preference.len() {
            self.operations.insert(serial, operation);
            fx.arm(Timer::GiveUp(serial), self.config.again_after..=self.config.again_after);
        }
    }

    fn repair(&mut self, node: NodeId, key: Key, copy: Copy, fx: &mut Fx<'_>) {
        fx.note("quorum.repaired", 1);
        if node == self.me {
            self.merge(key, &copy, fx);
        } else if self.preference(key).contains(&node) {
            fx.send(node, Message::Store { serial: None, key, copy, owner: None });
        }
    }

    pub(super) fn stored(&mut self, from: NodeId, serial: Serial, fx: &mut Fx<'_>) {
        let needed = self.config.write;
        let Some(operation) = self.operations.get_mut(&serial) else { return };
        if !operation.asked().any(|node| node == from) {
            return fx.note("quorum.answers_strange", 1);
        }
        let total = operation.preference.len();
        let Operation { id, phase: Phase::Spread { at, reply, .. }, .. } = operation else { return };
        let before = at.len();
        at.insert(from);
        let (id, count) = (*id, at.len());
        if before < needed && count >= needed {
            let reply = reply.clone();
            fx.reply(id, reply);
        }
        // The rest are asked until the request's time is over: a copy more is a failure survived.
        if count >= total {
            self.end(serial, fx);
        }
    }

    /// Some are silent: ask them again, and where the quorum is sloppy others in their place.
    pub(super) fn again(&mut self, serial: Serial, fx: &mut Fx<'_>) {
        if self.config.sloppy {
            self.find_stand_ins(serial, fx);
        }
        if self.operations.contains_key(&serial) {
            fx.arm(Timer::Again(serial), self.config.again_after..=self.config.again_after);
            self.ask(serial, fx);
        }
    }

    fn find_stand_ins(&mut self, serial: Serial, fx: &mut Fx<'_>) {
        let Some(operation) = self.operations.get(&serial) else { return };
        let silent: Vec<NodeId> = operation.silent().collect();
        let taken: Vec<NodeId> = operation.stand_ins.values().copied().collect();
        let all = self.ring.replicas(self.place(operation.key), self.ring.members().count());
        let asked: BTreeSet<NodeId> = operation.asked().collect();
        let mut free = all.into_iter().filter(|node| !asked.contains(node));
        let mut added = Vec::new();
        for owner in silent.into_iter().filter(|owner| !taken.contains(owner)) {
            if let Some(node) = free.next() {
                added.push((node, owner));
            }
        }
        fx.note("quorum.stand_ins", added.len() as u64);
        if let Some(operation) = self.operations.get_mut(&serial) {
            operation.stand_ins.extend(added);
        }
    }

    pub(super) fn give_up(&mut self, serial: Serial, fx: &mut Fx<'_>) {
        let needed = self.config.write;
        let Some(operation) = self.operations.get(&serial) else { return };
        let answered = match &operation.phase {
            Phase::Collect { .. } => false,
            Phase::Spread { at, .. } => at.len() >= needed,
            Phase::Repair { .. } => true,
        };
        if !answered {
            let id = operation.id;
            fx.note("quorum.unavailable", 1);
            fx.reply(id, Reply::Unavailable);
        }
        self.end(serial, fx);
    }

    fn end(&mut self, serial: Serial, fx: &mut Fx<'_>) {
        self.operations.remove(&serial);
        fx.disarm(Timer::Again(serial));
        fx.disarm(Timer::GiveUp(serial));
    }
}

impl Operation {
    /// The key's nodes, and those that stand in for some.
    fn asked(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.preference.iter().chain(self.stand_ins.keys()).copied()
    }

    fn stands_in(&self, node: NodeId) -> Option<NodeId> {
        self.stand_ins.get(&node).copied()
    }

    /// The key's nodes that have not answered this phase.
    fn silent(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.preference.iter().copied().filter(|node| match &self.phase {
            Phase::Collect { copies, .. } => !copies.contains_key(node),
            Phase::Spread { at, .. } => !at.contains(node),
            Phase::Repair { .. } => false,
        })
    }
}
