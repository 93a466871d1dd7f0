//! Nodes with accounts, clients that move money between them, and what must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use synod_machine::{Effect, NodeId, RequestId, Ticket};
use synod_protocols::Broken;
use synod_protocols::commit::two_phase::invariants::{History, undecided};
use synod_protocols::commit::two_phase::{
    Accounts, Command, Config, Event, Message, Operation, Outcome, Record, Reply, TwoPhase,
};
use synod_sim::{Boot, Clients, Step, Violation};

use crate::entry::{Ensemble, Invariant, Nodes};

type Node = TwoPhase<Accounts>;

/// So that every node is up.
const ALL_UP: Duration = Duration::from_millis(11);
/// Accounts at each node: few, so that transactions meet.
const ACCOUNTS: [char; 3] = ['a', 'b', 'c'];

/// What a client of one transaction asks for.
pub type Work = BTreeMap<NodeId, Vec<Operation>>;

/// All nodes of a run, with a client at each.
#[derive(Debug)]
pub struct Bank {
    config: Arc<Config>,
    history: History,
    /// How long clients pause, at most.
    think: Duration,
    /// One transaction only, of this work, asked of `n1`.
    single: Option<Work>,
    next: u64,
    asked: u64,
    /// Transactions that clients were told the outcome of.
    committed: u64,
    aborted: u64,
    in_doubt: u64,
    healed: bool,
    committed_since: u64,
    forced: BTreeSet<(NodeId, Ticket)>,
    acknowledgements: u64,
    messages: u64,
    /// When each participant's decision was durable.
    decided_at: BTreeMap<NodeId, Duration>,
    answered: Option<Duration>,
}

impl Bank {
    /// Clients at every node that pause for at most `think` between transactions.
    pub fn new(config: Config, think: Duration) -> Self {
        Bank {
            config: Arc::new(config),
            history: History::default(),
            think,
            single: None,
            next: 0,
            asked: 0,
            committed: 0,
            aborted: 0,
            in_doubt: 0,
            healed: false,
            committed_since: 0,
            forced: BTreeSet::new(),
            acknowledgements: 0,
            messages: 0,
            decided_at: BTreeMap::new(),
            answered: None,
        }
    }

    /// One transaction.
    pub fn single(config: Config, work: Work) -> Self {
        Bank { single: Some(work), ..Bank::new(config, Duration::ZERO) }
    }

    /// Money moves from an account to others, or is brought in; some participants only look.
    fn draw_work(&mut self, clients: &mut Clients<Node>) -> Work {
        let nodes: Vec<NodeId> = clients.nodes().collect();
        let mut work = Work::new();
        for node in nodes {
            if clients.draw.below(3) == 0 {
                continue;
            }
            let account = *clients.draw.pick(&ACCOUNTS);
            let operation = match clients.draw.below(6) {
                0 | 1 => Operation::Read(account),
                2 => Operation::Add(account, -3),
                _ => Operation::Add(account, 5),
            };
            work.insert(node, vec![operation]);
        }
        work
    }

    fn ask(&mut self, node: NodeId, clients: &mut Clients<Node>) {
        let work = match self.single.clone() {
            Some(work) => work,
            None => self.draw_work(clients),
        };
        if work.is_empty() {
            return;
        }
        self.asked += 1;
        self.next += 1;
        clients.send(node.0, node, Command::Commit { number: self.next, work });
    }

    fn note(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Node>) {
        for effect in step.effects {
            match effect {
                Effect::Emit(Event::Decided(..)) => {
                    self.decided_at.entry(step.node).or_insert(nodes.now().since_start());
                }
                Effect::Emit(Event::InDoubt(_)) => self.in_doubt += 1,
                Effect::Send { after, message, .. } => {
                    self.forced.extend(after.map(|ticket| (step.node, ticket)));
                    match message {
                        Message::Ack { .. } => self.acknowledgements += 1,
                        _ => self.messages += 1,
                    }
                }
                Effect::Reply { after, .. } => {
                    self.forced.extend(after.map(|ticket| (step.node, ticket)));
                }
                _ => {}
            }
        }
    }
}

fn violation(broken: Broken, node: NodeId, number: u64) -> Violation {
    Violation::new(broken.property, [node], format!("{} (e{number})", broken.sentence))
}

