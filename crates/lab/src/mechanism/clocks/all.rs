//! Lamport's, the vector and the hybrid clock side by side, so that one run judges all.

use std::cmp::Ordering;
use std::time::Duration;

use synod_machine::{NodeId, Wall};
use synod_protocols::clocks::{
    HybridClock, HybridTimestamp, LamportClock, LogicalClock, VectorClock, VersionVector,
};

use super::ensemble::{Claimed, Claims};

/// The three clocks of one process.
#[derive(Clone, Debug)]
pub struct AllClocks {
    lamport: LamportClock,
    vector: VectorClock,
    hybrid: HybridClock,
    wall: Duration,
}

/// What a message carries.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllStamps {
    lamport: u64,
    vector: VersionVector,
    hybrid: HybridTimestamp,
}

/// What the three show after an event, and the wall clock then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AllReadings {
    stamps: AllStamps,
    wall: Duration,
}

impl LogicalClock for AllClocks {
    type Stamp = AllStamps;
    type Reading = AllReadings;

    fn local(&mut self, wall: Wall) {
        self.wall = wall.since_epoch;
        self.lamport.local(wall);
        self.vector.local(wall);
        self.hybrid.local(wall);
    }

    fn send(&mut self, to: NodeId, wall: Wall) -> AllStamps {
        self.wall = wall.since_epoch;
        AllStamps {
            lamport: self.lamport.send(to, wall),
            vector: self.vector.send(to, wall),
            hybrid: self.hybrid.send(to, wall),
        }
    }

    fn receive(&mut self, from: NodeId, stamp: &AllStamps, wall: Wall) {
        self.wall = wall.since_epoch;
        LogicalClock::receive(&mut self.lamport, from, &stamp.lamport, wall);
        LogicalClock::receive(&mut self.vector, from, &stamp.vector, wall);
        LogicalClock::receive(&mut self.hybrid, from, &stamp.hybrid, wall);
    }

    fn reading(&self) -> AllReadings {
        let stamps = AllStamps {
            lamport: self.lamport.reading(),
            vector: self.vector.reading(),
            hybrid: self.hybrid.reading(),
        };
        AllReadings { stamps, wall: self.wall }
    }
}

impl Claims for AllClocks {
    fn of(me: NodeId) -> Self {
        AllClocks {
            lamport: LamportClock::default(),
            vector: VectorClock::new(me),
            hybrid: HybridClock::default(),
            wall: Duration::ZERO,
        }
    }

    fn judge(
        claims: &Claimed,
        e: &AllReadings,
        f: &AllReadings,
        truth: Option<Ordering>,
    ) -> Result<(), (&'static str, String)> {
        let (e, f) = (&e.stamps, &f.stamps);
        if e.vector.partial_cmp(&f.vector) != truth {
            return Err(("isomorphism", format!("their vectors are {} and {}", e.vector, f.vector)));
        }
        if truth == Some(Ordering::Less) {
            if e.lamport >= f.lamport {
                return Err((
                    "clock condition",
                    format!("their Lamport clocks are {} and {}", e.lamport, f.lamport),
                ));
            }
            if e.hybrid >= f.hybrid {
                return Err((
                    "hybrid order",
                    format!("their timestamps are {:?} and {:?}", e.hybrid, f.hybrid),
                ));
            }
        } else if claims.converse && e.lamport < f.lamport {
            let sentence = format!("their Lamport clocks are {} and {} all the same", e.lamport, f.lamport);
            return Err(("converse", sentence));
        }
        Ok(())
    }

    fn judge_alone(claims: &Claimed, reading: &AllReadings) -> Result<(), (&'static str, String)> {
        let logical = reading.stamps.hybrid.logical();
        // A timestamp is rounded down to a unit.
        let behind = reading.wall.saturating_sub(logical) > UNIT;
        let ahead = logical.saturating_sub(reading.wall);
        if behind || ahead > claims.epsilon {
            let sentence = format!(
                "l is {logical:?} when the wall clock shows {:?}; expected at most {:?} ahead, and not behind",
                reading.wall, claims.epsilon
            );
            return Err(("hybrid bound", sentence));
        }
        Ok(())
    }
}

/// A unit of hybrid timestamps, rounded up.
const UNIT: Duration = Duration::from_nanos(15_259);
