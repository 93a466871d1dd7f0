//! The node: its groups, and the one log they share.

use std::collections::BTreeMap;

use synod_machine::{Context, Effects, Input, Machine, Needs, NodeId, RequestId, Ticket, View};

use crate::shard::{Fx, Ledger, Shard, ShardBoot, ShardConfig};
use crate::{Command, Done, Event, GroupId, Job, Message, Reply, Timer, Write};

/// What a node is made of.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// This node; never 0, which stands for a group itself in the session table.
    pub me: NodeId,
    /// The groups that live here, each with what its replica has.
    pub groups: Vec<(GroupId, ShardConfig, ShardBoot)>,
}

/// One database node.
pub struct Node {
    me: NodeId,
    shards: BTreeMap<GroupId, Shard>,
    /// How many times this node has started, itself included.
    boot: u64,
    /// Where that number stands in the log.
    boot_ticket: Ticket,
    /// Until then nothing of this session leaves the node.
    boot_durable: bool,
    ledger: Ledger,
    forgotten: Ticket,
}

impl Node {
    /// A node that has not started yet.
    pub fn new(config: NodeConfig) -> Self {
        let me = config.me;
        let shards = config
            .groups
            .into_iter()
            .map(|(group, config, boot)| (group, Shard::new(group, me, config, boot)))
            .collect();
        Node {
            me,
            shards,
            boot: 0,
            boot_ticket: Ticket::default(),
            boot_durable: false,
            ledger: Ledger::default(),
            forgotten: Ticket::default(),
        }
    }

    /// A group, to look at.
    pub fn shard(&self, group: GroupId) -> Option<&Shard> {
        self.shards.get(&group)
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.me
    }

    fn start(&mut self, cx: &Context<'_>, saved: Vec<Write>, fx: &mut Effects<'_, Node>) {
        let mut by_group: BTreeMap<GroupId, Vec<_>> = BTreeMap::new();
        for write in saved {
            match write {
                Write::Boot { number } => self.boot = self.boot.max(number),
                Write::Raft { group, write } => by_group.entry(group).or_default().push(write),
            }
        }
        self.boot += 1;
        self.boot_ticket = fx.write(Write::Boot { number: self.boot });
        let (boot, ledger, shards) = (self.boot, &mut self.ledger, &mut self.shards);
        fx.hold(self.boot_ticket, |fx| {
            let mut fx = Fx { fx, ledger };
            for (group, shard) in shards {
                shard.start(cx, boot, by_group.remove(group).unwrap_or_default(), &mut fx);
            }
        });
    }

    fn act(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { .. } => panic!("a node starts once: expected another input, found Start"),
            Input::Receive { from, message } => {
                let group = message.group();
                self.with_shard(group, fx, |shard, fx| shard.receive(cx, from, message, fx));
            }
            Input::Fire(Timer::Raft(group, timer)) => {
                self.with_shard(group, fx, |shard, fx| shard.step_raft(cx, Input::Fire(timer), fx));
            }
            Input::Fire(Timer::Shard(group, timer)) => {
                self.with_shard(group, fx, |shard, fx| shard.fire(cx, timer, fx));
            }
            Input::Command { id, command } => self.command(cx, id, command, fx),
            Input::Durable(ticket) => self.durable(cx, ticket, fx),
            Input::Done(done) => {
                let group = done.group();
                self.with_shard(group, fx, |shard, fx| shard.done(cx, done, fx));
            }
            Input::Link { peer, up } => self.link(cx, peer, up, fx),
        }
    }

    /// Hands an input to the group that it is about.
    fn with_shard(
        &mut self,
        group: GroupId,
        fx: &mut Effects<'_, Node>,
        act: impl FnOnce(&mut Shard, &mut Fx<'_, '_>),
    ) {
        match self.shards.get_mut(&group) {
            Some(shard) => act(shard, &mut Fx { fx, ledger: &mut self.ledger }),
            None => fx.note("input for a group that is not here", 1),
        }
    }

    fn command(&mut self, cx: &Context<'_>, id: RequestId, command: Command, fx: &mut Effects<'_, Node>) {
        // One group holds all keys; routing by key will choose here.
        let group = GroupId::default();
        let commands = match command {
            Command::Batch(commands) => commands,
            command => vec![command],
        };
        let numbered = commands.into_iter().zip(id.0..).map(|(command, id)| (RequestId(id), command));
        self.with_shard(group, fx, |shard, fx| shard.commands(cx, numbered, fx));
    }

    fn durable(&mut self, cx: &Context<'_>, ticket: Ticket, fx: &mut Effects<'_, Node>) {
        self.boot_durable |= ticket >= self.boot_ticket;
        let groups: Vec<GroupId> = self.ledger.unsynced.keys().copied().collect();
        for group in groups {
            if self.ledger.unsynced.get(&group).is_some_and(|last| *last <= ticket) {
                self.ledger.unsynced.remove(&group);
            }
            self.with_shard(group, fx, |shard, fx| shard.step_raft(cx, Input::Durable(ticket), fx));
        }
    }

    fn link(&mut self, cx: &Context<'_>, peer: NodeId, up: bool, fx: &mut Effects<'_, Node>) {
        let mut fx = Fx { fx, ledger: &mut self.ledger };
        for shard in self.shards.values_mut() {
            shard.step_raft(cx, Input::Link { peer, up }, &mut fx);
        }
    }

    /// Lets go of the part of the log that no group needs.
    fn forget(&mut self, fx: &mut Effects<'_, Node>) {
        if !std::mem::take(&mut self.ledger.changed) {
            return;
        }
        let needed =
            self.shards.keys().map(|group| self.ledger.needed.get(group).copied().unwrap_or_default()).min();
        let Some(needed) = needed.filter(|needed| *needed > self.forgotten) else { return };
        if self.boot_ticket < needed {
            // The number moves behind what is let go; it comes back at a start only if it survives, as the old one does till then.
            self.boot_ticket = fx.write(Write::Boot { number: self.boot });
        }
        self.forgotten = needed;
        fx.forget(needed);
    }
}

impl Machine for Node {
    type Message = Message;
    type Timer = Timer;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;
    type Write = Write;
    type Job = Job;
    type Done = Done;

    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: true,
        wall_clock: false,
    };

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => self.start(cx, saved, fx),
            input if self.boot_durable => self.act(cx, input, fx),
            // A number that is lost in a crash is given again: nothing may leave under it before it is durable.
            input => {
                let ticket = self.boot_ticket;
                fx.hold(ticket, |fx| self.act(cx, input, fx));
            }
        }
        self.forget(fx);
    }

    fn inspect(&self, view: &mut View) {
        view.show("boot", self.boot);
        for (group, shard) in &self.shards {
            view.scope(&format!("g{}", group.0), |view| shard.inspect(view));
        }
    }
}
