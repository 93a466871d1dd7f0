//! The processes of any mechanism of the family with their clients, and what must hold of all of them.

use synod_machine::{Machine, Never, NodeId, RequestId};
use synod_protocols::mutex::{Command, Reply};
use synod_sim::{Boot, Clients, Step, Violation};

use super::workload::Workload;
use crate::chronicle::Chronicle;
use crate::entry::{Ensemble, Invariant, Nodes};

/// A process of the family, as the laboratory sees it.
pub trait Process:
    Machine<Command = Command, Reply = Reply, Job = Never> + std::fmt::Debug + 'static
{
    /// The first process with a client; all after it have one as well.
    const FIRST_CLIENT: NodeId = NodeId(1);

    /// The process `me` of `n1` to `n<nodes>`.
    fn start(me: NodeId, nodes: u64) -> Self;

    /// Whether it is in its critical section.
    fn is_inside(&self) -> bool;

    /// Whether its client waits to be let in.
    fn waits(&self) -> bool;

    /// The kind of a message.
    fn kind(message: &Self::Message) -> &'static str;

    /// The stamp of the request under which it is inside, where entries must be in the order of stamps.
    fn stamp(&self) -> Option<u64> {
        None
    }
}

/// All processes of a run.
#[derive(Debug)]
pub struct Processes<P: Process> {
    nodes: u64,
    clients: Workload,
    /// Who was inside after the last step.
    inside: Vec<bool>,
    /// The step at which each was let in last.
    entered_at: Vec<u64>,
    last: (u64, NodeId),
    /// Steps at which somebody waited while another was inside.
    waited: u64,
    /// Entries of each process when the faults ended, and now.
    entries: Vec<(u64, u64)>,
    process: std::marker::PhantomData<P>,
}

impl<P: Process> Processes<P> {
    /// So many processes with these clients.
    pub fn new(nodes: u64, clients: Workload) -> Self {
        let count = nodes as usize;
        Processes {
            nodes,
            clients,
            inside: vec![false; count],
            entered_at: vec![0; count],
            last: (0, NodeId(0)),
            waited: 0,
            entries: vec![(0, 0); count],
            process: std::marker::PhantomData,
        }
    }

    /// What clients ask of the lock that the critical section is.
    pub fn chronicle(&mut self) -> &mut Chronicle {
        &mut self.clients.chronicle
    }

    /// Exclusion: at most one process is in its critical section.
    fn exclusion(&self, nodes: &Nodes<'_, Self>) -> Result<(), Violation> {
        let inside: Vec<NodeId> =
            nodes.machines().filter(|(_, process)| process.is_inside()).map(|(node, _)| node).collect();
        if inside.len() < 2 {
            return Ok(());
        }
        let told: Vec<String> =
            inside.iter().map(|node| format!("{node} (since e{})", self.entered_at[place(*node)])).collect();
        let sentence = format!("{} are in the critical section together", told.join(" and "));
        Err(Violation::new("exclusion", inside, sentence))
    }

    /// Order: entries are in the order of (stamp, process).
    fn order(&mut self, process: &P, step: &Step<'_, P>) -> Result<(), Violation> {
        let Some(stamp) = process.stamp() else { return Ok(()) };
        let (last, entered) = (self.last, (stamp, step.node));
        self.last = entered;
        if last < entered {
            return Ok(());
        }
        let ((before, first), number) = (last, step.number);
        let sentence = format!(
            "{} entered with request {stamp} (e{number}) after {first} with the later request {before} (e{})",
            step.node,
            self.entered_at[place(first)]
        );
        Err(Violation::new("order", [first, step.node], sentence))
    }
}

fn place(node: NodeId) -> usize {
    node.0 as usize - 1
}

impl<P: Process> Ensemble for Processes<P> {
    type Machine = P;

    const INVARIANTS: &'static [Invariant<Self>] =
        &[Invariant { property: "exclusion", holds: |processes, nodes| processes.exclusion(nodes) }];

    fn boot(&mut self, boot: &Boot<()>) -> P {
        P::start(boot.node, self.nodes)
    }

    fn begin(&mut self, clients: &mut Clients<P>) {
        self.clients.begin(P::FIRST_CLIENT, clients);
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<P>) -> Result<(), Violation> {
        self.clients.on_timer(token, clients);
        Ok(())
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        _: RequestId,
        reply: Reply,
        clients: &mut Clients<P>,
    ) -> Result<(), Violation> {
        self.entries[place(from)].1 += u64::from(reply == Reply::Entered);
        self.clients.on_reply(from, reply, clients)
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, P>) -> Result<(), Violation> {
        let Some(process) = nodes.machine(step.node) else { return Ok(()) };
        let was_inside = std::mem::replace(&mut self.inside[place(step.node)], process.is_inside());
        if was_inside != process.is_inside() {
            self.clients.passed(step.node, process.is_inside(), step.time.since_start());
        }
        if process.is_inside() && !was_inside {
            self.order(process, step)?;
            self.entered_at[place(step.node)] = step.number;
        }
        self.waited += u64::from(process.waits() && self.inside.contains(&true));
        Ok(())
    }

    fn crashed(&mut self, node: NodeId) {
        self.inside[place(node)] = false;
    }

    fn heal(&mut self, _: &Nodes<'_, Self>, _: &[NodeId], _: &mut Clients<P>) -> Result<(), Violation> {
        self.entries.iter_mut().for_each(|(then, now)| *then = *now);
        Ok(())
    }

    fn progressed(&mut self, _: &Nodes<'_, Self>, survivors: &[NodeId]) -> bool {
        survivors.iter().filter(|node| **node >= P::FIRST_CLIENT).all(|node| {
            let (then, now) = self.entries[place(*node)];
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

    fn message_kind(&self, message: &P::Message) -> &'static str {
        P::kind(message)
    }

    fn role(&self, process: &P) -> char {
        match (process.is_inside(), process.waits()) {
            (true, _) => 'I',
            (false, true) => 'w',
            (false, false) => '·',
        }
    }
}
