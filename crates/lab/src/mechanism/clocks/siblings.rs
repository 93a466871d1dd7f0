//! Three ways to tell siblings, in the same lives of a key, held against full causal histories.

use std::collections::BTreeSet;

use synod_protocols::clocks::dotted::invariants::{CausalHistory, Histories};
use synod_protocols::clocks::{Dot, Siblings, VersionVector};
use synod_sim::Stream;

/// A write's name, by the replica's number.
type Write = Dot<u64>;

/// What became of one key's life.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// With dotted version vectors: writes that were kept though replaced.
    pub dotted_false: u64,
    /// Writes that were lost though nothing replaced them.
    pub dotted_lost: u64,
    /// The longest clock.
    pub dotted_counters: u64,
    /// With a counter a server: writes lost.
    pub server_lost: u64,
    /// With a counter a client: writes lost.
    pub client_lost: u64,
    /// The longest clock.
    pub client_counters: u64,
}

/// Versions under plain version vectors.
#[derive(Clone, Debug, Default)]
struct Plain {
    versions: Vec<(Write, VersionVector<u64>)>,
    known: VersionVector<u64>,
}

impl Plain {
    /// A write under the counter of `actor`.
    fn put(&mut self, actor: u64, seen: &VersionVector<u64>, write: Write) {
        let mut clock = seen.clone();
        clock.raise(actor, self.known.get(&actor) + 1);
        self.known.merge(&clock);
        self.versions.push((write, clock));
        self.keep_maximal();
    }

    fn merge(&mut self, other: &Plain) {
        for version in &other.versions {
            if !self.versions.contains(version) {
                self.versions.push(version.clone());
            }
        }
        self.known.merge(&other.known);
        self.keep_maximal();
    }

    fn keep_maximal(&mut self) {
        let clocks: Vec<VersionVector<u64>> = self.versions.iter().map(|(_, clock)| clock.clone()).collect();
        self.versions.retain(|(_, clock)| !clocks.iter().any(|other| clock < other));
    }

    fn seen(&self) -> VersionVector<u64> {
        let mut seen = VersionVector::new();
        self.versions.iter().for_each(|(_, clock)| seen.merge(clock));
        seen
    }

    fn counters(&self) -> u64 {
        self.versions.iter().map(|(_, clock)| clock.len() as u64).max().unwrap_or(0)
    }
}

/// A replica under the three schemes, and with the truth.
#[derive(Clone, Default)]
struct Replica {
    dotted: Siblings<(), u64>,
    server: Plain,
    client: Plain,
    truth: Histories<u64>,
}

/// What a client has read.
#[derive(Clone, Default)]
struct Seen {
    dotted: VersionVector<u64>,
    server: VersionVector<u64>,
    client: VersionVector<u64>,
    truth: CausalHistory<u64>,
    /// Writes of this client, which names its versions by them.
    writes: u64,
}

/// So many random reads, writes and exchanges of one key.
pub fn life(replicas: u64, clients: u64, operations: u64, stream: &mut Stream) -> Outcome {
    let mut all: Vec<Replica> = vec![Replica::default(); replicas as usize];
    let mut seen: Vec<Seen> = vec![Seen::default(); clients as usize];
    let (mut lost, mut outcome) = (Lost::default(), Outcome::default());
    for _ in 0..operations {
        let place = stream.below(replicas) as usize;
        let client = stream.below(clients) as usize;
        match stream.below(3) {
            0 => seen[client].read(&all[place]),
            1 => {
                // A write answers with what is there afterwards, so that a client knows its own writes.
                all[place].write(place as u64, client as u64, &mut seen[client]);
                seen[client].read(&all[place]);
            }
            _ => {
                let other = all[stream.below(replicas) as usize].clone();
                all[place].merge(&other);
            }
        }
        outcome.look(&all[place], &mut lost);
    }
    outcome.dotted_lost = lost.dotted.len() as u64;
    outcome.server_lost = lost.server.len() as u64;
    outcome.client_lost = lost.client.len() as u64;
    outcome
}

#[derive(Default)]
struct Lost {
    dotted: BTreeSet<Write>,
    server: BTreeSet<Write>,
    client: BTreeSet<Write>,
}

impl Outcome {
    fn look(&mut self, replica: &Replica, lost: &mut Lost) {
        let truth: BTreeSet<Write> = replica.truth.versions().copied().collect();
        let dotted: BTreeSet<Write> = replica.dotted.iter().map(|(dot, ())| *dot).collect();
        let plain =
            |plain: &Plain| plain.versions.iter().map(|(write, _)| *write).collect::<BTreeSet<Write>>();
        self.dotted_false += dotted.difference(&truth).count() as u64;
        lost.dotted.extend(truth.difference(&dotted));
        lost.server.extend(truth.difference(&plain(&replica.server)));
        lost.client.extend(truth.difference(&plain(&replica.client)));
        self.dotted_counters = self.dotted_counters.max(replica.dotted.context().len() as u64);
        self.client_counters = self.client_counters.max(replica.client.counters());
    }
}

impl Seen {
    /// A client's session only grows: what it has seen once, its writes replace.
    fn read(&mut self, replica: &Replica) {
        self.dotted.merge(replica.dotted.context());
        self.server.merge(&replica.server.seen());
        self.client.merge(&replica.client.seen());
        self.truth.extend(replica.truth.seen());
    }
}

impl Replica {
    fn write(&mut self, me: u64, client: u64, seen: &mut Seen) {
        let dot = self.dotted.put(me, &seen.dotted, ());
        self.server.put(me, &seen.server, dot);
        // A client counts its own writes, wherever they go.
        seen.writes += 1;
        self.client.known.raise(client, seen.writes - 1);
        self.client.put(client, &seen.client, dot);
        self.truth.put(dot, seen.truth.clone());
    }

    fn merge(&mut self, other: &Replica) {
        self.dotted.merge(&other.dotted);
        self.server.merge(&other.server);
        self.client.merge(&other.client);
        self.truth.merge(&other.truth);
    }
}
