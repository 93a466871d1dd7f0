//! The processes, their clients, and what must hold of them.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::{Effect, Mono, NodeId, RequestId};
use synod_protocols::mutex::maekawa::{Body, Config, Coterie, Event, Maekawa, Message, invariants};
use synod_protocols::mutex::{Command, Reply};
use synod_sim::{Boot, Clients, Step, Violation};

use crate::chronicle::Chronicle;
use crate::entry::{Ensemble, Invariant, Nodes};
use crate::mechanism::mutex::workload::Workload;

/// The client that asks again, to see whether anything moves. Its token is no process's.
const ASK_AGAIN: u64 = u64::MAX;
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// What was sent over a slowed link before the heal may be under way for ten seconds more: where nobody has entered for longer, nobody will.
const STANDSTILL: Duration = Duration::from_secs(12);

/// All processes of a run.
#[derive(Debug)]
pub struct Processes {
    coterie: Coterie,
    config: Config,
    clients: Workload,
    fairness: invariants::Fairness,
    /// Entries of each process when the faults ended, and now.
    entries: BTreeMap<NodeId, (u64, u64)>,
    healed: Option<Mono>,
    /// The last entry, and the last exit if nobody has entered since and somebody waited then.
    entered: Mono,
    left: Option<Mono>,
    costs: Costs,
}

/// What was counted.
#[derive(Debug, Default)]
struct Costs {
    /// Messages to others; and up to the last exit, so that every entry counted is over.
    messages: u64,
    messages_then: u64,
    exits: u64,
    inquiries: u64,
    yields: u64,
    /// Entries by somebody who waited while another was inside, and the time between the two.
    handovers: u64,
    handover: Duration,
    handover_most: Duration,
}

impl Processes {
    /// Processes with these request sets, all configured like `config`.
    pub fn new(coterie: Coterie, config: Config, clients: Workload) -> Self {
        Processes {
            entries: coterie.iter().map(|(node, _)| (node, (0, 0))).collect(),
            coterie,
            config,
            clients,
            fairness: invariants::Fairness::default(),
            healed: None,
            entered: Mono::ZERO,
            left: None,
            costs: Costs::default(),
        }
    }

    /// What clients ask of the lock that the critical section is.
    pub fn chronicle(&mut self) -> &mut Chronicle {
        &mut self.clients.chronicle
    }

    fn count(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Maekawa>) {
        let mut exits = 0;
        for effect in step.effects {
            match effect {
                Effect::Send { to, message, .. } if *to != step.node => {
                    self.costs.messages += 1;
                    self.costs.inquiries += u64::from(matches!(message.body, Body::Inquire(_)));
                    self.costs.yields += u64::from(matches!(message.body, Body::Yield(_)));
                }
                Effect::Emit(Event::Left(_)) => {
                    exits += 1;
                    self.clients.passed(step.node, false, step.time.since_start());
                    let waits = |(_, process): (NodeId, &Maekawa)| process.attempt().is_some();
                    self.left = nodes.machines().any(waits).then_some(step.time);
                }
                Effect::Emit(Event::Entered(_)) => {
                    self.entered = step.time;
                    self.clients.passed(step.node, true, step.time.since_start());
                    if let Some(left) = self.left.take() {
                        let delay = step.time - left;
                        self.costs.handovers += 1;
                        self.costs.handover += delay;
                        self.costs.handover_most = self.costs.handover_most.max(delay);
                    }
                }
                _ => {}
            }
        }
        if exits > 0 {
            self.costs.exits += exits;
            self.costs.messages_then = self.costs.messages;
        }
    }

    /// After the heal: if nobody has entered for long, says who waits for whom.
    fn stands_still(&self, machines: &BTreeMap<NodeId, &Maekawa>, now: Mono) -> Result<(), Violation> {
        let Some(healed) = self.healed else { return Ok(()) };
        if now.since(healed.max(self.entered)) < STANDSTILL {
            return Ok(());
        }
        let waiting =
            machines.iter().filter(|(_, process)| process.attempt().is_some()).map(|(node, _)| *node);
        invariants::no_deadlock(machines).map_err(|sentence| Violation::new("no deadlock", waiting, sentence))
    }
}

impl Ensemble for Processes {
    type Machine = Maekawa;

    const INVARIANTS: &'static [Invariant<Self>] = &[Invariant {
        property: "exclusion",
        holds: |_, nodes| {
            let inside = nodes.machines().filter(|(_, process)| process.is_inside());
            invariants::exclusion(nodes.machines())
                .map_err(|sentence| Violation::new("exclusion", inside.map(|(node, _)| node), sentence))
        },
    }];

    fn boot(&mut self, boot: &Boot<()>) -> Maekawa {
        Maekawa::new(boot.node, Config { request_set: self.coterie.set(boot.node), ..self.config.clone() })
    }

    fn begin(&mut self, clients: &mut Clients<Maekawa>) {
        self.clients.begin(NodeId(1), clients);
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Maekawa>) -> Result<(), Violation> {
        if token == ASK_AGAIN {
            clients.send(0, NodeId(1), Command::Enter);
            clients.after(ASK_AGAIN_AFTER, ASK_AGAIN);
        } else {
            self.clients.on_timer(token, clients);
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        _: RequestId,
        reply: Reply,
        clients: &mut Clients<Maekawa>,
    ) -> Result<(), Violation> {
        if let Some((_, now)) = self.entries.get_mut(&from) {
            *now += u64::from(reply == Reply::Entered);
        }
        self.clients.on_reply(from, reply, clients)
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Maekawa>) -> Result<(), Violation> {
        self.count(nodes, step);
        let machines: BTreeMap<NodeId, &Maekawa> = nodes.machines().collect();
        self.fairness.observe(&machines).map_err(|sentence| {
            Violation::new("fairness", [step.node], format!("{sentence} (e{})", step.number))
        })?;
        self.stands_still(&machines, step.time)
    }

    fn heal(
        &mut self,
        nodes: &Nodes<'_, Self>,
        _: &[NodeId],
        clients: &mut Clients<Maekawa>,
    ) -> Result<(), Violation> {
        self.healed = Some(nodes.now());
        self.entries.values_mut().for_each(|(then, now)| *then = *now);
        clients.after(ASK_AGAIN_AFTER, ASK_AGAIN);
        Ok(())
    }

    fn progressed(&mut self, _: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        survivors.iter().all(|node| self.entries.get(node).is_none_or(|(then, now)| now > then))
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        vec![
            ("client.asked", self.clients.asked),
            ("client.entered", self.clients.entered),
            ("mutex.messages", self.costs.messages_then),
            ("mutex.exits", self.costs.exits),
            ("mutex.inquiries", self.costs.inquiries),
            ("mutex.yields", self.costs.yields),
            ("mutex.handovers", self.costs.handovers),
            ("mutex.handover_ns", nanos(self.costs.handover)),
            ("mutex.handover_most_ns", nanos(self.costs.handover_most)),
        ]
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        message.name()
    }

    fn role(&self, process: &Maekawa) -> char {
        match process.attempt() {
            Some(attempt) if attempt.inside => 'I',
            Some(_) => 'w',
            None => '·',
        }
    }
}
