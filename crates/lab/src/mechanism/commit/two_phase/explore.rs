//! Two-phase commit in worlds that are small enough to be seen in full.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_machine::NodeId;
use synod_protocols::commit::two_phase::invariants::agreement;
use synod_protocols::commit::two_phase::{Accounts, Command, Config, Operation, TwoPhase};
use synod_sim::explore::{Budgets, SmallWorld, View};

use super::measure::presumption;
use crate::entry::{Exploration, Parameter, Settings};

/// The worlds.
pub static EXPLORATIONS: [Exploration; 2] = [
    Exploration {
        name: "one-transaction",
        sentence: "n1 coordinates, the others participate; a crash at any moment, and a restart.",
        parameters: &[
            PARTICIPANTS,
            PRESUMPTION,
            Parameter::integer("crashes", 1, 0..=2, "Crashes."),
            Parameter::integer("timeouts", 1, 0..=4, "Timers that fire."),
        ],
        run: |settings, explore, progress| {
            let few = |name: &str| u32::try_from(settings.integer(name)).unwrap_or(u32::MAX);
            let crashes = few("crashes");
            let budgets = Budgets { crashes, restarts: crashes, timeouts: few("timeouts"), ..Budgets::NONE };
            explore.run_with(&transaction(settings, budgets), progress)
        },
        ..Exploration::EMPTY
    },
    Exploration {
        name: "blocking",
        sentence: "The coordinator crashes and stays away: a state in which all who are left voted Yes, and none may decide.",
        parameters: &[
            PARTICIPANTS,
            PRESUMPTION,
            Parameter::integer(
                "timeouts",
                2,
                0..=4,
                "Timers that fire: whoever is in doubt asks the others.",
            ),
        ],
        violates: Some("no blocking"),
        run: |settings, explore, progress| {
            let timeouts = u32::try_from(settings.integer("timeouts")).unwrap_or(u32::MAX);
            let budgets = Budgets { crashes: 1, timeouts, ..Budgets::NONE };
            explore.run_with(&transaction(settings, budgets).always("no blocking", blocked), progress)
        },
    },
];

const COORDINATOR: NodeId = NodeId(1);
const PARTICIPANTS: Parameter =
    Parameter::integer("participants", 2, 1..=3, "Participants beside the coordinator.");
const PRESUMPTION: Parameter =
    Parameter::word("presumption", &["abort", "nothing", "commit"], "What is presumed.");

/// Skeen's state: everybody who is up voted Yes and knows no decision, nothing is under way that could tell them, and who could is down for good. Their patience can only make them
/// ask each other.
fn blocked(view: &View<'_, TwoPhase<Accounts>, ()>) -> Result<(), String> {
    let is_over = view.down().any(|node| node == COORDINATOR) && view.left().restarts == 0;
    let is_in_doubt = |node: &TwoPhase<Accounts>| node.in_doubt().next().is_some();
    if !is_over || view.under_way().next().is_some() || !view.machines().all(|(_, node)| is_in_doubt(node)) {
        return Ok(());
    }
    let names: Vec<String> = view.machines().map(|(id, _)| id.to_string()).collect();
    Err(format!(
        "{COORDINATOR} is down, and {} voted Yes: they may neither commit nor abort",
        names.join(", ")
    ))
}

/// The coordinator is asked to commit what the participants each do.
pub fn transaction(settings: &Settings, budgets: Budgets) -> SmallWorld<TwoPhase<Accounts>> {
    let participants = settings.integer("participants");
    let config = Arc::new(Config { presumption: presumption(settings), ..Config::default() });
    let work: BTreeMap<NodeId, Vec<Operation>> =
        (2..=1 + participants).map(|id| (NodeId(id), vec![Operation::Add('a', 1)])).collect();
    let world =
        SmallWorld::new(1 + participants as usize, move |me| TwoPhase::<Accounts>::new(me, config.clone()));
    world
        .command(COORDINATOR, Command::Commit { number: 1, work })
        .budgets(budgets)
        // All have the same work.
        .interchangeable((2..=1 + participants).map(NodeId))
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
