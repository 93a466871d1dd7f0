//! The group, its clients, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use synod_check::format::{Datum, Object};
use synod_machine::{Effect, NodeId, RequestId, Ticket};
use synod_protocols::Broken;
use synod_protocols::consensus::paxos::invariants::History;
use synod_protocols::consensus::paxos::{Command, Config, Event, Message, Paxos, Phase, Reply, Write};
use synod_sim::{Boot, BootKind, Clients, Step, Violation};

use crate::chronicle::{Asked, Chronicle};
use crate::entry::{Ensemble, Invariant, Nodes};

/// What proposers propose: the number of the request, so that no two clients wish for the same.
pub type Value = u64;

/// A client asks again after this long, at most.
const ASKS_AGAIN: Duration = Duration::from_millis(300);
/// So that every node is up.
const ALL_UP: Duration = Duration::from_millis(11);

/// All nodes of a run, with a client at each.
#[derive(Debug)]
pub struct Group {
    config: Arc<Config>,
    history: History<Value>,
    /// When clients first ask, at the latest.
    within: Duration,
    /// Whether clients go on asking, so that what was learned is asked for after crashes too.
    goes_on: bool,
    asked: u64,
    answered: u64,
    /// Who answered since the faults ended.
    told: BTreeSet<NodeId>,
    healed: bool,
    /// When the first client was answered.
    pub decided: Option<Duration>,
    /// When the last learner had learned.
    pub all_learned: Option<Duration>,
    forced: BTreeSet<(NodeId, Ticket)>,
    /// What is chosen once is a register that is swapped from nothing: see [`Group::chronicle`].
    chronicle: Chronicle,
    /// What was proposed in each request, or nothing by those who only want to learn.
    wishes: BTreeMap<RequestId, (NodeId, Option<Value>)>,
}

impl Group {
    /// The group that `config` describes, whose clients begin to ask within that time.
    pub fn new(config: Config, within: Duration) -> Self {
        Group {
            config: Arc::new(config),
            history: History::default(),
            within,
            goes_on: true,
            asked: 0,
            answered: 0,
            told: BTreeSet::new(),
            healed: false,
            decided: None,
            all_learned: None,
            forced: BTreeSet::new(),
            chronicle: Chronicle::new(Object::CasRegister, None),
            wishes: BTreeMap::new(),
        }
    }

    /// What clients do, in terms of a register that holds nothing at first. To propose is to swap nothing for one's value; whoever learns that another was
    /// chosen has swapped nothing, and reads it.
    pub fn chronicle(&mut self) -> &mut Chronicle {
        &mut self.chronicle
    }

    fn note_question(&mut self, node: NodeId, id: RequestId, wish: Option<Value>, at: Duration) {
        if !self.chronicle.is_kept() {
            return;
        }
        self.wishes.insert(id, (node, wish));
        self.chronicle.asks(at, node.0, id.0, || match wish {
            Some(value) => Asked::new("cas", Datum::list([Datum::Nil, Datum::Integer(value as i64)])),
            None => Asked::new("read", Datum::Nil),
        });
    }

    fn note_answer(&mut self, id: RequestId, reply: &Reply<Value>, at: Duration) {
        let Some((node, wish)) = self.wishes.remove(&id) else { return };
        match (reply, wish) {
            (Reply::Refused(_), _) => self.chronicle.fails(at, id.0),
            (Reply::Chosen(value), None) => {
                self.chronicle.answers(at, id.0, || Datum::Integer(*value as i64));
            }
            (Reply::Chosen(value), Some(wished)) => {
                self.chronicle.answers(at, id.0, || Datum::Bool(*value == wished));
                if *value != wished {
                    self.chronicle.asks(at, node.0, id.0, || Asked::new("read", Datum::Nil));
                    self.chronicle.answers(at, id.0, || Datum::Integer(*value as i64));
                }
            }
        }
    }

    /// Only the first proposer's client asks, once.
    pub fn once(config: Config) -> Self {
        Group { goes_on: false, ..Group::new(config, Duration::ZERO) }
    }

