//! Random executions of processes with clocks, without a simulated world: what the clocks' figures are measured on.

use std::collections::VecDeque;
use std::time::Duration;

use synod_machine::{NodeId, Wall};
use synod_protocols::clocks::{EventId, Execution, LogicalClock};
use synod_sim::Stream;

/// How processes talk.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Processes.
    pub nodes: u64,
    /// Events in all.
    pub events: u64,
    /// Each process sends to its next so many on a ring.
    pub partners: u64,
    /// Messages of a channel are received in the order of their sends.
    pub fifo: bool,
}

/// An execution as it was told, with each event's reading.
pub struct Told<C: LogicalClock> {
    /// What happened.
    pub execution: Execution,
    /// By event.
    pub readings: Vec<C::Reading>,
    /// What messages carried.
    pub stamps: Vec<C::Stamp>,
}

/// One random execution: each event is local, a send or a receive.
pub fn random<C: LogicalClock>(shape: Shape, clock: impl Fn(NodeId) -> C, stream: &mut Stream) -> Told<C> {
    let nodes = shape.nodes as usize;
    let mut clocks: Vec<C> = (1..=shape.nodes).map(|id| clock(NodeId(id))).collect();
    let mut inboxes: Vec<Vec<VecDeque<(EventId, C::Stamp)>>> = vec![vec![VecDeque::new(); nodes]; nodes];
    let mut told = Told { execution: Execution::default(), readings: Vec::new(), stamps: Vec::new() };
    let wall = Wall { since_epoch: Duration::ZERO, error: Duration::ZERO };
    for _ in 0..shape.events {
        let node = stream.below(shape.nodes) as usize;
        let id = NodeId(node as u64 + 1);
        let waiting: Vec<usize> = (0..nodes).filter(|from| !inboxes[node][*from].is_empty()).collect();
        match stream.below(5) {
            0 => {
                clocks[node].local(wall);
                told.execution.event(id, None);
            }
            kind if kind < 3 || waiting.is_empty() => {
                let to = (node + 1 + stream.below(shape.partners.min(shape.nodes - 1)) as usize) % nodes;
                let stamp = clocks[node].send(NodeId(to as u64 + 1), wall);
                let event = told.execution.event(id, None);
                inboxes[to][node].push_back((event, stamp.clone()));
                told.stamps.push(stamp);
            }
            _ => {
                let from = *stream.pick(&waiting);
                let inbox = &mut inboxes[node][from];
                let place = if shape.fifo { 0 } else { stream.below(inbox.len() as u64) as usize };
                if let Some((sent, stamp)) = inbox.remove(place) {
                    clocks[node].receive(NodeId(from as u64 + 1), &stamp, wall);
                    told.execution.event(id, Some(sent));
                }
            }
        }
        told.readings.push(clocks[node].reading());
    }
    told
}
