//! Two-phase commit in worlds that are small enough to be seen in full.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_machine::NodeId;
use synod_protocols::commit::two_phase::invariants::agreement;
use synod_protocols::commit::two_phase::{Accounts, Command, Config, Operation, TwoPhase};
use synod_sim::explore::{Budgets, SmallWorld};

use super::measure::presumption;
use crate::entry::{Exploration, Parameter, Settings};

pub static EXPLORATIONS: [Exploration; 1] = [Exploration {
    name: "one-transaction",
    sentence: "n1 coordinates, the others participate; a crash at any moment, and a restart.",
    parameters: &PARAMETERS,
    run: |settings, explore, progress| explore.run_with(&transaction(settings, 1), progress),
    ..Exploration::EMPTY
}];

static PARAMETERS: [Parameter; 4] = [
    Parameter::integer("participants", 2, 1..=3, "Participants beside the coordinator."),
    Parameter::word("presumption", &["abort", "nothing", "commit"], "What is presumed."),
    Parameter::integer("crashes", 1, 0..=2, "Crashes."),
    Parameter::integer("timeouts", 1, 0..=4, "Timers that fire."),
];

fn transaction(settings: &Settings, restarts: u32) -> SmallWorld<TwoPhase<Accounts>> {
    let participants = settings.integer("participants");
    let config = Arc::new(Config { presumption: presumption(settings), ..Config::default() });
    let work: BTreeMap<NodeId, Vec<Operation>> =
        (2..=1 + participants).map(|id| (NodeId(id), vec![Operation::Add('a', 1)])).collect();
    let few = |name: &str| u32::try_from(settings.integer(name)).unwrap_or(u32::MAX);
    let crashes = few("crashes");
    let world =
        SmallWorld::new(1 + participants as usize, move |me| TwoPhase::<Accounts>::new(me, config.clone()));
    world
        .command(NodeId(1), Command::Commit { number: 1, work })
        .budgets(Budgets {
            crashes,
            restarts: restarts * crashes,
            timeouts: few("timeouts"),
            ..Budgets::NONE
        })
        // Whatever leaves a node waits for its write, so a crash between the two shows nothing new.
        .synchronous_disk()
        .role(|node| match (node.in_doubt().next(), node.rounds().is_empty()) {
            (Some(_), _) => '?',
            (None, false) => 'C',
            (None, true) => '·',
        })
        .always("AC1", |view| {
            agreement(view.machines().map(|(_, node)| node)).map_err(|broken| broken.sentence)
        })
        .sometimes("committed", |view| {
            view.machines().any(|(_, node)| !node.ledger().resource.balances.is_empty())
        })
}