impl Ensemble for Bank {
    type Machine = Node;

    // The history looks at each step's own node: see `observe`.
    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Node {
        TwoPhase::new(boot.node, self.config.clone())
    }

    fn begin(&mut self, clients: &mut Clients<Node>) {
        if self.single.is_some() {
            clients.after(ALL_UP, 1);
            return;
        }
        for node in clients.nodes().collect::<Vec<_>>() {
            let pause = clients.draw.duration(Duration::ZERO, self.think);
            clients.after(ALL_UP + pause, node.0);
        }
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Node>) -> Result<(), Violation> {
        self.ask(NodeId(token), clients);
        if self.single.is_none() && !self.healed {
            let pause = clients.draw.duration(Duration::ZERO, self.think);
            clients.after(pause, token);
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        _: NodeId,
        _: RequestId,
        reply: Reply,
        clients: &mut Clients<Node>,
    ) -> Result<(), Violation> {
        self.answered.get_or_insert(clients.now().since_start());
        match reply {
            Reply::Decided(Outcome::Commit) => {
                self.committed += 1;
                self.committed_since += u64::from(self.healed);
            }
            Reply::Decided(Outcome::Abort) => self.aborted += 1,
            Reply::Refused(_) => {}
        }
        Ok(())
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Node>) -> Result<(), Violation> {
        self.note(nodes, step);
        let Some(node) = nodes.machine(step.node) else { return Ok(()) };
        let events = step.effects.iter().filter_map(|effect| match effect {
            Effect::Emit(event) => Some(event),
            _ => None,
        });
        self.history.observe(node, events).map_err(|broken| violation(broken, step.node, step.number))
    }

    fn heal(
        &mut self,
        _: &Nodes<'_, Self>,
        survivors: &[NodeId],
        clients: &mut Clients<Node>,
    ) -> Result<(), Violation> {
        self.healed = true;
        // New work everywhere, when the locks of the old are released.
        for (number, node) in (1..).zip(survivors) {
            clients.after(Duration::from_secs(5) * number, node.0);
        }
        Ok(())
    }

    /// AC5: nobody is in doubt any more, nobody has anything left to do, and new work was decided.
    fn progressed(&mut self, nodes: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        let machines = nodes.machines().filter(|(node, _)| survivors.contains(node));
        undecided(machines.map(|(_, machine)| machine)).is_empty()
    }

    fn check_end(&mut self, nodes: &Nodes<'_, Self>) -> Result<(), Violation> {
        synod_protocols::commit::two_phase::invariants::agreement(
            nodes.machines().map(|(_, machine)| machine),
        )
        .map_err(|broken| Violation::new(broken.property, [], broken.sentence))
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        let coordinator = self.forced.iter().filter(|(node, _)| *node == NodeId(1)).count() as u64;
        let since = |time: Option<Duration>| time.map_or(0, |time| (time - ALL_UP).as_micros() as u64);
        let participants =
            || self.decided_at.iter().filter(|(node, _)| **node != NodeId(1)).map(|(_, time)| *time);
        vec![
            ("client.asked", self.asked),
            ("client.committed", self.committed),
            ("client.aborted", self.aborted),
            ("two_phase.was in doubt", self.in_doubt),
            ("two_phase.messages", self.messages),
            ("two_phase.acknowledgements", self.acknowledgements),
            ("two_phase.forced at n1", coordinator),
            ("two_phase.forced at others", self.forced.len() as u64 - coordinator),
            ("two_phase.answered after us", since(self.answered)),
            ("two_phase.first participant decided after us", since(participants().min())),
            ("two_phase.last participant decided after us", since(participants().max())),
            ("two_phase.participants decided", participants().count() as u64),
        ]
    }

    fn message_kind(&self, message: &Message<Vec<Operation>>) -> &'static str {
        message.name()
    }

    fn write_bytes(&self, record: &Record<Accounts>) -> usize {
        match record {
            Record::Checkpoint(_) => 4_000,
            Record::Prepared { .. } => 700,
            _ => 60,
        }
    }

    fn role(&self, node: &Node) -> char {
        match (node.in_doubt().next(), node.rounds().is_empty()) {
            (Some(_), _) => '?',
            (None, false) => 'C',
            (None, true) => '·',
        }
    }
}
