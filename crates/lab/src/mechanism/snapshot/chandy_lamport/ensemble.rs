//! Accounts between which money moves, clients that take snapshots of them, and the judge that sees every message.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use synod_machine::{Effect, NodeId, RequestId, SendId};
use synod_protocols::snapshot::chandy_lamport::invariants::History;
use synod_protocols::snapshot::chandy_lamport::{
    Command, Event, GlobalState, Message, Recordable as _, Reply, SnapshotId, Topology,
};
use synod_protocols::snapshot::stable_property::{Detector, Event as Detection, Termination};
use synod_protocols::snapshot::transfers::{Account, Setting, Transfer, Transfers};
use synod_sim::{Boot, Clients, Step, Violation};

use crate::entry::{Ensemble, Invariant, Nodes};

/// The machine at each node.
pub type Branch = Detector<Transfers, Termination>;

/// What clients and accounts do.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Money at each node.
    pub balance: u64,
    /// Transfers that each node begins with.
    pub transfers: u64,
    /// How often each may be handed on.
    pub handed_on: u32,
    /// Time between two transfers of a node.
    pub pace: RangeInclusive<Duration>,
    /// One transfer in so many waits for the disk.
    pub logged_one_in: u32,
    /// Snapshots that clients ask for, each at a node of its own choice.
    pub snapshots: u64,
    /// How often n1 looks whether the computation has ended.
    pub period: Duration,
}

/// All nodes of a run.
#[derive(Debug)]
pub struct Branches {
    nodes: u64,
    workload: Workload,
    history: History<Transfer>,
    /// Messages of the application that are under way: their channel and place on it.
    under_way: BTreeMap<SendId, (NodeId, NodeId, usize)>,
    next_send: u64,
    asked: u64,
    answered: u64,
    completed: u64,
    caught: u64,
    detected: Option<SnapshotId>,
    /// Markers and parts of the snapshots that are complete.
    markers: u64,
    parts: u64,
    parts_of: BTreeMap<SnapshotId, u64>,
}

impl Branches {
    /// So many nodes, all connected.
    pub fn new(nodes: u64, workload: Workload) -> Self {
        Branches {
            nodes,
            workload,
            history: History::default(),
            under_way: BTreeMap::new(),
            next_send: 0,
            asked: 0,
            answered: 0,
            completed: 0,
            caught: 0,
            detected: None,
            markers: 0,
            parts: 0,
            parts_of: BTreeMap::new(),
        }
    }

    fn sent(&mut self, from: NodeId, to: NodeId, message: &Message<Transfer, Account>) -> Result<(), String> {
        let id = SendId(self.next_send);
        self.next_send += 1;
        match message {
            Message::Application(transfer) => {
                let place = self.history.sent(from, to, transfer.clone());
                self.under_way.insert(id, (from, to, place));
            }
            Message::Marker(snapshot) => self.history.marker(from, to, *snapshot)?,
            Message::Part { id, .. } => *self.parts_of.entry(*id).or_default() += 1,
        }
        Ok(())
    }

    fn completed(&mut self, state: &GlobalState<Account, Transfer>) -> Result<(), String> {
        self.completed += 1;
        self.markers += self.history.markers(state.id);
        self.parts += self.parts_of.remove(&state.id).unwrap_or(0);
        self.caught += state.in_transit().count() as u64;
        self.history.completed(state)?;
        let accounts: u64 = state.states().map(|(_, account)| account.balance).sum();
        let under_way: u64 = state.in_transit().map(|(_, _, transfer)| transfer.amount).sum();
        let expected = self.workload.balance * self.nodes;
        if accounts + under_way == expected {
            return Ok(());
        }
        Err(format!(
            "conservation: snapshot {} shows {accounts} in accounts and {under_way} under way; expected {expected} together",
            state.id
        ))
    }

    /// The computation has ended if nobody is active and nothing is under way.
    fn detected(&mut self, id: SnapshotId, nodes: &Nodes<'_, Self>) -> Result<(), String> {
        self.detected = Some(id);
        let tasks = |branch: &Branch| branch.snapshots().application().record().tasks;
        let active = nodes.machines().find(|(_, branch)| tasks(branch) > 0);
        match (active, self.under_way.len()) {
            (None, 0) => Ok(()),
            (Some((node, branch)), _) => Err(format!(
                "termination: snapshot {id} says that all is over, and {node} has {} transfers to make",
                tasks(branch)
            )),
            (None, count) => Err(format!(
                "termination: snapshot {id} says that all is over, and {count} transfers are under way"
            )),
        }
    }

