//! Snapshots of small worlds, in every order of events.

use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::snapshot::chandy_lamport::{ChandyLamport, Command, Event, SnapshotId, Topology};
use synod_protocols::snapshot::transfers::{Pay, Setting, Transfers};
use synod_sim::explore::{Observation, SmallWorld};

use crate::entry::{Exploration, Parameter};

/// The worlds of the catalogue.
pub(super) static EXPLORATIONS: [Exploration; 3] = [
    Exploration {
        name: "circle",
        sentence: "Processes pay each other in a circle while n1 takes a snapshot.",
        parameters: &[Parameter::integer("nodes", 3, 2..=4, "Processes, all connected.")],
        run: |settings, explore, progress| explore.run_with(&circle(settings.integer("nodes")), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "two-snapshots",
        sentence: "Two processes each take a snapshot, and one of the payments waits for its sender's disk.",
        run: |_, explore, progress| explore.run_with(&two_snapshots(), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "no-fifo",
        sentence: "The same where messages overtake each other: money is counted twice, or not at all.",
        parameters: &[],
        violates: Some("conservation"),
        run: |_, explore, progress| explore.run_with(&two_snapshots().unordered(), progress),
    },
];

/// Money at each process.
const BALANCE: u64 = 10;

/// What completed snapshots have shown.
#[derive(Clone, Debug, Default, Hash)]
struct Shown {
    completed: u32,
    caught: u32,
    wrong: Option<(SnapshotId, u64)>,
}

type World = SmallWorld<ChandyLamport<Transfers>, Shown>;

fn circle(nodes: u64) -> World {
    let world = world(nodes, 1).command(NodeId(1), Command::Snapshot);
    (1..=nodes)
        .fold(world, |world, node| world.command(NodeId(node), pay(node % nodes + 1, 1 << node, false)))
}

fn two_snapshots() -> World {
    world(2, 2)
        .command(NodeId(1), pay(2, 1, true))
        .command(NodeId(1), Command::Snapshot)
        .command(NodeId(1), pay(2, 2, false))
        .command(NodeId(2), pay(1, 4, false))
        .command(NodeId(2), Command::Snapshot)
}

fn pay(to: u64, amount: u64, logged: bool) -> Command<Pay> {
    Command::Application(Pay { to: NodeId(to), amount, logged })
}

/// Processes that pay only when they are told to.
fn world(nodes: u64, snapshots: u32) -> World {
    let members: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
    let boot = move |me: NodeId| {
        let topology = Topology::complete(me, members.iter().copied());
        let peers = topology.outgoing.iter().copied().collect();
        let pace = Duration::ZERO..=Duration::ZERO;
        let setting = Setting { peers, balance: BALANCE, tasks: Vec::new(), pace, logged_one_in: 0 };
        ChandyLamport::new(me, topology, Transfers::new(setting))
    };
    let all = BALANCE * nodes;
    SmallWorld::remembering(nodes as usize, boot, Shown::default(), move |shown, seen| {
        observe(shown, all, &seen)
    })
    .always("conservation", move |view| match view.memory().wrong {
        None => Ok(()),
        Some((id, sum)) => Err(format!("snapshot {id} shows {sum}, expected {all}")),
    })
    .eventually("liveness", move |view| match view.memory().completed {
        completed if completed == snapshots => Ok(()),
        completed => Err(format!("{completed} of {snapshots} snapshots are complete")),
    })
    .sometimes("money is caught in a channel", |view| view.memory().caught > 0)
}

/// Counts the money of a snapshot that is complete.
fn observe(shown: &mut Shown, all: u64, seen: &Observation<'_, ChandyLamport<Transfers>>) {
    let Observation::Event { event: Event::Completed(state), .. } = seen else { return };
    let accounts: u64 = state.states().map(|(_, account)| account.balance).sum();
    let under_way: u64 = state.in_transit().map(|(_, _, transfer)| transfer.amount).sum();
    shown.completed += 1;
    shown.caught += u32::from(under_way > 0);
    if accounts + under_way != all {
        shown.wrong = Some((state.id, accounts + under_way));
    }
}
