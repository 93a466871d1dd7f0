//! The links between nodes, and the messages under way on them.
//!
//! Each pair of nodes has a link for each direction with a random stream of its own, from which every message draws the same number of
//! times whatever happens to it: a fault on one link shifts nothing on another. A message gets exactly one fate; a duplicated one gets
//! it when its last copy is settled.

use std::collections::BTreeMap;

use synod_machine::{Credit, Fate, Loss, NodeId, SendId};

use crate::agenda::{Moment, Slab};
use crate::plan::NetworkShape;
use crate::{Odds, Stream};

/// A message under way.
#[derive(Debug)]
pub(crate) struct Flight<M> {
    pub id: SendId,
    pub from: u32,
    pub to: u32,
    pub message: M,
    bytes: u32,
    life: u32,
    copied: bool,
}

/// What a fault does to a link for as long as it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Block,
    Slow(u32),
    Lose(Odds),
}

#[derive(Debug)]
struct Link {
    draw: Stream,
    troubles: Vec<(u64, Trouble)>,
    drops: Vec<(String, u32)>,
    last_arrival: Moment,
    busy_until: Moment,
    down_until: Moment,
    queued_bytes: usize,
    /// Counts resets: what left in an earlier life does not arrive.
    life: u32,
    /// What the node at the near end was told last.
    told_up: bool,
}

#[derive(Debug, Default)]
struct Copies {
    under_way: u32,
    received: Vec<u64>,
    lost: Option<Fate>,
}

/// The longest that slow links hold a message, in nanoseconds: a real connection would be given up. Without a bound, one
/// message on a link that several faults slow would, where order is kept, hold all later ones back for ever.
const SLOWEST_NANOS: u64 = 10_000_000_000;

fn slowed(nanos: u64, factor: u64) -> u64 {
    nanos.max(nanos.saturating_mul(factor).min(SLOWEST_NANOS))
}

/// What became of a departure.
#[derive(Debug)]
pub(crate) enum Departure {
    /// Under way; the flights (the second of a duplicate) and when they arrive.
    Under { flights: [Option<(u32, Moment)>; 2] },
    /// It ended at once.
    Ended(Fate),
}

#[derive(Debug)]
pub(crate) struct Network<M> {
    shape: NetworkShape,
    nodes: usize,
    links: Vec<Link>,
    flights: Slab<Flight<M>>,
    copies: BTreeMap<SendId, Copies>,
}

impl<M: Clone> Network<M> {
    pub(crate) fn new(shape: NetworkShape, nodes: usize, seed: u64) -> Self {
        let links = (0..nodes * nodes).map(|index| Link {
            draw: Stream::numbered(seed, "link", index as u64),
            troubles: Vec::new(),
            drops: Vec::new(),
            last_arrival: Moment(0),
            busy_until: Moment(0),
            down_until: Moment(0),
            queued_bytes: 0,
            life: 0,
            told_up: false,
        });
        Network { shape, nodes, links: links.collect(), flights: Slab::new(), copies: BTreeMap::new() }
    }

    pub(crate) fn shape(&self) -> &NetworkShape {
        &self.shape
    }

    /// From now on nothing is lost by the network itself.
    pub(crate) fn calm(&mut self) {
        (self.shape.loss, self.shape.duplication) = (Odds::NEVER, Odds::NEVER);
        for link in &mut self.links {
            link.troubles.clear();
            link.drops.clear();
            link.down_until = Moment(0);
        }
    }

