//! A small world of drifting clocks and links of known delay. The tests' own; it depends on nothing but the contract.

use std::collections::BTreeMap;
use std::time::Duration;

use synod_machine::*;
use synod_protocols::time_sync::ntp::*;

/// When the world begins.
pub const EPOCH: Duration = Duration::from_secs(1_000_000);

pub struct Node {
    pub ntp: Ntp,
    /// The hardware's clock at the world's beginning, against true time.
    pub ahead: Offset,
    /// How fast it runs, in parts per million.
    pub drift_ppm: f64,
    timers: BTreeMap<Timer, Duration>,
}

impl Node {
    fn mono(&self, now: Duration) -> Mono {
        Mono::from_start(Duration::from_secs_f64(now.as_secs_f64() * (1.0 + self.drift_ppm * 1e-6)))
    }

    fn wall(&self, now: Duration) -> Wall {
        let ahead = self.ahead.magnitude();
        let true_time = EPOCH + now;
        let is_ahead = self.ahead >= Offset::ZERO;
        let since_epoch = if is_ahead { true_time + ahead } else { true_time.saturating_sub(ahead) };
        Wall { since_epoch, error: Duration::from_micros(10) }
    }
}

#[derive(Default)]
pub struct World {
    pub nodes: BTreeMap<NodeId, Node>,
    pub now: Duration,
    pub delays: BTreeMap<(NodeId, NodeId), Duration>,
    flights: Vec<(Duration, u64, NodeId, NodeId, Packet)>,
    sent: u64,
    pub seen: Vec<(Duration, NodeId, Event)>,
}

impl World {
    pub fn add(&mut self, ntp: Ntp, ahead: Offset, drift_ppm: f64) {
        let id = ntp.id();
        self.nodes.insert(id, Node { ntp, ahead, drift_ppm, timers: BTreeMap::new() });
        self.step(id, Input::Start { saved: vec![] });
    }

    /// How far the node's steered clock is ahead of true time.
    pub fn ahead(&self, id: NodeId) -> Offset {
        self.nodes[&id].ntp.reading().time - Timestamp::since_epoch(EPOCH + self.now)
    }

    /// Lets time pass. A timer is taken at the middle of its range.
    pub fn pass(&mut self, lasts: Duration) {
        let end = self.now + lasts;
        loop {
            let flight = self.flights.iter().map(|(at, number, ..)| (*at, *number)).min();
            let timer =
                self.nodes.iter().flat_map(|(id, n)| n.timers.iter().map(|(t, at)| (*at, *id, *t))).min();
            match (flight, timer) {
                (Some((at, number)), timer) if at <= end && timer.is_none_or(|(due, ..)| at <= due) => {
                    let place =
                        self.flights.iter().position(|flight| flight.1 == number).expect("it is there");
                    let (_, _, from, to, message) = self.flights.swap_remove(place);
                    self.now = at;
                    self.step(to, Input::Receive { from, message });
                }
                (_, Some((at, id, timer))) if at <= end => {
                    self.now = at;
                    self.nodes.get_mut(&id).expect("it has the timer").timers.remove(&timer);
                    self.step(id, Input::Fire(timer));
                }
                _ => break,
            }
        }
        self.now = end;
        let all: Vec<NodeId> = self.nodes.keys().copied().collect();
        for id in all {
            self.step(id, Input::Link { peer: id, up: true });
        }
    }

    fn step(&mut self, id: NodeId, input: Input<Ntp>) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let mut buffer = Buffer::new(First, Ticket(1));
        let context = Context { wall: node.wall(self.now), ..Context::at(id, node.mono(self.now)) };
        node.ntp.step(&context, input, &mut buffer.effects());
        for effect in buffer.effects {
            match effect {
                Effect::Send { to, message, .. } => {
                    self.sent += 1;
                    let at =
                        self.now + self.delays.get(&(id, to)).copied().unwrap_or(Duration::from_millis(1));
                    self.flights.push((at, self.sent, id, to, message));
                }
                Effect::Arm { timer, least, most } => {
                    node.timers.insert(timer, self.now + (least + most) / 2);
                }
                Effect::Disarm(timer) => {
                    node.timers.remove(&timer);
                }
                Effect::Emit(event) => self.seen.push((self.now, id, event)),
                _ => {}
            }
        }
    }
}
