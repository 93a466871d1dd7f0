//! What an action does.

use std::sync::Arc;

use synod_machine::{
    Buffer, Context, Effect, Fate, Input, Loss, Machine, NodeId, Record, RequestId, SendId, Ticket,
};

use super::budgets::spend;
use super::script::{Entropy, Script};
use super::state::{Envelope, Held, Memory, Node, State};
use super::{Action, Asked, Explorable, Observation, Remembers, SmallWorld, What};
use crate::panics::caught;

/// Sees what happens while an action is performed. Searches do not look; pictures do.
pub(super) trait Watch<M: Machine> {
    /// Whether anybody looks.
    const LOOKS: bool;
    /// A step was made; the machine is as it is after it.
    fn record(&mut self, record: Record<M>, machine: &M);
    /// A message met its fate.
    fn fate(&mut self, id: SendId, from: NodeId, to: NodeId, fate: Fate);
    /// The world did something.
    fn world(&mut self, node: NodeId, kind: &'static str, what: String);
    /// The number of the next record.
    fn next_record(&self) -> u64;
    /// The next action of a path begins, the so-manieth.
    fn action(&mut self, number: u64);
}

/// Nobody looks.
pub(super) struct Silent;

impl<M: Machine> Watch<M> for Silent {
    const LOOKS: bool = false;
    fn record(&mut self, _: Record<M>, _: &M) {}
    fn fate(&mut self, _: SendId, _: NodeId, _: NodeId, _: Fate) {}
    fn world(&mut self, _: NodeId, _: &'static str, _: String) {}
    fn next_record(&self) -> u64 {
        0
    }
    fn action(&mut self, _: u64) {}
}

/// A state in the making.
struct Performance<'a, M: Explorable, H: Remembers, W> {
    world: &'a SmallWorld<M, H>,
    state: State<M, H>,
    /// The memory, once it was changed.
    memory: Option<H>,
    script: &'a mut Script,
    watch: &'a mut W,
}

impl<M: Explorable, H: Remembers> SmallWorld<M, H> {
    /// The world when every node has started.
    pub(super) fn start<W: Watch<M>>(&self, script: &mut Script, watch: &mut W) -> State<M, H> {
        let state = State {
            nodes: self.nodes.iter().map(|_| Arc::new(Node::new())).collect(),
            network: Vec::new(),
            left: self.budgets,
            memory: Arc::new(Memory::new(self.remembers.clone(), self.symmetry.as_ref())),
            panic: None,
            sends: 0,
        };
        let mut performance = Performance { world: self, state, memory: None, script, watch };
        for place in 0..self.nodes.len() {
            let mut node = Node::new();
            performance.boot(place, &mut node);
            performance.put_back(place, node);
        }
        performance.end()
    }

    /// The world after `action`, with choices from the script.
    pub(super) fn perform<W: Watch<M>>(
        &self,
        state: &State<M, H>,
        action: Action,
        script: &mut Script,
        watch: &mut W,
    ) -> State<M, H> {
        let mut performance = Performance { world: self, state: state.clone(), memory: None, script, watch };
        performance.act(action);
        performance.end()
    }
}

impl<M: Explorable, H: Remembers, W: Watch<M>> Performance<'_, M, H, W> {
    fn act(&mut self, Action { node: place, what }: Action) {
        let id = self.world.nodes[place];
        let mut node = Node::clone(&self.state.nodes[place]);
        match what {
            What::Deliver(message) => {
                let envelope = self.state.network.remove(message);
                if node.up() {
                    self.deliver(place, &mut node, &envelope, Fate::Delivered(self.watch.next_record()));
                } else {
                    self.lost(&envelope, Loss::ReceiverDown);
                }
            }
            What::Duplicate(message) => {
                spend(&mut self.state.left.duplicates);
                let envelope = Arc::clone(&self.state.network[message]);
                let fate = Fate::Duplicated(vec![self.watch.next_record()]);
                self.deliver(place, &mut node, &envelope, fate);
            }
            What::Drop(message) => {
                spend(&mut self.state.left.losses);
                let envelope = self.state.network.remove(message);
                self.lost(&envelope, Loss::Lossy);
            }
            What::Fire(timer) => {
                spend(&mut self.state.left.timeouts);
                let timer = node.timers.remove(timer);
                node.now = node.now + self.world.clock_step;
                self.step(place, &mut node, Input::Fire(timer), None);
            }
            What::Sync(count) => self.sync(place, &mut node, count),
            What::Command => {
                let Asked { id: request, command, .. } = &self.world.commands[place][node.asked];
                node.asked += 1;
                node.answered = false;
                self.observe(Observation::Command { node: id, id: *request, command });
                let input = Input::Command { id: *request, command: command.clone() };
                self.step(place, &mut node, input, None);
            }
            What::Crash(_) | What::Wipe => self.crash(place, &mut node, what),
            What::Restart => {
                spend(&mut self.state.left.restarts);
                self.observe(Observation::Restart { node: id });
                self.boot(place, &mut node);
            }
        }
        self.put_back(place, node);
    }

