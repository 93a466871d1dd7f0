//! Paxos in worlds that are small enough to be seen in full.

use std::sync::Arc;

use synod_machine::NodeId;
use synod_protocols::consensus::paxos::invariants::agreement;
use synod_protocols::consensus::paxos::{Command, Config, Paxos, Phase};
use synod_sim::explore::{Budgets, SmallWorld};

use crate::entry::{Exploration, Parameter, Settings};

/// The worlds.
pub static EXPLORATIONS: [Exploration; 4] = [
    Exploration {
        name: "duel",
        sentence: "Each node plays every role; n1 wants X, n2 wants Y. Which comes out depends on the order of events, and never both.",
        parameters: &PARAMETERS,
        run: |settings, explore, progress| explore.run_with(&duel(settings, |_| ()), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "acceptors",
        sentence: "n1 proposes X, n2 proposes Y, and acceptors that are interchangeable: it matters how many promise and accept what, not who.",
        parameters: &ROLES,
        run: |settings, explore, progress| explore.run_with(&roles(settings), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "forgetful-acceptor",
        sentence: "The same, and one node may lose its disk: two values are chosen.",
        parameters: &PARAMETERS,
        violates: Some("agreement"),
        run: |settings, explore, progress| {
            let wiped = Budgets { wipes: 1, restarts: 1, ..Budgets::NONE };
            explore.run_with(&duel(settings, |_| ()).budgets(wiped), progress)
        },
    },
    Exploration {
        name: "ignore-accepted",
        sentence: "The same, and proposers do not care for what promises report: two values are chosen.",
        parameters: &PARAMETERS,
        violates: Some("agreement"),
        run: |settings, explore, progress| {
            let careless = |config: &mut Config| config.flaws.ignore_accepted = true;
            explore.run_with(&duel(settings, careless), progress)
        },
    },
];

static PARAMETERS: [Parameter; 3] = [
    Parameter::integer("nodes", 3, 2..=4, "Nodes, each in every role."),
    Parameter::integer(
        "crashes",
        0,
        0..=2,
        "Crashes, each with a restart; the disks keep what they confirmed.",
    ),
    Parameter::integer("timeouts", 0, 0..=3, "Timers that fire: proposers that were refused try again."),
];

/// What can be set of [`roles`].
pub static ROLES: [Parameter; 3] = [
    Parameter::integer("acceptors", 2, 1..=5, "Acceptors beside the two proposers, who learn as well."),
    Parameter::integer("crashes", 0, 0..=2, "Crashes, each with a restart."),
    Parameter::integer("timeouts", 0, 0..=3, "Timers that fire."),
];

/// Two proposers, and acceptors that are nothing else.
pub fn roles(settings: &Settings) -> SmallWorld<Paxos<char>> {
    let acceptors = || (3..3 + settings.integer("acceptors")).map(NodeId);
    let proposers = || [NodeId(1), NodeId(2)];
    let config = Arc::new(Config::separate(proposers(), acceptors(), proposers()));
    world(settings, 2 + acceptors().count(), config).interchangeable(acceptors())
}

fn duel(settings: &Settings, change: impl Fn(&mut Config)) -> SmallWorld<Paxos<char>> {
    let nodes = settings.integer("nodes");
    let mut config = Config::colocated((1..=nodes).map(NodeId));
    change(&mut config);
    world(settings, nodes as usize, Arc::new(config))
}

/// n1 and n2 want different values.
fn world(settings: &Settings, nodes: usize, config: Arc<Config>) -> SmallWorld<Paxos<char>> {
    let few = |name: &str| u32::try_from(settings.integer(name)).unwrap_or(u32::MAX);
    let crashes = few("crashes");
    let world = SmallWorld::new(nodes, move |me| Paxos::new_unchecked(me, config.clone()));
    world
        .command(NodeId(1), Command::Propose('X'))
        .command(NodeId(2), Command::Propose('Y'))
        .budgets(Budgets { crashes, restarts: crashes, timeouts: few("timeouts"), ..Budgets::NONE })
        // Whatever leaves a node waits for its write, so a crash between the two shows nothing new.
        .synchronous_disk()
        .role(|node| match (node.learned(), node.phase()) {
            (Some(_), _) => '✓',
            (None, Phase::Preparing { .. }) => '1',
            (None, Phase::Accepting(_)) => '2',
            (None, _) => '·',
        })
        .always("agreement", |view| {
            let nodes: Vec<&Paxos<char>> = view.machines().map(|(_, node)| node).collect();
            agreement(nodes.iter().copied()).map_err(|broken| broken.sentence)
        })
        .sometimes("X is chosen", |view| view.machines().any(|(_, node)| node.learned() == Some(&'X')))
        .sometimes("Y is chosen", |view| view.machines().any(|(_, node)| node.learned() == Some(&'Y')))
}
