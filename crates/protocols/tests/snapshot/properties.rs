//! Snapshots of money that moves, in random schedules, against the oracle that sees everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use synod_machine::*;
use synod_protocols::snapshot::chandy_lamport::invariants::History;
use synod_protocols::snapshot::chandy_lamport::*;
use synod_protocols::snapshot::stable_property::{Detector, Event as Detection, Termination};
use synod_protocols::snapshot::transfers::{Account, Setting, Transfer, Transfers};

use crate::network::{Draw, Network, Seen};

type Watched = Detector<Transfers, Termination>;

const BALANCE: u64 = 1_000;

struct Run {
    network: Network<Watched>,
    history: History<Transfer>,
    /// Places of messages of the application on their channels.
    places: BTreeMap<u64, usize>,
    nodes: u64,
    completed: Vec<GlobalState<Account, Transfer>>,
    detected: Vec<SnapshotId>,
}

fn topology(me: u64, nodes: u64, ring: bool) -> Topology {
    let mut all = Topology::complete(NodeId(me), (1..=nodes).map(NodeId));
    if ring {
        all.outgoing = BTreeSet::from([NodeId(me % nodes + 1)]);
        all.incoming = BTreeSet::from([NodeId((me + nodes - 2) % nodes + 1)]);
    }
    all
}

impl Run {
    fn new(seed: u64, nodes: u64, ring: bool, period: Option<Duration>) -> Self {
        let mut draw = Draw(seed);
        let mut network = Network::new(seed);
        network.sync_at_once = false;
        let machine = |me: u64| {
            let topology = topology(me, nodes, ring);
            let setting = Setting {
                peers: topology.outgoing.iter().copied().collect(),
                balance: BALANCE,
                tasks: (0..draw.below(5)).map(|task| task as u32).collect(),
                pace: Duration::from_millis(1)..=Duration::from_millis(50),
                logged_one_in: 3,
            };
            let detector = Detector::new(NodeId(me), topology, Transfers::new(setting), Termination);
            let detector = match period.filter(|_| me == 1) {
                Some(period) => detector.watching(period),
                None => detector,
            };
            (NodeId(me), detector)
        };
        let machines: Vec<_> = (1..=nodes).map(machine).collect();
        network.start(machines);
        let mut run = Run {
            network,
            history: History::default(),
            places: BTreeMap::new(),
            nodes,
            completed: Vec::new(),
            detected: Vec::new(),
        };
        run.look().expect("nothing can be wrong yet");
        run
    }

