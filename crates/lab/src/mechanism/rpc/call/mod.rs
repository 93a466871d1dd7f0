//! Call semantics in the laboratory.

use std::time::Duration;

use synod_machine::Machine;
use synod_protocols::retry::RetryPolicy;
use synod_protocols::rpc::call::ledger::Ledger;
use synod_protocols::rpc::call::{Orphans, Party, SOURCE, Semantics, ServerConfig, cost};
use synod_sim::{Delay, Odds, Plan, Swarm, Tolerance};

use crate::entry::{
    About, Cost, Family, Figure, Mechanism, Origin, Parameter, Property, Settings, Staged, Weakness,
};

mod ensemble;
mod explore;
mod measure;

use ensemble::{BINDER, INTERFACE, Parties, Workload};

/// The entry.
pub struct Call;

impl Mechanism for Call {
    type Subject = Staged<Parties>;

    const ABOUT: &'static About = &ABOUT;

    fn subject(&self, plan: &Plan, settings: &Settings) -> Staged<Parties> {
        let mut server = ServerConfig::new(INTERFACE, BINDER);
        let execution = settings.duration("execution");
        server.execution = execution..=execution;
        server.retention = Some(settings.duration("retention"));
        server.checks_incarnation = settings.switch("incarnation-check");
        server.recovers_table = settings.switch("table-recovery");
        if settings.word("orphans") == "leave" {
            server.orphans = Orphans::Leave;
        }
        let attempts = u32::try_from(settings.integer("attempts")).unwrap_or(u32::MAX);
        let retry = RetryPolicy {
            attempts_max: Some(attempts),
            first: settings.duration("retry"),
            ..RetryPolicy::default()
        };
        let workload = Workload {
            semantics: semantics(&settings.word("semantics")),
            think: settings.duration("think"),
            measured: None,
            at_most_once: settings.word("held-to") == "at-most-once",
        };
        Staged::new(Parties::new(
            plan.nodes,
            server,
            retry,
            workload,
            plan.network.duplication != Odds::NEVER,
        ))
    }

    fn space(&self, settings: &Settings) -> Swarm {
        Swarm {
            needs: Party::<Ledger>::NEEDS,
            nodes: settings.sizes(&[3, 4, 5]),
            // There is one server and one binder: what is lost for good cannot be replaced.
            tolerance: Tolerance { wipes_max: 0, lost_max: 0 },
            without: vec!["wipe", "rot"],
            ..Swarm::default()
        }
    }

    fn shape(&self, plan: &mut Plan, _: &Settings) {
        plan.leave_dead = 0;
    }

    fn stage(&self, plan: &mut Plan, _: &Settings) {
        plan.safety = Duration::from_millis(120);
    }
}

/// The calls that a workload of that word makes.
fn semantics(word: &str) -> Vec<Semantics> {
    match word {
        "maybe" => vec![Semantics::Maybe],
        "at-least-once" => vec![Semantics::AtLeastOnce],
        "at-most-once" => vec![Semantics::AtMostOnce],
        "exactly-once" => vec![Semantics::ExactlyOnce],
        _ => vec![Semantics::Maybe, Semantics::AtLeastOnce, Semantics::AtMostOnce, Semantics::ExactlyOnce],
    }
}

