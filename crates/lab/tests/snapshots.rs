//! Snapshots of small worlds, in every order of events.

use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::snapshot::chandy_lamport::{ChandyLamport, Command, Event, SnapshotId, Topology};
use synod_protocols::snapshot::transfers::{Pay, Setting, Transfers};
use synod_sim::explore::{Observation, SmallWorld};

const BALANCE: u64 = 10;

/// What completed snapshots have shown.
#[derive(Clone, Debug, Default, Hash)]
struct Shown {
    completed: u32,
    caught: u32,
    wrong: Option<(SnapshotId, u64)>,
}

type World = SmallWorld<ChandyLamport<Transfers>, Shown>;

fn world(nodes: usize, snapshots: u32) -> World {
    let members: Vec<NodeId> = (1..=nodes as u64).map(NodeId).collect();
    let boot = move |me: NodeId| {
        let topology = Topology::complete(me, members.iter().copied());
        let peers = topology.outgoing.iter().copied().collect();
        let pace = Duration::ZERO..=Duration::ZERO;
        let setting = Setting { peers, balance: BALANCE, tasks: Vec::new(), pace, logged_one_in: 0 };
        ChandyLamport::new(me, topology, Transfers::new(setting))
    };
    let observe = move |shown: &mut Shown, seen: Observation<'_, ChandyLamport<Transfers>>| {
        let Observation::Event { event: Event::Completed(state), .. } = seen else { return };
        let accounts: u64 = state.states().map(|(_, account)| account.balance).sum();
        let under_way: u64 = state.in_transit().map(|(_, _, transfer)| transfer.amount).sum();
        shown.completed += 1;
        shown.caught += u32::from(under_way > 0);
        if accounts + under_way != BALANCE * nodes as u64 {
            shown.wrong = Some((state.id, accounts + under_way));
        }
    };
    SmallWorld::remembering(nodes, boot, Shown::default(), observe)
        .always("conservation", move |view| match view.memory().wrong {
            None => Ok(()),
            Some((id, sum)) => Err(format!("snapshot {id} shows {sum}, expected {}", BALANCE * nodes as u64)),
        })
        .eventually("completion", move |view| match view.memory().completed {
            completed if completed == snapshots => Ok(()),
            completed => Err(format!("{completed} of {snapshots} snapshots are complete")),
        })
        .sometimes("money is caught in a channel", |view| view.memory().caught > 0)
}

fn pay(to: u64, amount: u64, logged: bool) -> Command<Pay> {
    Command::Application(Pay { to: NodeId(to), amount, logged })
}

/// Three nodes that pay each other in a circle while one of them takes a snapshot.
fn circle() -> World {
    world(3, 1)
        .command(NodeId(1), Command::Snapshot)
        .command(NodeId(1), pay(2, 1, false))
        .command(NodeId(2), pay(3, 2, false))
        .command(NodeId(3), pay(1, 4, false))
}

/// Two nodes that each take a snapshot, and a payment that waits for its disk.
fn two_snapshots() -> World {
    world(2, 2)
        .command(NodeId(1), pay(2, 1, true))
        .command(NodeId(1), Command::Snapshot)
        .command(NodeId(1), pay(2, 2, false))
        .command(NodeId(2), pay(1, 4, false))
        .command(NodeId(2), Command::Snapshot)
}

#[test]
fn in_every_order_a_snapshot_is_complete_and_conserves_money() {
    circle().explore().assert_holds();
}

#[test]
fn snapshots_overlap_and_wait_for_disks() {
    two_snapshots().explore().assert_holds();
}

#[test]
fn without_fifo_a_shortest_violation_is_found() {
    let report = two_snapshots().unordered().explore();
    let found = report.assert_violates("conservation");
    assert!(found.path.steps() <= 12, "{}", found.path.steps());
}
