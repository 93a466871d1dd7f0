//! The processes, their clients, and what must hold of them.

use synod_machine::{NodeId, RequestId};
use synod_protocols::mutex::Reply;
use synod_protocols::mutex::lamport::{Message, Process, exclusion, same_order};
use synod_sim::{Boot, Clients, Step, Violation};

use crate::entry::{Ensemble, Invariant, Nodes};
use crate::mechanism::mutex::workload::Workload;

/// All processes of a run.
#[derive(Debug)]
pub struct Processes {
    nodes: u64,
    clients: Workload,
    /// The last entry, by its request.
    last: (u64, NodeId),
    /// Steps at which somebody waited while another was inside.
    waited: u64,
    /// Entries of each process when the faults ended, and now.
    entries: Vec<(u64, u64)>,
}

impl Processes {
    /// So many processes with these clients.
    pub fn new(nodes: u64, clients: Workload) -> Self {
        let entries = vec![(0, 0); nodes as usize];
        Processes { nodes, clients, last: (0, NodeId(0)), waited: 0, entries }
    }
}

impl Ensemble for Processes {
    type Machine = Process;

    const INVARIANTS: &'static [Invariant<Self>] = &[Invariant {
        property: "exclusion",
        holds: |_, nodes| {
            let inside = nodes.machines().filter(|(_, process)| process.inside().is_some());
            exclusion(nodes.machines())
                .map_err(|sentence| Violation::new("exclusion", inside.map(|(node, _)| node), sentence))
        },
    }];

    fn boot(&mut self, boot: &Boot<()>) -> Process {
        Process::new(boot.node, (1..=self.nodes).map(NodeId))
    }

    fn begin(&mut self, clients: &mut Clients<Process>) {
        self.clients.begin(clients);
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Process>) -> Result<(), Violation> {
        self.clients.on_timer(token, clients);
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        _: RequestId,
        reply: Reply,
        clients: &mut Clients<Process>,
    ) -> Result<(), Violation> {
        self.entries[from.0 as usize - 1].1 += u64::from(reply == Reply::Entered);
        self.clients.on_reply(from, reply, clients)
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Process>) -> Result<(), Violation> {
        let Some(process) = nodes.machine(step.node) else { return Ok(()) };
        if let Some(stamp) = process.inside().filter(|stamp| (*stamp, step.node) != self.last) {
            let entered = (stamp, step.node);
            same_order(self.last, entered).map_err(|sentence| {
                let sentence = format!("{sentence} (e{})", step.number);
                Violation::new("order", [self.last.1, step.node], sentence)
            })?;
            self.last = entered;
        }
        let inside = nodes.machines().any(|(_, process)| process.inside().is_some());
        self.waited += u64::from(process.waits() && inside);
        Ok(())
    }

    fn heal(&mut self, _: &Nodes<'_, Self>, _: &[NodeId], _: &mut Clients<Process>) -> Result<(), Violation> {
        self.entries.iter_mut().for_each(|(then, now)| *then = *now);
        Ok(())
    }

    fn progressed(&mut self, _: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        survivors.iter().all(|node| {
            let (then, now) = self.entries[node.0 as usize - 1];
            now > then
        })
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("client.asked", self.clients.asked),
            ("client.entered", self.clients.entered),
            ("client.refused", self.clients.refused),
            ("mutex.waited", self.waited),
        ]
    }

    fn message_kind(&self, message: &Message) -> &'static str {
        match message {
            Message::Request(_) => "request",
            Message::Acknowledge(_) => "acknowledge",
            Message::Release(_) => "release",
        }
    }

    fn role(&self, process: &Process) -> char {
        match (process.inside(), process.waits()) {
            (Some(_), _) => 'I',
            (None, true) => 'w',
            (None, false) => '·',
        }
    }
}