    fn judge(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Branch>) -> Result<(), String> {
        if let Some((from, to, place)) = step.cause.and_then(|cause| self.under_way.remove(&cause)) {
            self.history.received(from, to, place);
        }
        for effect in step.effects {
            match effect {
                Effect::Send { to, message, .. } => self.sent(step.node, *to, message)?,
                Effect::Emit(Detection::Snapshot(Event::Recorded(id))) => {
                    self.history.recorded(step.node, *id)
                }
                Effect::Emit(Detection::Snapshot(Event::Completed(state))) => self.completed(state)?,
                Effect::Emit(Detection::Detected(id)) => self.detected(*id, nodes)?,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Ensemble for Branches {
    type Machine = Branch;

    const INVARIANTS: &'static [Invariant<Self>] = &[];

    fn boot(&mut self, boot: &Boot<()>) -> Branch {
        let topology = Topology::complete(boot.node, (1..=self.nodes).map(NodeId));
        let setting = Setting {
            peers: topology.outgoing.iter().copied().collect(),
            balance: self.workload.balance,
            tasks: vec![self.workload.handed_on; self.workload.transfers as usize],
            pace: self.workload.pace.clone(),
            logged_one_in: self.workload.logged_one_in,
        };
        let branch = Detector::new(boot.node, topology, Transfers::new(setting), Termination);
        if boot.node == NodeId(1) { branch.watching(self.workload.period) } else { branch }
    }

    fn begin(&mut self, clients: &mut Clients<Branch>) {
        for _ in 0..self.workload.snapshots {
            let after = clients.draw.duration(FIRST, FIRST + WITHIN);
            clients.after(after, 0);
        }
    }

    fn on_timer(&mut self, _: u64, clients: &mut Clients<Branch>) -> Result<(), Violation> {
        let node = NodeId(1 + clients.draw.below(self.nodes));
        clients.send(0, node, Command::Snapshot);
        self.asked += 1;
        // Now and then two others begin one snapshot, of a name that nobody else uses.
        if clients.draw.below(JOIN_ONE_IN) == 0 {
            let id = SnapshotId { collector: node, sequence: JOINED_SEQUENCE * self.asked };
            for _ in 0..2 {
                let initiator = NodeId(1 + clients.draw.below(self.nodes));
                clients.send(0, initiator, Command::Join(id));
            }
        }
        Ok(())
    }

    fn on_reply(
        &mut self,
        _: NodeId,
        _: RequestId,
        reply: Reply<u64, Account, Transfer>,
        _: &mut Clients<Branch>,
    ) -> Result<(), Violation> {
        self.answered += u64::from(matches!(reply, Reply::Snapshot(_) | Reply::Busy));
        Ok(())
    }

    fn observe(&mut self, nodes: &Nodes<'_, Self>, step: &Step<'_, Branch>) -> Result<(), Violation> {
        self.judge(nodes, step).map_err(|sentence| {
            let (property, what) = sentence.split_once(": ").unwrap_or(("consistent cut", &sentence));
            Violation::new(property, [step.node], format!("{what} (e{})", step.number))
        })
    }

    fn progressed(&mut self, _: &Nodes<'_, Self>, _: &[NodeId]) -> bool {
        self.answered == self.asked && self.detected.is_some()
    }

    fn exercised(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("snapshot.asked", self.asked),
            ("snapshot.completed", self.completed),
            ("snapshot.messages caught in channels", self.caught),
            ("snapshot.markers", self.markers),
            ("snapshot.parts", self.parts),
            ("termination.detected", u64::from(self.detected.is_some())),
        ]
    }

    fn message_kind(&self, message: &Message<Transfer, Account>) -> &'static str {
        match message {
            Message::Application(_) => "money",
            Message::Marker(_) => "marker",
            Message::Part { .. } => "part",
        }
    }

    fn role(&self, branch: &Branch) -> char {
        if branch.snapshots().recordings().next().is_some() { 'R' } else { '·' }
    }
}

/// Clients begin when everybody is up, and have begun all their snapshots soon after.
const FIRST: Duration = Duration::from_millis(20);
const WITHIN: Duration = Duration::from_millis(150);
/// One snapshot in so many has other initiators beside it.
const JOIN_ONE_IN: u64 = 2;
/// Snapshots of several initiators have multiples of this as their numbers: far from those that a collector gives itself.
const JOINED_SEQUENCE: u64 = 1_000;