    /// Tells the oracle what happened.
    fn look(&mut self) -> Result<(), String> {
        for seen in std::mem::take(&mut self.network.seen) {
            match seen {
                Seen::Sent(flight) => match flight.message {
                    Message::Application(transfer) => {
                        let place = self.history.sent(flight.from, flight.to, transfer);
                        self.places.insert(flight.id, place);
                    }
                    Message::Marker(id) => self.history.marker(flight.from, flight.to, id)?,
                    Message::Part { .. } => {}
                },
                Seen::Told(node, Detection::Snapshot(Event::Recorded(id))) => self.history.recorded(node, id),
                Seen::Told(_, Detection::Snapshot(Event::Completed(state))) => {
                    self.history.completed(&state)?;
                    self.conserved(&state)?;
                    self.completed.push(state);
                }
                Seen::Told(_, Detection::Detected(id)) => {
                    let over = self.is_over();
                    self.detected.push(id);
                    if !over {
                        return Err("detected although the computation goes on".to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn conserved(&self, state: &GlobalState<Account, Transfer>) -> Result<(), String> {
        let balances: u64 = state.states().map(|(_, account)| account.balance).sum();
        let under_way: u64 = state.in_transit().map(|(_, _, transfer)| transfer.amount).sum();
        let expected = BALANCE * self.nodes;
        let found = balances + under_way;
        if found == expected {
            Ok(())
        } else {
            Err(format!("conservation: expected {expected}, found {found}"))
        }
    }

    /// Nobody has a task, and none is under way.
    fn is_over(&self) -> bool {
        let passive = |id: &NodeId| self.network.machine(*id).snapshots().application().record().tasks == 0;
        let under_way = self.network.flights.iter();
        self.network.ids().iter().all(passive)
            && under_way.filter(|f| matches!(f.message, Message::Application(_))).count() == 0
    }

    /// One random thing: a delivery, a timer, a sync. Whether there was anything to do.
    fn advance(&mut self, fifo: bool) -> Result<bool, String> {
        let (heads, timers) = (self.network.heads(), self.network.timers());
        let places: Vec<usize> = if fifo { heads } else { (0..self.network.flights.len()).collect() };
        let ids = self.network.ids();
        let kind = self.network.draw.below(4);
        if !places.is_empty() && kind > 0 {
            let place = places[self.network.draw.below(places.len() as u64) as usize];
            let (id, from, to) = {
                let flight = &self.network.flights[place];
                (flight.id, flight.from, flight.to)
            };
            if let Some(place) = self.places.remove(&id) {
                self.history.received(from, to, place);
            }
            self.network.deliver(place);
        } else if let Some((_, id, timer)) = timers.first() {
            self.network.fire(*id, timer.clone());
        } else if places.is_empty() {
            let before = self.network.flights.len();
            ids.iter().for_each(|id| self.network.sync(*id));
            self.look()?;
            return Ok(self.network.flights.len() > before);
        }
        if self.network.draw.below(3) == 0 {
            let id = ids[self.network.draw.below(ids.len() as u64) as usize];
            self.network.sync(id);
        }
        self.look()?;
        Ok(true)
    }

    fn ask(
        &mut self,
        node: NodeId,
        command: Command<synod_protocols::snapshot::transfers::Pay>,
    ) -> Result<(), String> {
        self.network.step(node, Input::Command { id: RequestId(1), command });
        self.look()
    }
}

/// A run with several snapshots: some overlap, some have several initiators.
fn snapshots(seed: u64, fifo: bool) -> Result<Run, String> {
    let mut draw = Draw(seed ^ 0x5eed);
    let nodes = 2 + draw.below(4);
    let ring = draw.below(3) == 0;
    let mut run = Run::new(seed, nodes, ring, None);
    let mut begun = 0;
    for _ in 0..2_000 {
        if begun < 4 && draw.below(8) == 0 {
            let node = NodeId(1 + draw.below(nodes));
            begun += 1;
            run.ask(node, Command::Snapshot)?;
            let sequence = run.network.machine(node).snapshots().recordings().map(|(id, _)| id).max();
            if let Some(id) = sequence.filter(|id| id.collector == node && draw.below(2) == 0) {
                run.ask(NodeId(1 + draw.below(nodes)), Command::Join(id))?;
            }
        }
        if !run.advance(fifo)? && begun == 4 {
            break;
        }
    }
    let channels = if ring { nodes } else { nodes * (nodes - 1) };
    if fifo && run.completed.len() != 4 {
        return Err(format!("expected 4 complete snapshots, found {}", run.completed.len()));
    }
    for state in &run.completed {
        let found = run.history.markers(state.id);
        if found != messages(nodes, channels).markers {
            return Err(format!("expected {channels} markers, found {found}"));
        }
    }
    Ok(run)
}

#[test]
fn snapshots_are_consistent_and_money_is_conserved() {
    let mut under_way = 0;
    for seed in 0..1_000 {
        let run = snapshots(seed, true).unwrap_or_else(|sentence| panic!("seed {seed}: {sentence}"));
        under_way += run.completed.iter().map(|state| state.in_transit().count()).sum::<usize>();
    }
    assert!(under_way > 1_000, "the runs show nothing if nothing is under way, found {under_way}");
}

#[test]
fn without_fifo_a_violation_is_found() {
    let found = (0..1_000).find_map(|seed| snapshots(seed, false).err());
    let sentence = found.expect("some marker is overtaken");
    assert!(
        ["consistent cut", "channel state", "conservation"].iter().any(|name| sentence.starts_with(name)),
        "{sentence}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn termination_is_detected_once_it_is_there_and_not_before(seed in any::<u64>(), nodes in 2..6_u64) {
        let mut run = Run::new(seed, nodes, seed % 3 == 0, Some(Duration::from_millis(40)));
        let mut steps = 0;
        while run.detected.is_empty() {
            run.advance(true).map_err(TestCaseError::fail)?;
            steps += 1;
            prop_assert!(steps < 20_000, "never detected");
        }
        prop_assert_eq!(run.detected.len(), 1);
    }
}
