//! Quorum replication in the laboratory: registers that must be linearizable, and siblings of which none may be lost.

use std::time::Duration;

use synod_machine::Machine;
use synod_protocols::replication::quorum::{Config, Quorum as Node, SOURCE, Versions, cost};
use synod_sim::{Delay, Fault, Odds, Plan, Swarm, Tolerance, What};

use crate::chronicle::Chronicle;
use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod delays;
mod ensemble;
mod explore;
mod measure;

use ensemble::Replicas;

/// The entry.
pub struct Quorum;

impl Mechanism for Quorum {
    type Subject = Staged<Replicas>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Replicas> {
        let versions = match settings.word("versions").as_str() {
            "tags" => Versions::Tags,
            "vectors" => Versions::Vectors,
            _ if plan.workload.is_multiple_of(2) => Versions::Tags,
            _ => Versions::Vectors,
        };
        let config = Config {
            copies: settings.integer("copies").min(plan.nodes) as usize,
            read: settings.integer("read").min(plan.nodes) as usize,
            write: settings.integer("write").min(plan.nodes) as usize,
            versions,
            write_back: settings.switch("write-back"),
            read_repair: settings.switch("read-repair"),
            sloppy: settings.switch("sloppy"),
            // Now and then the log is short enough to be written anew in every run.
            records_max: if plan.workload.is_multiple_of(3) { 20 } else { 1_000 },
            ..Config::default()
        };
        Staged::new(Replicas::new(plan.nodes, config, settings.integer("keys"), settings.duration("think")))
    }

    fn chronicle(subject: &mut Self::Subject) -> Result<&mut Chronicle, &'static str> {
        subject.ensemble_mut().chronicle()
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Node::NEEDS,
            nodes: settings.sizes(&[3, 5]),
            safety: (Duration::from_secs(1), Duration::from_secs(8)),
            tolerance: Tolerance::default(),
            ..Swarm::default()
        }
    }

    fn shape(&self, plan: &mut Plan, settings: &Settings) {
        let spare = settings
            .integer("copies")
            .saturating_sub(settings.integer("read").max(settings.integer("write")));
        plan.leave_dead = plan.leave_dead.min(spare);
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(60);
    }
}

/// Two nodes, one after the other, lose their disks and come back under their names.
fn forget(plan: &mut Plan) {
    plan.tolerance.wipes_max = plan.nodes;
    for (at, node) in [(600, 1), (900, 2), (1_200, 3)] {
        let what = What::Wipe(synod_machine::NodeId(node));
        plan.faults.faults.push(Fault {
            at: Duration::from_millis(at),
            what,
            lasts: Some(Duration::from_millis(100)),
        });
    }
    plan.faults.faults.sort_by_key(|fault| fault.at);
}