    /// A message leaves its node.
    pub(crate) fn depart(
        &mut self,
        now: Moment,
        (from, to): (usize, usize),
        (id, kind, bytes): (SendId, &str, usize),
        message: M,
    ) -> Departure {
        let shape = &self.shape;
        let link = &mut self.links[from * self.nodes + to];
        let (delay_bits, loss_bits, twice_bits) = (link.draw.bits(), link.draw.bits(), link.draw.bits());
        if let Some(fate) = link.refusal(shape, now, kind, bytes, loss_bits, from == to) {
            return Departure::Ended(fate);
        }
        let mut left = now;
        if let Some(rate) = shape.bytes_per_second {
            let nanos = bytes as u64 * 1_000_000_000 / rate.max(1);
            left = link.busy_until.max(now).plus(nanos);
            link.busy_until = left;
        }
        let slow: u64 = link.troubles.iter().map(|(_, trouble)| trouble.factor()).product();
        let mut arrives = left.plus(slowed(shape.delay.draw_nanos(delay_bits), slow));
        if shape.fifo {
            arrives = arrives.max(link.last_arrival);
            link.last_arrival = arrives;
        }
        let copied = from != to && shape.duplication.hit(twice_bits);
        let life = link.life;
        let flight = |message| Flight {
            id,
            from: from as u32,
            to: to as u32,
            message,
            bytes: bytes as u32,
            life,
            copied,
        };
        link.queued_bytes += bytes;
        if !copied {
            let place = self.flights.put(flight(message));
            return Departure::Under { flights: [Some((place, arrives)), None] };
        }
        // The copy takes its own way: up to one more delay behind.
        link.queued_bytes += bytes;
        let later = arrives.plus(slowed(shape.delay.draw_nanos(twice_bits.rotate_left(32)), slow));
        self.copies.insert(id, Copies { under_way: 2, ..Copies::default() });
        let first = self.flights.put(flight(message.clone()));
        let second = self.flights.put(flight(message));
        Departure::Under { flights: [Some((first, arrives)), Some((second, later))] }
    }

    pub(crate) fn receiver(&self, place: u32) -> usize {
        self.flights.get(place).expect("an event owns its flight").to as usize
    }

    /// A message reaches its receiver's machine, unless the way was cut meanwhile.
    pub(crate) fn arrive(&mut self, place: u32) -> (Flight<M>, Option<Fate>) {
        let flight = self.flights.take(place);
        let link = &mut self.links[flight.from as usize * self.nodes + flight.to as usize];
        link.queued_bytes -= flight.bytes as usize;
        let fate = match link.blocked_by() {
            _ if link.life != flight.life => Some(Fate::Dropped(Loss::LinkDown)),
            Some(fault) if flight.from != flight.to => Some(Fate::Blocked(fault)),
            _ => None,
        };
        (flight, fate)
    }

    /// Settles one flight; gives the send's fate once no copy is under way.
    pub(crate) fn settle(&mut self, flight: &Flight<M>, fate: Fate) -> Option<Fate> {
        if !flight.copied {
            return Some(fate);
        }
        let copies = self.copies.get_mut(&flight.id).expect("a copied message is accounted for");
        match fate {
            Fate::Delivered(record) => copies.received.push(record),
            lost => copies.lost = Some(lost),
        }
        copies.under_way -= 1;
        if copies.under_way > 0 {
            return None;
        }
        let copies = self.copies.remove(&flight.id).expect("it was found above");
        Some(match copies.received.as_slice() {
            [] => copies.lost.expect("a copy that was not received was lost"),
            [record] => Fate::Delivered(*record),
            _ => Fate::Duplicated(copies.received),
        })
    }

    /// The sends that have no fate yet, each once; what was received of a copied one counts.
    pub(crate) fn under_way(&self) -> impl Iterator<Item = (SendId, u32, u32, Fate)> {
        let mut copied = std::collections::BTreeSet::new();
        self.flights.iter().filter(move |flight| !flight.copied || copied.insert(flight.id)).map(|flight| {
            let received = self.copies.get(&flight.id).and_then(|copies| copies.received.first());
            let fate = received.map_or(Fate::InFlight, |record| Fate::Delivered(*record));
            (flight.id, flight.from, flight.to, fate)
        })
    }

    pub(crate) fn add_trouble(&mut self, from: usize, to: usize, fault: u64, trouble: Trouble) {
        self.links[from * self.nodes + to].troubles.push((fault, trouble));
    }