    fn ask(&mut self, node: NodeId, clients: &mut Clients<Paxos<Value>>) {
        self.asked += 1;
        let wish = self.config.proposers.contains(&node).then_some(self.asked);
        let command = wish.map_or(Command::Learn, Command::Propose);
        let id = clients.send(node.0, node, command);
        self.note_question(node, id, wish, clients.now().since_start());
    }

    fn note_times(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Paxos<Value>>) {
        for effect in step.effects {
            match effect {
                Effect::Emit(Event::Chosen(_)) => {
                    let now = nodes.now().since_start();
                    self.decided.get_or_insert(now);
                    self.all_learned = Some(now);
                }
                Effect::Send { after: Some(ticket), .. } => {
                    self.forced.insert((step.node, *ticket));
                }
                Effect::Reply { id, reply, after: None } => {
                    self.note_answer(*id, reply, step.time.since_start());
                }
                _ => {}
            }
        }
    }
}

fn violation(broken: Broken, node: NodeId, number: u64) -> Violation {
    Violation::new(broken.property, [node], format!("{} (e{number})", broken.sentence))
}

impl Ensemble for Group {
    type Machine = Paxos<Value>;

    // Each looks at the past as well, so the step's own node is enough: see `observe`.
    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Paxos<Value> {
        match boot.kind {
            BootKind::First => {}
            BootKind::Restart => self.history.restarted(boot.node),
            BootKind::Wiped => self.history.wiped(boot.node),
        }
        Paxos::new_unchecked(boot.node, self.config.clone())
    }

    fn begin(&mut self, clients: &mut Clients<Paxos<Value>>) {
        if !self.goes_on {
            clients.after(ALL_UP, self.config.proposers.first().map_or(1, |proposer| proposer.0));
            return;
        }
        for node in clients.nodes().collect::<Vec<_>>() {
            let pause = clients.draw.duration(Duration::ZERO, self.within);
            clients.after(ALL_UP + pause, node.0);
        }
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Paxos<Value>>) -> Result<(), Violation> {
        self.ask(NodeId(token), clients);
        if self.goes_on {
            let pause = clients.draw.duration(ASKS_AGAIN / 10, ASKS_AGAIN);
            clients.after(pause, token);
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        id: RequestId,
        reply: Reply<Value>,
        clients: &mut Clients<Paxos<Value>>,
    ) -> Result<(), Violation> {
        self.note_answer(id, &reply, clients.now().since_start());
        if let Reply::Chosen(_) = reply {
            self.answered += 1;
            if self.healed {
                self.told.insert(from);
            }
        }
        Ok(())
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Paxos<Value>>) -> Result<(), Violation> {
        self.note_times(nodes, step);
        let Some(paxos) = nodes.machine(step.node) else { return Ok(()) };
        self.history.observe(paxos).map_err(|broken| violation(broken, step.node, step.number))
    }

    fn heal(
        &mut self,
        _: &Nodes<'_, Self>,
        _: &[NodeId],
        _: &mut Clients<Paxos<Value>>,
    ) -> Result<(), Violation> {
        self.healed = true;
        Ok(())
    }

    fn progressed(&mut self, _: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        survivors.iter().all(|node| self.told.contains(node))
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        let micros = |time: Option<Duration>| time.map_or(0, |time| (time - ALL_UP).as_micros() as u64);
        vec![
            ("client.asked", self.asked),
            ("client.answered", self.answered),
            ("paxos.chosen", u64::from(self.history.chosen().is_some())),
            ("paxos.decided after us", micros(self.decided)),
            ("paxos.learned after us", micros(self.all_learned)),
            ("paxos.forced writes", self.forced.len() as u64),
        ]
    }

    fn message_kind(&self, message: &Message<Value>) -> &'static str {
        message.name()
    }

    fn write_bytes(&self, write: &Write<Value>) -> usize {
        match write {
            Write::Attempted(_) => 40,
            Write::Pledged(_) => 700,
        }
    }

    fn role(&self, paxos: &Paxos<Value>) -> char {
        match (paxos.learned(), paxos.phase()) {
            (Some(_), _) => '✓',
            (None, Phase::Idle) => '·',
            (None, Phase::BackingOff) => 'b',
            (None, Phase::Preparing { .. }) => '1',
            (None, Phase::Accepting(_)) => '2',
        }
    }
}