static ABOUT: About = About {
    name: "quorum",
    family: Family::Replication,
    chapter: "7.3",
    question: "How many copies must be asked to see the latest write?",
    source: SOURCE,
    survives: &[
        "messages lost, repeated, late and out of order; partitions of any kind",
        "crashes and power losses of any nodes at any time; progress needs max(R, W) of a key's nodes",
        "clocks of any rate",
    ],
    parameters: &[
        Parameter::integer("nodes", 3, 1..=64, "Nodes; a hunt draws 3 or 5 if it is not set."),
        Parameter::integer("copies", 3, 1..=64, "Copies of each key (N)."),
        Parameter::integer("read", 2, 1..=64, "Copies that a read waits for (R)."),
        Parameter::integer("write", 2, 1..=64, "Copies that a write waits for (W)."),
        Parameter::word(
            "versions",
            &["any", "tags", "vectors"],
            "Registers, or siblings; any: every other seed.",
        ),
        Parameter::switch("write-back", true, "Reads of a register write back before they answer (ABD)."),
        Parameter::switch("read-repair", true, "Copies that a read finds behind are sent what they lack."),
        Parameter::integer("keys", 3, 1..=1_000, "Keys that clients read and write."),
        Parameter::duration(
            "think",
            Duration::from_millis(30),
            Duration::ZERO..=Duration::from_secs(10),
            "How long a client pauses between requests, at most.",
        ),
        Parameter::switch(
            "sloppy",
            false,
            "Other nodes stand in for those that are silent, with hints (Dynamo).",
        ),
    ],
    properties: &[
        Property {
            name: "linearizability",
            sentence: "With tags each key is a register: every operation takes effect at one instant between its invocation and its return.",
            source: "Attiya, Bar-Noy, Dolev 1995, section 4; Herlihy and Wing 1990",
        },
        Property {
            name: "no stale read",
            sentence: "With vectors a read includes every write that was complete when it began.",
            source: "Gifford 1979, section 2: R + W > N",
        },
        Property {
            name: "no lost write",
            sentence: "With vectors a complete write is read until somebody who had seen it replaces it.",
            source: "Preguiça et al. 2010; DeCandia et al. 2007, section 4.4",
        },
        Property {
            name: "liveness",
            sentence: "When faults pause, requests are answered, hints are handed over and copies converge.",
            source: "DeCandia et al. 2007, sections 4.6 and 5",
        },
    ],
    costs: &[
        Cost {
            name: "messages a read of a register",
            formula: "2N",
            value: |settings| cost::read_messages(settings.integer("copies")) as f64,
            unit: "messages",
        },
        Cost {
            name: "messages a write of a register",
            formula: "4N",
            value: |settings| cost::write_messages(settings.integer("copies")) as f64,
            unit: "messages",
        },
        Cost {
            name: "messages a write with vectors",
            formula: "2 (N - 1)",
            value: |settings| cost::put_messages(settings.integer("copies")) as f64,
            unit: "messages",
        },
        Cost {
            name: "chance that quorums drawn at random meet",
            formula: "1 - C(N - W, R) / C(N, R)",
            value: |settings| {
                let quorum = |name| settings.integer(name);
                cost::within_versions(quorum("copies"), quorum("read"), quorum("write"), 1)
            },
            unit: "",
        },
    ],
    papers: &[
        "Gifford: Weighted Voting for Replicated Data. SOSP 1979",
        "Attiya, Bar-Noy, Dolev: Sharing Memory Robustly in Message-Passing Systems. JACM 42(1), 1995",
        "Lynch, Shvartsman: Robust Emulation of Shared Memory Using Dynamic Quorum-Acknowledged Broadcasts. FTCS 1997",
        "DeCandia et al.: Dynamo. SOSP 2007",
        "Bailis, Venkataraman, Franklin, Hellerstein, Stoica: Probabilistically Bounded Staleness. VLDB 2012",
    ],
    figures: &[Figure {
        name: "7.3 Five copies, W = 3, R = 3",
        script: include_str!("../../../../../protocols/tests/quorum/scripts/survey_figure"),
    }],
    weaknesses: &[
        Weakness {
            name: "quorums-that-miss",
            sentence: "W + R = N: a read asks just the copies that the last write did not reach.",
            origin: Origin::Known("Gifford 1979, section 2"),
            violates: &["linearizability", "no stale read"],
            settings: &[("read", "1"), ("write", "2")],
            ..Weakness::EMPTY
        },
        Weakness {
            name: "no-write-back",
            sentence: "A read sees a write that is under way, and a later read does not: new before old.",
            origin: Origin::Known("Attiya, Bar-Noy, Dolev 1995, section 4"),
            violates: &["linearizability"],
            settings: &[
                ("write-back", "false"),
                ("versions", "tags"),
                ("read-repair", "false"),
                ("keys", "1"),
                ("think", "5ms"),
            ],
            // Writes that are under way for long: some copies have them early, some late.
            plan: |plan| {
                plan.network.loss = Odds::percent(20);
                plan.network.delay = Delay::micros(200, 20_000);
                plan.network.delay_bound = Some(plan.network.delay.most());
                plan.client = Delay::micros(50, 500);
            },
            ..Weakness::EMPTY
        },
        Weakness {
            name: "sloppy-quorum",
            sentence: "Nodes that stand in on one side of a partition take a write, and a read on the other side does not see it.",
            origin: Origin::Known("DeCandia et al. 2007, section 4.6"),
            violates: &["linearizability", "no stale read"],
            settings: &[("sloppy", "true")],
            space: |space| space.nodes = vec![5],
            plan: |plan| {
                plan.faults = "at 0.4s partition n1 n2 | n3 n4 n5 for 0.5s\nat 1.1s partition n1 n4 | n2 n3 n5 for 0.6s"
                    .parse()
                    .expect("fault lines");
            },
        },
        Weakness {
            name: "forgotten-copies",
            sentence: "Nodes lose their disks and come back under their names: the copies that made a quorum are gone.",
            origin: Origin::Need("stable_storage"),
            violates: &["linearizability", "no stale read", "no lost write"],
            plan: forget,
            ..Weakness::EMPTY
        },
    ],
    experiments: &[measure::STALENESS, measure::WARS],
    explorations: &explore::EXPLORATIONS,
    must_exercise: &[
        "client.written",
        "client.read",
        "note.quorum.written_back",
        "note.quorum.repaired",
        "quorum.siblings",
    ],
};