    /// Ends what a fault does to links.
    pub(crate) fn end_trouble(&mut self, fault: u64) {
        for link in &mut self.links {
            link.troubles.retain(|(by, _)| *by != fault);
        }
    }

    /// Ends everything that faults do to links.
    pub(crate) fn heal(&mut self) {
        for link in &mut self.links {
            link.troubles.clear();
        }
    }

    pub(crate) fn add_drop(&mut self, from: usize, to: usize, kind: &str, count: u32) {
        self.links[from * self.nodes + to].drops.push((kind.to_owned(), count));
    }

    /// Breaks the connection: what is under way on it is lost, and nothing leaves until then.
    pub(crate) fn reset(&mut self, from: usize, to: usize, until: Moment) {
        let link = &mut self.links[from * self.nodes + to];
        link.life += 1;
        link.down_until = link.down_until.max(until);
    }

    pub(crate) fn open(&self, from: usize, to: usize, now: Moment) -> bool {
        let link = &self.links[from * self.nodes + to];
        link.blocked_by().is_none() && now >= link.down_until
    }

    /// Notes what the node at the near end is told; whether it is news to it.
    pub(crate) fn tell(&mut self, from: usize, to: usize, up: bool) -> bool {
        let link = &mut self.links[from * self.nodes + to];
        std::mem::replace(&mut link.told_up, up) != up
    }

    /// The credit that the node of that index sees.
    pub(crate) fn credit(&self, from: usize) -> LinkCredit<'_> {
        let links = &self.links[from * self.nodes..(from + 1) * self.nodes];
        LinkCredit { links, max: self.shape.queue_bytes_max }
    }
}

impl Link {
    fn blocked_by(&self) -> Option<u64> {
        self.troubles.iter().find(|(_, trouble)| *trouble == Trouble::Block).map(|(fault, _)| *fault)
    }

    /// Why a message does not leave, if it does not.
    fn refusal(
        &mut self,
        shape: &NetworkShape,
        now: Moment,
        kind: &str,
        bytes: usize,
        loss_bits: u64,
        to_itself: bool,
    ) -> Option<Fate> {
        if to_itself {
            return None;
        }
        if let Some(fault) = self.blocked_by() {
            return Some(Fate::Blocked(fault));
        }
        if let Some(place) = self.drops.iter().position(|(named, _)| named == "*" || named == kind) {
            self.drops[place].1 -= 1;
            if self.drops[place].1 == 0 {
                self.drops.remove(place);
            }
            return Some(Fate::Dropped(Loss::ByHand));
        }
        if now < self.down_until {
            return Some(Fate::Dropped(Loss::LinkDown));
        }
        if self.troubles.iter().any(|(_, trouble)| trouble.loses(loss_bits)) || shape.loss.hit(loss_bits) {
            return Some(Fate::Dropped(Loss::Lossy));
        }
        let full = shape.queue_bytes_max.is_some_and(|max| self.queued_bytes + bytes > max);
        full.then_some(Fate::Dropped(Loss::Overflow))
    }
}

impl Trouble {
    fn factor(self) -> u64 {
        match self {
            Trouble::Slow(factor) => u64::from(factor.max(1)),
            _ => 1,
        }
    }

    fn loses(self, bits: u64) -> bool {
        matches!(self, Trouble::Lose(odds) if odds.hit(bits))
    }
}

/// Room on one node's links.
pub(crate) struct LinkCredit<'a> {
    links: &'a [Link],
    max: Option<usize>,
}

impl Credit for LinkCredit<'_> {
    fn bytes(&self, peer: NodeId) -> usize {
        match (self.max, (peer.0 as usize).checked_sub(1).and_then(|index| self.links.get(index))) {
            (Some(max), Some(link)) => max.saturating_sub(link.queued_bytes),
            (None, Some(_)) => usize::MAX,
            (_, None) => 0,
        }
    }
}
