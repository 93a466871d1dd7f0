//! Every order of events of one write and two reads on three copies: a register with the write-back, none without it.

use bytes::Bytes;
use synod_machine::{NodeId, RequestId};
use synod_protocols::clocks::VersionVector;
use synod_protocols::replication::quorum::{Command, Config, Key, Quorum, Reply};
use synod_protocols::routing::hash_ring::{self, HashRing, Member};
use synod_sim::explore::{Observation, SmallWorld};

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
    SmallWorld::remembering(
        3,
        move |node| Quorum::new(node, ring.clone(), config.clone()),
        Seen::default(),
        observe,
    )
    .command(NodeId(1), write)
    .command(NodeId(2), Command::Read { key: Key(1) })
    .command(NodeId(3), Command::Read { key: Key(1) })
    .synchronous_disk()
    .always("atomicity", |view| match view.memory().inversion {
        true => {
            Err("expected a later read to see what an earlier one saw, found that it saw nothing".to_owned())
        }
        false => Ok(()),
    })
    .sometimes("the value is read", |view| view.memory().new)
}

#[test]
fn without_the_write_back_reads_go_back_in_time() {
    let report = world(false).explore();
    let steps = report.assert_violates("atomicity").path.steps();
    assert!(steps <= 14, "a shortest run has {steps} steps");
}

#[test]
fn with_the_write_back_they_never_do() {
    let report = world(true).explore();
    report.assert_holds();
}
