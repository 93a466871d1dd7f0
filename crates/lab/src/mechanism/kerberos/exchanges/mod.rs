//! The exchanges of Kerberos in the laboratory.

use std::collections::BTreeSet;
use std::time::Duration;

use synod_machine::Machine;
use synod_protocols::kerberos::exchanges::{AdversaryConfig, Attack, Party, ReplayCache, SOURCE, cost};
use synod_sim::{Plan, Swarm, Tolerance};

use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod ensemble;
mod explore;
mod measure;

use ensemble::{FIRST_CLIENT, Parties, Setting, keys};

/// The entry.
pub struct Exchanges;

impl Mechanism for Exchanges {
    type Subject = Staged<Parties>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Parties> {
        let adversary = AdversaryConfig {
            attacks: attacks(&settings.word("attack")),
            attacks_percent: u32::try_from(settings.integer("attacks-percent")).unwrap_or(100),
            keys: keys(&settings.word("known-key")),
            delay: settings.duration("hold-back"),
        };
        let cache = match settings.word("cache").as_str() {
            "none" => ReplayCache::None,
            "memory" => ReplayCache::Memory,
            _ => ReplayCache::Durable,
        };
        let setting = Setting {
            skew: settings.duration("skew"),
            cache,
            adversary: Some(adversary),
            think: settings.duration("think"),
            measured: None,
            mutual: None,
        };
        Staged::new(Parties::new(plan.nodes, setting))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Party::NEEDS,
            nodes: settings.sizes(&[5, 6, 7]),
            // There is one centre: what is lost for good cannot be replaced.
            tolerance: Tolerance { wipes_max: 0, lost_max: 0 },
            without: vec!["wipe", "rot"],
            ..Swarm::default()
        }
    }

    fn shape(&self, plan: &mut Plan, _: &Settings) {
        plan.leave_dead = 0;
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(100);
    }
}

fn attacks(word: &str) -> BTreeSet<Attack> {
    let one = match word {
        "none" => return BTreeSet::new(),
        "lose" => Attack::Lose,
        "hold-back" => Attack::HoldBack,
        "repeat" => Attack::Repeat,
        "damage" => Attack::Damage,
        "splice" => Attack::Splice,
        "redirect" => Attack::Redirect,
        "substitute" => Attack::Substitute,
        "reflect" => Attack::Reflect,
        "impersonate" => Attack::Impersonate,
        _ => return Attack::ALL.into(),
    };
    BTreeSet::from([one])
}

static ABOUT: About = About {
    name: "kerberos",
    family: Family::Kerberos,
    chapter: "12",
    question: "Who is it really, when everybody on the wire can read, repeat and write?",
    source: SOURCE,
    survives: &[
        "an adversary on the wire that loses, delays, repeats, damages, splices, redirects, substitutes, reflects and impersonates",
        "lost, repeated and reordered messages, partitions, crashes",
        "clocks that are apart by less than the skew",
    ],
    parameters: PARAMETERS,
    properties: PROPERTIES,
    costs: &[
        Cost {
            name: "first access, mutual",
            formula: "2 AS + 2 TGS + 2 AP",
            value: |_| cost::first_access(true) as f64,
            unit: "messages",
        },
        Cost {
            name: "next access, mutual",
            formula: "2 AP",
            value: |_| cost::access(true) as f64,
            unit: "messages",
        },
    ],
    papers: &[
        "Neuman, Yu, Hartman, Raeburn: The Kerberos Network Authentication Service (V5). RFC 4120, 2005",
        "Dolev, Yao: On the Security of Public Key Protocols. IEEE Transactions on Information Theory 29(2), 1983",
        "Lowe: A Hierarchy of Authentication Specifications. 10th Computer Security Foundations Workshop, 1997",
    ],
    figures: &[Figure {
        name: "12.1, the authentication flow",
        script: include_str!("../../../../../protocols/tests/kerberos/scripts/figure"),
    }],
    weaknesses: WEAKNESSES,
    explorations: &explore::EXPLORATIONS,
    experiments: &[measure::MESSAGES, measure::VERDICTS],
    must_exercise: &[
        "client.authenticated",
        "kerberos.accepted",
        "kerberos.replays_refused",
        "note.kerberos.attack.repeat",
        "note.kerberos.attack.splice",
        "note.kerberos.attack.reflect",
        "note.kerberos.attack.redirect",
        "note.kerberos.attack.damage",
    ],
};

