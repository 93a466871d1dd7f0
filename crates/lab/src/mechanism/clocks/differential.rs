//! The differential vector clock in the laboratory, held against the full one.

use std::cmp::Ordering;
use std::time::Duration;

use synod_machine::{Machine as _, NodeId, Wall};
use synod_protocols::clocks::differential::SOURCE;
use synod_protocols::clocks::{DifferentialClock, LogicalClock, Stamped, VectorClock, VersionVector};
use synod_sim::{Delay, Plan, Swarm};

use super::chatter::Chatter;
use super::ensemble::{Claimed, Claims, Processes};
use super::{PACE, UTTERANCES, talk};
use crate::entry::{About, Cost, Family, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness};

/// The differential clock, and the full vector that it shall equal.
#[derive(Clone, Debug)]
pub struct Both {
    differential: DifferentialClock,
    full: VectorClock,
}

impl LogicalClock for Both {
    type Stamp = (VersionVector, VersionVector);
    type Reading = (VersionVector, VersionVector);
    const NEEDS_CHANNELS: bool = true;

    fn local(&mut self, wall: Wall) {
        self.differential.local(wall);
        self.full.local(wall);
    }

    fn send(&mut self, to: NodeId, wall: Wall) -> Self::Stamp {
        (self.differential.send(to, wall), self.full.send(to, wall))
    }

    fn receive(&mut self, from: NodeId, stamp: &Self::Stamp, wall: Wall) {
        LogicalClock::receive(&mut self.differential, from, &stamp.0, wall);
        LogicalClock::receive(&mut self.full, from, &stamp.1, wall);
    }

    fn reading(&self) -> Self::Reading {
        (self.differential.reading(), self.full.reading())
    }
}

impl Claims for Both {
    fn of(me: NodeId) -> Self {
        Both { differential: DifferentialClock::new(me), full: VectorClock::new(me) }
    }

    fn judge(
        _: &Claimed,
        e: &Self::Reading,
        f: &Self::Reading,
        truth: Option<Ordering>,
    ) -> Result<(), (&'static str, String)> {
        let found = e.0.partial_cmp(&f.0);
        if found == truth {
            return Ok(());
        }
        Err(("isomorphism", format!("their vectors are {} and {}", e.0, f.0)))
    }

    fn judge_alone(_: &Claimed, (decoded, full): &Self::Reading) -> Result<(), (&'static str, String)> {
        if decoded == full {
            return Ok(());
        }
        Err(("decoding", format!("the full vector is {full}, the differential form came to {decoded}")))
    }
}

/// The entry.
pub struct Differential;

impl Mechanism for Differential {
    type Subject = Staged<Processes<Both>>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Self::Subject {
        let claims = Claimed { converse: false, epsilon: Duration::ZERO, nodes: plan.nodes };
        Staged::new(Processes::new(claims, talk(settings)))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Stamped::<Chatter, Both>::NEEDS,
            nodes: settings.sizes(&[2, 3, 5, 8]),
            safety: (Duration::from_millis(500), Duration::from_secs(2)),
            without: vec!["crash", "kill", "crash-at-sync", "upgrade", "wipe", "fail-sync", "fill", "rot"],
            ..Swarm::default()
        }
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(60);
    }
}

static ABOUT: About = About {
    name: "differential-clock",
    family: Family::Clocks,
    chapter: "2.2",
    question: "How little of a vector clock need a message carry?",
    source: SOURCE,
    survives: &["any delay and any pause", "clocks of any rate"],
    parameters: &[
        Parameter::integer("nodes", 3, 2..=64, "Processes; a hunt draws 2 to 8 if it is not set."),
        PACE,
        UTTERANCES,
    ],
    properties: &[
        Property {
            name: "decoding",
            sentence: "After every event the vector is what full vectors would have made it.",
            source: "Singhal and Kshemkalyani 1992, section 3",
        },
        Property {
            name: "isomorphism",
            sentence: "e happened before f if and only if V(e) < V(f).",
            source: "Mattern 1989; Fidge 1988",
        },
    ],
    costs: &[Cost {
        name: "entries a message, at most",
        formula: "N",
        value: |settings| settings.integer("nodes") as f64,
        unit: "entries",
    }],
    papers: &[
        "Singhal, Kshemkalyani: An Efficient Implementation of Vector Clocks. Information Processing Letters 43(1), 1992",
    ],
    weaknesses: &[
        Weakness {
            name: "no-fifo",
            sentence: "A message overtakes the one that carried an entry, and its receiver does not know the entry yet.",
            origin: Origin::Need("fifo"),
            violates: &["decoding", "isomorphism"],
            plan: |plan| {
                plan.network.fifo = false;
                plan.network.delay = Delay::micros(100, 20_000);
                plan.network.delay_bound = Some(plan.network.delay.most());
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "lost-message",
            sentence: "A message with entries is lost, and they do not come again.",
            origin: Origin::Need("reliable"),
            violates: &["decoding", "isomorphism"],
            plan: |plan| {
                plan.faults = "at 0.03s drop * n1 -> n2 x3".parse().expect("a fault line");
            },
            ..Weakness::EMPTY
        },
    ],
    experiments: &[super::measure::DIFFERENTIAL],
    must_exercise: &["clocks.events", "clocks.pairs ordered", "clocks.pairs concurrent"],
    ..About::EMPTY
};
