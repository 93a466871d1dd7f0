//! Random executions: what happened, and what each clock says of it.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use synod_machine::{NodeId, Wall};
use synod_protocols::clocks::{EventId, Execution, LogicalClock};

/// One thing that a process does.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Local {
        node: usize,
    },
    Send {
        node: usize,
        to: usize,
    },
    /// Receives what waits on a channel: the oldest message, or any of them on a channel that is not FIFO.
    Receive {
        node: usize,
        from: usize,
        place: usize,
    },
}

/// Random acts of `nodes` processes.
pub fn acts(nodes: usize, most: usize) -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        1 => (0..nodes).prop_map(|node| Act::Local { node }),
        3 => (0..nodes, 0..nodes).prop_map(|(node, to)| Act::Send { node, to }),
        3 => (0..nodes, 0..nodes, 0..4_usize).prop_map(|(node, from, place)| Act::Receive { node, from, place }),
    ];
    proptest::collection::vec(act, 0..most)
}

/// What became of the acts: the graph of events, and the reading of a clock at each.
pub struct Told<C: LogicalClock> {
    pub execution: Execution,
    pub readings: Vec<C::Reading>,
    /// What each send carried.
    pub stamps: Vec<C::Stamp>,
}

/// Plays the acts with a clock at each process. `wall` gives a process's wall clock at the given act.
pub fn play<C: LogicalClock>(
    nodes: usize,
    acts: &[Act],
    fifo: bool,
    clock: impl Fn(NodeId) -> C,
    wall: impl Fn(usize, usize) -> Duration,
) -> Told<C> {
    let id = |node: usize| NodeId(node as u64 + 1);
    let mut clocks: Vec<C> = (0..nodes).map(|node| clock(id(node))).collect();
    let mut channels: Vec<VecDeque<(EventId, C::Stamp)>> = vec![VecDeque::new(); nodes * nodes];
    let mut told = Told { execution: Execution::default(), readings: Vec::new(), stamps: Vec::new() };
    for (time, act) in acts.iter().enumerate() {
        let at = |node| Wall { since_epoch: wall(node, time), error: Duration::ZERO };
        let node = match *act {
            Act::Local { node } => {
                clocks[node].local(at(node));
                told.execution.event(id(node), None);
                node
            }
            Act::Send { node, to } if node != to => {
                let stamp = clocks[node].send(id(to), at(node));
                let event = told.execution.event(id(node), None);
                told.stamps.push(stamp.clone());
                channels[node * nodes + to].push_back((event, stamp));
                node
            }
            Act::Receive { node, from, place } => {
                let channel = &mut channels[from * nodes + node];
                let place = if fifo || channel.is_empty() { 0 } else { place % channel.len() };
                let Some((sent, stamp)) = channel.remove(place) else { continue };
                clocks[node].receive(id(from), &stamp, at(node));
                told.execution.event(id(node), Some(sent));
                node
            }
            Act::Send { .. } => continue,
        };
        told.readings.push(clocks[node].reading());
    }
    told
}

/// All pairs of different events.
pub fn pairs(execution: &Execution) -> impl Iterator<Item = (EventId, EventId)> + use<> {
    let count = execution.len();
    let pairs = (0..count).flat_map(move |e| (0..count).map(move |f| (EventId(e), EventId(f))));
    pairs.filter(|(e, f)| e != f)
}