const PARAMETERS: &[Parameter] = &[
    Parameter::integer(
        "nodes",
        FIRST_CLIENT,
        FIRST_CLIENT..=32,
        "A centre, two services, an adversary and clients; a hunt draws 1 to 3 clients if it is not set.",
    ),
    Parameter::duration(
        "skew",
        Duration::from_secs(300),
        Duration::from_millis(100)..=Duration::from_secs(86_400),
        "How far clocks may be apart.",
    ),
    Parameter::word("cache", &["durable", "memory", "none"], "How servers remember authenticators."),
    Parameter::word(
        "attack",
        &[
            "all",
            "none",
            "lose",
            "hold-back",
            "repeat",
            "damage",
            "splice",
            "redirect",
            "substitute",
            "reflect",
            "impersonate",
        ],
        "What the adversary does.",
    ),
    Parameter::integer("attacks-percent", 20, 0..=100, "To how many of a hundred packets it does something."),
    Parameter::word("known-key", &["none", "service", "password"], "Whose long-term key the adversary has."),
    Parameter::duration(
        "hold-back",
        Duration::from_secs(2),
        Duration::from_millis(1)..=Duration::from_secs(86_400),
        "For how long it holds a packet back.",
    ),
    Parameter::duration(
        "think",
        Duration::from_millis(500),
        Duration::ZERO..=Duration::from_secs(60),
        "How long a client pauses between accesses, at most.",
    ),
];

const PROPERTIES: &[Property] = &[
    Property {
        name: "agreement",
        sentence: "A service accepts a client only by an authenticator that this client made for it.",
        source: "Lowe 1997, non-injective agreement; RFC 4120, section 1",
    },
    Property {
        name: "no replay",
        sentence: "A service accepts an authenticator at most once.",
        source: "Lowe 1997, injective agreement; RFC 4120, section 3.2.3",
    },
    Property {
        name: "mutual agreement",
        sentence: "A client believes a service to be there only if the service has accepted it.",
        source: "RFC 4120, section 3.2.4",
    },
    Property {
        name: "secrecy",
        sentence: "The adversary learns no key.",
        source: "RFC 4120, section 1; Dolev and Yao 1983",
    },
    Property {
        name: "freshness",
        sentence: "An accepted authenticator is no older than the skew, but for what clocks are off by.",
        source: "RFC 4120, section 3.2.3",
    },
    Property {
        name: "liveness",
        sentence: "When all are up and in touch, whoever asks often enough is let in.",
        source: "RFC 4120, section 1.6",
    },
];

const WEAKNESSES: &[Weakness] = &[
    Weakness {
        name: "no-replay-cache",
        sentence: "Services do not remember authenticators, and a recorded one lets somebody in a second time.",
        origin: Origin::Known("RFC 4120, section 3.2.3"),
        violates: &["no replay"],
        settings: &[("cache", "none"), ("attack", "repeat")],
        ..Weakness::EMPTY
    },
    Weakness {
        name: "service-key-known",
        sentence: "Who has a service's key opens tickets, learns session keys, and comes as anybody.",
        origin: Origin::Known("RFC 4120, section 10"),
        violates: &["secrecy", "agreement", "mutual agreement"],
        settings: &[("known-key", "service")],
        ..Weakness::EMPTY
    },
    Weakness {
        name: "password-known",
        sentence: "Who has a user's key reads the session keys that are sent to the user.",
        origin: Origin::Known("RFC 4120, section 10"),
        violates: &["secrecy", "agreement", "mutual agreement"],
        settings: &[("known-key", "password")],
        ..Weakness::EMPTY
    },
    Weakness {
        name: "clock-set-back",
        sentence: "A service's clock goes back by more than the skew: an old authenticator is fresh again, and the memory of it gone.",
        origin: Origin::Need("wall_clock"),
        violates: &["no replay", "freshness"],
        settings: &[("attack", "repeat"), ("attacks-percent", "60"), ("skew", "1s"), ("think", "1s")],
        plan: |plan| {
            plan.safety = Duration::from_secs(15);
            plan.faults = "at 8s jump n2 -4s\nat 8s jump n3 -4s".parse().expect("fault lines");
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "clock-beyond-skew",
        sentence: "A user's clock is further off than the skew: error 37, and nobody is let in.",
        origin: Origin::Need("wall_clock"),
        violates: &["liveness"],
        plan: |plan| plan.faults = "at 0.02s jump n5 +400s".parse().expect("a fault line"),
        ..Weakness::EMPTY
    },
    Weakness {
        name: "lost-replay-cache",
        sentence: "A service loses its disk, comes back as if it had never lived, and accepts an authenticator again.",
        origin: Origin::Need("stable_storage"),
        violates: &["no replay"],
        settings: &[("attack", "repeat"), ("attacks-percent", "60")],
        space: |space| space.tolerance.wipes_max = 2,
        plan: |plan| {
            plan.safety = Duration::from_secs(8);
            plan.tolerance.wipes_max = 2;
            plan.faults = "at 3s wipe n2 for 0.1s".parse().expect("a fault line");
        },
    },
];
