//! The members of a hunted group, those who speak to them, and what must hold.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use synod_machine::{Effect, NodeId, RequestId};
use synod_protocols::failure::swim::invariants::History;
use synod_protocols::failure::swim::{
    Command, Config, Event, Member, Message, Phase, Reply, State, Swim, Table,
};
use synod_sim::{Boot, Clients, Step, Violation};

use crate::entry::{Ensemble, Invariant, Nodes};

/// How often somebody says something new about itself.
const SAY: Duration = Duration::from_millis(1_700);
/// Tokens of the clients' timers.
const SAY_TOKEN: u64 = 0;
const LEAVE_TOKEN: u64 = 1;

/// A group.
#[derive(Debug)]
pub struct Group {
    nodes: u64,
    config: Config,
    /// Nothing goes wrong but that messages may be lost: nobody may be taken for failed.
    is_calm: bool,
    /// Somebody says good-bye.
    leaves: bool,
    history: History,
    /// Who said good-bye in this life, by its own word.
    left: BTreeSet<NodeId>,
    said: u64,
    events: [u64; 5],
}

impl Group {
    /// `nodes` members with this configuration.
    pub fn new(nodes: u64, config: Config, is_calm: bool, leaves: bool) -> Self {
        Group {
            nodes,
            config,
            is_calm,
            leaves,
            history: History::default(),
            left: BTreeSet::new(),
            said: 0,
            events: [0; 5],
        }
    }

    /// What is told, and what may not be told of a group in which nothing goes wrong.
    fn told(&mut self, step: &Step<'_, Swim>, event: &Event) -> Result<(), Violation> {
        let count = match event {
            Event::Suspected(_) => 0,
            Event::Refuted(_) => 1,
            Event::Failed(_) => 2,
            Event::Joined(_) => 3,
            Event::Left(_) => 4,
            Event::Changed(_) => return Ok(()),
        };
        self.events[count] += 1;
        if let Event::Failed(failed) = event
            && self.is_calm
            && !self.left.contains(failed)
        {
            let sentence = format!(
                "{} takes {failed} for failed (e{}), which is up: nothing went wrong but messages",
                step.node, step.number
            );
            return Err(Violation::new("accuracy", [step.node, *failed], sentence));
        }
        Ok(())
    }
}

impl Ensemble for Group {
    type Machine = Swim;

    // All are judged where a member changed, in `observe`.
    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Swim {
        self.history.restarted(boot.node);
        self.left.remove(&boot.node);
        let everybody = (1..=self.nodes).map(|node| Member::new(NodeId(node))).collect();
        let seeds = (1..=self.nodes.min(3)).map(NodeId).collect();
        let metadata = Bytes::from(format!("life {}", boot.life));
        Swim::new(boot.node, self.config.clone(), Table::new(everybody), seeds).with_metadata(metadata)
    }

    fn begin(&mut self, clients: &mut Clients<Swim>) {
        clients.after(SAY, SAY_TOKEN);
        if self.leaves {
            let when = clients.draw.duration(Duration::from_secs(1), Duration::from_secs(5));
            clients.after(when, LEAVE_TOKEN);
        }
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Swim>) -> Result<(), Violation> {
        let node = NodeId(clients.draw.between(1, self.nodes));
        if token == LEAVE_TOKEN {
            clients.send(node.0, node, Command::Leave);
            return Ok(());
        }
        self.said += 1;
        let metadata = Bytes::from(format!("word {}", self.said));
        clients.send(node.0, node, Command::SetMetadata(metadata));
        clients.after(SAY, SAY_TOKEN);
        Ok(())
    }

    fn on_reply(
        &mut self,
        _: NodeId,
        _: RequestId,
        _: Reply,
        _: &mut Clients<Swim>,
    ) -> Result<(), Violation> {
        Ok(())
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Swim>) -> Result<(), Violation> {
        let Some(member) = nodes.machine(step.node) else { return Ok(()) };
        if matches!(member.phase(), Phase::Leaving(_) | Phase::Left) {
            self.left.insert(step.node);
        }
        self.history.observe(member).map_err(|(property, sentence)| {
            Violation::new(property, [step.node], format!("{sentence} (e{})", step.number))
        })?;
        for effect in step.effects {
            if let Effect::Emit(event) = effect {
                self.told(step, event)?;
            }
        }
        Ok(())
    }

    fn heal(&mut self, _: &Nodes<'_, Self>, _: &[NodeId], _: &mut Clients<Swim>) -> Result<(), Violation> {
        // Some may stay dead from here on.
        self.is_calm = false;
        Ok(())
    }

    fn progressed(&mut self, nodes: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        let is_member = |node: NodeId| nodes.machine(node).filter(|swim| swim.phase() == Phase::Member);
        let members: Vec<&Swim> = survivors.iter().filter_map(|node| is_member(*node)).collect();
        if survivors
            .iter()
            .any(|node| nodes.machine(*node).is_none_or(|swim| swim.phase() == Phase::Starting))
        {
            return false;
        }
        members.iter().all(|viewer| {
            nodes.nodes().all(|subject| {
                let known = viewer.table().get(subject);
                match members.iter().find(|member| member.id() == subject) {
                    Some(member) => known.is_some_and(|known| {
                        known.state == State::Alive && known.metadata == *member.metadata()
                    }),
                    None => known.is_none_or(|known| !known.state.is_present()),
                }
            })
        })
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        let names = ["swim.suspected", "swim.refuted", "swim.failed", "swim.joined", "swim.left"];
        names.into_iter().zip(self.events).chain([("swim.said", self.said)]).collect()
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        match message {
            Message::Ping { .. } => "ping",
            Message::PingRequest { .. } => "ping-req",
            Message::Ack { .. } => "ack",
            Message::Nack { .. } => "nack",
            Message::Gossip { .. } => "gossip",
            Message::Sync { .. } => "sync",
        }
    }

    fn role(&self, machine: &Swim) -> char {
        match (machine.phase(), machine.suspicions().is_empty()) {
            (Phase::Starting, _) => 's',
            (Phase::Leaving(_) | Phase::Left, _) => 'x',
            (Phase::Member, false) => '?',
            (Phase::Member, true) => '·',
        }
    }
}