    fn put_back(&mut self, place: usize, mut node: Node<M>) {
        node.seal();
        if let Some(symmetry) = &self.world.symmetry {
            let id = self.world.nodes[place];
            assert!(
                node.drawn == 0 || !symmetry.renames(id),
                "expected that {id} draws no entropy, since it was said to be interchangeable"
            );
            node.renamed = symmetry.node_hashes(&node);
        }
        self.state.nodes[place] = Arc::new(node);
    }

    fn end(mut self) -> State<M, H> {
        if let Some(memory) = self.memory.take() {
            self.state.memory = Arc::new(Memory::new(memory, self.world.symmetry.as_ref()));
        }
        if self.state.left.restarts == 0 {
            self.drop_undeliverable();
        }
        self.state
    }

    /// What goes to a node that is down for good will never be received.
    fn drop_undeliverable(&mut self) {
        let (world, nodes) = (self.world, &self.state.nodes);
        if nodes.iter().all(|node| node.up()) {
            return;
        }
        let deliverable =
            |envelope: &Envelope<M>| world.index(envelope.to).is_some_and(|place| nodes[place].up());
        let network = std::mem::take(&mut self.state.network);
        let (kept, gone): (Vec<_>, Vec<_>) = network.into_iter().partition(|envelope| deliverable(envelope));
        self.state.network = kept;
        gone.iter().for_each(|envelope| self.lost(envelope, Loss::ReceiverDown));
    }

    fn lost(&mut self, envelope: &Envelope<M>, loss: Loss) {
        self.watch.fate(envelope.id, envelope.from, envelope.to, Fate::Dropped(loss));
    }

    fn deliver(&mut self, place: usize, node: &mut Node<M>, envelope: &Envelope<M>, fate: Fate) {
        self.watch.fate(envelope.id, envelope.from, envelope.to, fate);
        let input = Input::Receive { from: envelope.from, message: envelope.message.clone() };
        self.step(place, node, input, Some(envelope.id));
    }

    fn boot(&mut self, place: usize, node: &mut Node<M>) {
        let id = self.world.nodes[place];
        if W::LOOKS {
            self.watch.world(id, "start", "starts".to_owned());
        }
        node.machine = Some((self.world.boot)(id));
        let saved = node.durable.iter().map(|(_, write)| write.clone()).collect();
        self.step(place, node, Input::Start { saved }, None);
    }

    fn crash(&mut self, place: usize, node: &mut Node<M>, what: What) {
        let id = self.world.nodes[place];
        let unsynced = node.unsynced.len();
        for (_, held) in &node.held {
            if let Held::Send { id: send, to, .. } = held {
                self.watch.fate(*send, id, *to, Fate::Dropped(Loss::NeverLeft));
            }
        }
        let text = match what {
            What::Crash(kept) => {
                spend(&mut self.state.left.crashes);
                node.crash(kept);
                match unsynced {
                    0 => "crashes".to_owned(),
                    _ => format!("crashes, {} of {unsynced} unsynced writes lost", unsynced - kept),
                }
            }
            _ => {
                spend(&mut self.state.left.wipes);
                node.wipe();
                "crashes, its disk is lost".to_owned()
            }
        };
        if W::LOOKS {
            self.watch.world(id, "crash", text);
        }
        self.observe(Observation::Crash { node: id });
    }