static ABOUT: About = About {
    name: "rpc",
    family: Family::Rpc,
    chapter: "11.1",
    question: "How often was the procedure executed, when nothing came back?",
    source: SOURCE,
    survives: &[
        "lost, repeated and reordered messages, partitions",
        "crashes of client, server and binder that lose what was not durable",
    ],
    parameters: PARAMETERS,
    properties: PROPERTIES,
    costs: &[
        Cost { name: "messages a call", formula: "2", value: |_| cost::MESSAGES as f64, unit: "messages" },
        Cost {
            name: "requests a call",
            formula: "1 / (1 - p)²",
            value: |settings| cost::requests_per_call(settings.number("loss")),
            unit: "messages",
        },
        Cost {
            name: "executions an at-least-once call",
            formula: "1 / (1 - p)",
            value: |settings| cost::executions_at_least_once(settings.number("loss")),
            unit: "executions",
        },
    ],
    papers: &[
        "Birrell, Nelson: Implementing Remote Procedure Calls. ACM TOCS 2(1), 1984",
        "Spector: Performing Remote Operations Efficiently on a Local Computer Network. CACM 25(4), 1982",
        "Nelson: Remote Procedure Call. Dissertation, Carnegie Mellon University, 1981",
    ],
    figures: &[Figure {
        name: "11.1, a call through both stubs",
        script: include_str!("../../../../../protocols/tests/rpc/scripts/figure"),
    }],
    weaknesses: WEAKNESSES,
    explorations: &explore::EXPLORATIONS,
    experiments: &[measure::EXPERIMENT],
    must_exercise: &[
        "client.returned",
        "client.failed",
        "rpc.repeated",
        "note.rpc.retransmitted",
        "note.rpc.duplicate_answered",
        "note.rpc.client_stub.marshal_bytes",
        "note.rpc.server_stub.unmarshal_bytes",
    ],
};

const PARAMETERS: &[Parameter] = &[
    Parameter::integer(
        "nodes",
        4,
        3..=32,
        "A binder, a server and clients; a hunt draws 1 to 3 clients if it is not set.",
    ),
    Parameter::word(
        "semantics",
        &["mixed", "maybe", "at-least-once", "at-most-once", "exactly-once"],
        "How often a call may be executed; mixed: each call by lot.",
    ),
    Parameter::word("held-to", &["its-promise", "at-most-once"], "What executions of a call are judged by."),
    Parameter::duration(
        "think",
        Duration::from_millis(100),
        Duration::ZERO..=Duration::from_secs(10),
        "How long a client pauses between calls, at most.",
    ),
    Parameter::duration(
        "execution",
        Duration::from_millis(5),
        Duration::ZERO..=Duration::from_secs(10),
        "How long the procedure takes.",
    ),
    Parameter::duration(
        "retry",
        Duration::from_millis(100),
        Duration::from_millis(1)..=Duration::from_secs(10),
        "The longest wait after the first attempt; later ones double.",
    ),
    Parameter::integer(
        "attempts",
        5,
        1..=1_000,
        "Attempts before a call is given up; exactly-once calls never are.",
    ),
    Parameter::duration(
        "retention",
        Duration::from_secs(300),
        Duration::from_millis(1)..=Duration::from_secs(86_400),
        "How long an idle activity's results are kept.",
    ),
    Parameter::switch(
        "incarnation-check",
        true,
        "Refuse at-most-once calls that were meant for an earlier life of the server.",
    ),
    Parameter::switch(
        "table-recovery",
        true,
        "Restore the duplicate table of exactly-once calls after a crash.",
    ),
    Parameter::word(
        "orphans",
        &["reincarnation", "leave"],
        "What is done with calls whose client has begun a new life.",
    ),
    Parameter::number("loss", 0.1, 0.0..=0.9, "The odds that a message is lost (p), for the cost formulas."),
];

const PROPERTIES: &[Property] = &[
    Property {
        name: "at least once",
        sentence: "A call with results was executed.",
        source: "Spector 1982, section 2",
    },
    Property {
        name: "at most once",
        sentence: "An at-most-once call is not executed again, nor a maybe call where the network repeats nothing.",
        source: "Birrell and Nelson 1984, section 3.2",
    },
    Property {
        name: "exactly once",
        sentence: "The effect of an exactly-once call is there at most once, and once if it was answered, whatever crashed.",
        source: "Spector 1982, section 2: only-once-type-2",
    },
    Property {
        name: "no orphans",
        sentence: "A server that has heard a client in a new life executes nothing for an earlier one.",
        source: "Nelson 1981, chapter 5",
    },
    Property {
        name: "liveness",
        sentence: "When all are up and in touch, every exactly-once call is answered, also those of earlier lives.",
        source: "Spector 1982, section 2",
    },
];

