//! Every order of events of one write and two reads on three copies: a register with the write-back, none without it.

use bytes::Bytes;
use synod_machine::{NodeId, RequestId};
use synod_protocols::clocks::VersionVector;
use synod_protocols::replication::quorum::{Command, Config, Key, Quorum, Reply};
use synod_protocols::routing::hash_ring::{self, HashRing, Member};
use synod_sim::explore::{Observation, SmallWorld};

use crate::entry::Exploration;

pub(super) static EXPLORATIONS: [Exploration; 2] = [
    Exploration {
        name: "register",
        sentence: "Three copies, R = W = 2; a write at one node, a read at each of the others, links that keep their order.",
        run: |_, explore, progress| explore.run_with(&world(true).fifo(), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "no-write-back",
        sentence: "The same without the write-back: a read sees the write under way, and a later one does not.",
        violates: Some("atomicity"),
        run: |_, explore, progress| explore.run_with(&world(false), progress),
        ..Exploration::EMPTY
    },
];

/// The write is the world's first command, the reads are the second and the third.
const WRITE: RequestId = RequestId(1);

/// What a linearizable register must not do here: read nothing after somebody has read the value, or after the write is complete.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Seen {
    new: bool,
    /// Reads that began after the value was seen.
    late: [bool; 2],
    inversion: bool,
}

fn observe(seen: &mut Seen, observation: Observation<'_, Quorum>) {
    match observation {
        Observation::Command { id, .. } if id > WRITE => seen.late[id.0 as usize - 2] = seen.new,
        Observation::Reply { id: WRITE, reply: Reply::Written { .. }, .. } => seen.new = true,
        Observation::Reply { id, reply: Reply::Values { values, .. }, .. } => {
            seen.inversion |= values.is_empty() && seen.late[id.0 as usize - 2];
            seen.new |= !values.is_empty();
        }
        _ => {}
    }
}

fn world(write_back: bool) -> SmallWorld<Quorum, Seen> {
    let mut ring = HashRing::new(hash_ring::Config { points_per_weight: 1, seed: 0 });
    for node in 1..=3 {
        ring.insert(NodeId(node), Member { weight: 1, zone: node });
    }
    let config = Config { write_back, read_repair: false, ..Config::default() };
    let write = Command::Write { key: Key(1), value: Bytes::from_static(b"new"), seen: VersionVector::new() };
    let boot = move |node| Quorum::new(node, ring.clone(), config.clone());
    SmallWorld::remembering(3, boot, Seen::default(), observe)
        .command(NodeId(1), write)
        .command(NodeId(2), Command::Read { key: Key(1) })
        .command(NodeId(3), Command::Read { key: Key(1) })
        .synchronous_disk()
        .always("atomicity", |view| match view.memory().inversion {
            true => {
                Err("expected a later read to see what an earlier one saw, found that it saw nothing"
                    .to_owned())
            }
            false => Ok(()),
        })
        .sometimes("the value is read", |view| view.memory().new)
}