    /// The oldest writes become durable, what waited for them leaves, and the machine is told.
    fn sync(&mut self, place: usize, node: &mut Node<M>, count: usize) {
        let durable = node.sync(count);
        let (ready, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut node.held).into_iter().partition(|(ticket, _)| *ticket <= durable);
        node.held = waiting;
        for (_, held) in ready {
            match held {
                Held::Send { id, to, message } => self.depart(place, id, to, message),
                Held::Reply { id, reply } => self.answer(place, node, id, &reply),
            }
        }
        self.step(place, node, Input::Durable(durable), None);
    }

    fn step(&mut self, place: usize, node: &mut Node<M>, input: Input<M>, cause: Option<SendId>) {
        let id = self.world.nodes[place];
        let Some(machine) = &mut node.machine else { return };
        let kept = W::LOOKS.then(|| input.clone());
        self.script.entropy = Entropy { node: id.0, drawn: node.drawn };
        let mut buffer = Buffer::new(&mut *self.script, node.next);
        let cx = Context::at(id, node.now);
        let outcome = caught(|| machine.step(&cx, input, &mut buffer.effects()));
        node.next = buffer.next_ticket();
        let effects = std::mem::take(&mut buffer.effects);
        node.drawn = self.script.entropy.drawn;
        if let Some(input) = kept {
            let (number, first_send) = (self.watch.next_record(), SendId(self.state.sends));
            let effects = effects.clone();
            let record = Record { number, node: id, time: node.now, cause, input, effects, first_send };
            self.watch.record(record, machine);
        }
        if let Err(message) = outcome {
            self.state.panic = Some(format!("{id} panicked: {message}").into());
            return;
        }
        effects.into_iter().for_each(|effect| self.effect(place, node, effect));
        if self.world.synchronous_disk && !node.unsynced.is_empty() {
            self.sync(place, node, node.unsynced.len());
        }
    }

    fn effect(&mut self, place: usize, node: &mut Node<M>, effect: Effect<M>) {
        let durable = node.durable_to();
        let holds = |after: Option<Ticket>| after.filter(|ticket| *ticket > durable);
        match effect {
            Effect::Send { to, message, after } => {
                let id = SendId(self.state.sends);
                self.state.sends += 1;
                match holds(after) {
                    Some(ticket) => node.held.push((ticket, Held::Send { id, to, message })),
                    None => self.depart(place, id, to, message),
                }
            }
            Effect::Reply { id, reply, after } => match holds(after) {
                Some(ticket) => node.held.push((ticket, Held::Reply { id, reply })),
                None => self.answer(place, node, id, &reply),
            },
            Effect::Emit(event) => {
                self.observe(Observation::Event { node: self.world.nodes[place], event: &event });
            }
            Effect::Arm { timer, .. } => node.arm(timer),
            Effect::Disarm(timer) => node.disarm(&timer),
            Effect::Write { ticket, write } => node.unsynced.push((ticket, write)),
            Effect::Forget { before } => match node.unsynced.last() {
                None => node.forget(before),
                Some((last, _)) => node.forgetting.push((*last, before)),
            },
            // A worker may take for ever.
            Effect::Work(_) | Effect::Note { .. } => {}
        }
    }

    fn depart(&mut self, place: usize, id: SendId, to: NodeId, message: M::Message) {
        let envelope = self.world.envelope(id, self.world.nodes[place], to, message);
        match self.world.index(to) {
            Some(_) => self.state.send(envelope, self.world.fifo),
            None => self.lost(&envelope, Loss::ReceiverDown),
        }
    }

    fn answer(&mut self, place: usize, node: &mut Node<M>, id: RequestId, reply: &M::Reply) {
        let last = node.asked.checked_sub(1).map(|last| self.world.commands[place][last].id);
        node.answered |= last == Some(id);
        self.observe(Observation::Reply { node: self.world.nodes[place], id, reply });
    }

    fn observe(&mut self, observation: Observation<'_, M>) {
        if let Some(observe) = &self.world.observe {
            let memory = self.memory.get_or_insert_with(|| self.state.memory.value.clone());
            observe(memory, observation);
        }
    }
}
