//! Every order of events among a few processes that each want to enter once.

use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::mutex::Command;
use synod_protocols::mutex::maekawa::{Config, Coterie, Handling, Maekawa, invariants, points};
use synod_sim::explore::{Budgets, SmallWorld};

use crate::entry::{Exploration, Parameter, Settings};

/// The worlds of the catalogue.
pub(super) static EXPLORATIONS: [Exploration; 5] = [
    Exploration {
        name: "small",
        sentence: "Some processes of a projective plane are each asked to enter once, and leave by themselves.",
        parameters: &PARAMETERS,
        run: |settings, explore, progress| explore.run_with(&set(settings, Handling::Full), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "no-handling",
        sentence: "The same where arbiters only queue: a circle of processes that hold each other's grants.",
        parameters: &PARAMETERS,
        violates: Some("no deadlock"),
        run: |settings, explore, progress| explore.run_with(&set(settings, Handling::None), progress),
    },
    Exploration {
        name: "no-fifo",
        sentence: "Three of seven ask, and messages overtake each other: an INQUIRE that comes before its GRANT is lost.",
        violates: Some("no deadlock"),
        run: |_, explore, progress| explore.run_with(&world(2, 3, Handling::Full).unordered(), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "repeated-message",
        sentence: "The same as small, and one message arrives twice.",
        parameters: &PARAMETERS,
        violates: Some("no deadlock"),
        run: |settings, explore, progress| {
            let budgets = Budgets { duplicates: 1, ..TIMERS };
            explore.run_with(&set(settings, Handling::Full).budgets(budgets), progress)
        },
    },
    Exploration {
        name: "lost-message",
        sentence: "The same as small, and one message is lost.",
        parameters: &PARAMETERS,
        violates: Some("no deadlock"),
        run: |settings, explore, progress| {
            let budgets = Budgets { losses: 1, ..TIMERS };
            explore.run_with(&set(settings, Handling::Full).budgets(budgets), progress)
        },
    },
];

const TIMERS: Budgets = Budgets { timeouts: Budgets::UNLIMITED, ..Budgets::NONE };

static PARAMETERS: [Parameter; 2] = [
    Parameter::integer("order", 1, 1..=2, "Order of the plane: 1 has three processes, 2 has seven."),
    Parameter::integer("asking", 3, 1..=7, "How many processes want to enter."),
];

fn set(settings: &Settings, handling: Handling) -> SmallWorld<Maekawa> {
    let order = u32::try_from(settings.integer("order")).expect("it is in its range");
    world(order, settings.integer("asking").min(u64::from(points(order))), handling)
}

/// The processes of a plane of which the first `asking` each want to enter once. Each stays for a while and leaves by itself.
///
/// # Panics
/// When there is no plane of that order.
fn world(order: u32, asking: u64, handling: Handling) -> SmallWorld<Maekawa> {
    let coterie = Coterie::plane(order).expect("a plane of that order");
    let (hold, count) = (Some(Duration::from_millis(1)), coterie.processes());
    let boot = move |node| Maekawa::new(node, Config { handling, hold, ..Config::of(&coterie, node) });
    let world = SmallWorld::new(count, boot);
    let world = (1..=asking).fold(world, |world, node| world.command(NodeId(node), Command::Enter));
    world
        .budgets(TIMERS)
        .role(|process| if process.is_inside() { 'I' } else { process.attempt().map_or('·', |_| 'w') })
        .always("exclusion", |view| invariants::exclusion(view.machines()))
        .eventually("no deadlock", |view| invariants::no_deadlock(&view.machines().collect()))
        .sometimes("somebody waits while another is inside", |view| {
            let inside = view.machines().any(|(_, process)| process.is_inside());
            inside
                && view
                    .machines()
                    .any(|(_, process)| process.attempt().is_some_and(|attempt| !attempt.inside))
        })
}