const WEAKNESSES: &[Weakness] = &[
    Weakness {
        name: "at-least-once-repeats",
        sentence: "A response is lost, the request comes again, and the procedure is executed twice.",
        origin: Origin::Known("Spector 1982, section 2"),
        violates: &["at most once"],
        settings: &[("semantics", "at-least-once"), ("held-to", "at-most-once")],
        ..Weakness::EMPTY
    },
    Weakness {
        name: "maybe-on-repeating-network",
        sentence: "The network delivers a request twice, and without a table it is executed twice.",
        origin: Origin::Known("Birrell and Nelson 1984, section 3.2"),
        violates: &["at most once"],
        settings: &[("semantics", "maybe"), ("held-to", "at-most-once")],
        plan: |plan| plan.network.duplication = Odds::percent(10),
        ..Weakness::EMPTY
    },
    Weakness {
        name: "table-expired",
        sentence: "A copy is under way longer than the duplicate table remembers its activity, and is executed again.",
        origin: Origin::Need("bounded_delay"),
        violates: &["at most once"],
        settings: &[("semantics", "at-most-once"), ("retention", "200ms"), ("think", "2s")],
        plan: |plan| {
            plan.network.delay = Delay::micros(100, 2_000_000);
            plan.network.duplication = Odds::percent(20);
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "amnesia",
        sentence: "The server crashes and forgets its table; a copy that was meant for its earlier life is executed again.",
        origin: Origin::Known("Birrell and Nelson 1984, section 3.2: conversation identifiers"),
        violates: &["at most once"],
        settings: &[("semantics", "at-most-once"), ("incarnation-check", "false"), ("think", "20ms")],
        plan: |plan| {
            plan.network.loss = Odds::percent(20);
            plan.faults = "at 0.5s kill n2 for 0.05s\nat 1s kill n2 for 0.05s\nat 1.5s kill n2 for 0.05s"
                .parse()
                .expect("fault lines");
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "lives-counted-in-memory",
        sentence: "The server's disk is lost: effects are gone, and in a life with the number of an earlier one calls are executed again.",
        origin: Origin::Need("stable_storage"),
        violates: &["at most once", "exactly once"],
        settings: &[("think", "20ms")],
        space: |space| space.tolerance.wipes_max = 1,
        plan: |plan| {
            plan.tolerance.wipes_max = 1;
            plan.network.loss = Odds::percent(20);
            plan.faults = "at 1s wipe n2 for 0.05s".parse().expect("a fault line");
        },
    },
    Weakness {
        name: "table-not-durable",
        sentence: "The effect of a call survives the server's crash and the table does not: the repetition is executed again.",
        origin: Origin::Known("Spector 1982, section 2: only-once-type-2 needs both in one write"),
        violates: &["exactly once"],
        settings: &[("semantics", "exactly-once"), ("table-recovery", "false"), ("think", "20ms")],
        plan: |plan| {
            plan.network.loss = Odds::percent(20);
            plan.faults = "at 0.5s kill n2 for 0.05s\nat 1s kill n2 for 0.05s\nat 1.5s kill n2 for 0.05s"
                .parse()
                .expect("fault lines");
        },
        ..Weakness::EMPTY
    },
    Weakness {
        name: "orphans-left",
        sentence: "A client crashes and calls again; what its earlier life began is executed after that.",
        origin: Origin::Known("Nelson 1981, chapter 5"),
        violates: &["no orphans"],
        settings: &[("orphans", "leave"), ("execution", "300ms"), ("think", "20ms")],
        plan: |plan| {
            plan.faults = "at 0.5s kill n3 for 0.02s\nat 1s kill n3 for 0.02s".parse().expect("fault lines");
        },
        ..Weakness::EMPTY
    },
];
