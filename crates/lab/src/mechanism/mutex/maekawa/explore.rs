//! Every order of events among a few processes that each want to enter once.

use std::time::Duration;

use synod_machine::NodeId;
use synod_protocols::mutex::Command;
use synod_protocols::mutex::maekawa::{Config, Coterie, Handling, Maekawa, invariants, points};
use synod_sim::explore::{Budgets, SmallWorld};

use crate::entry::{Exploration, Parameter, Settings};

/// The worlds of the catalogue.
pub(super) static EXPLORATIONS: [Exploration; 2] = [
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
];

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
        .budgets(Budgets { timeouts: Budgets::UNLIMITED, ..Budgets::NONE })
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

#[cfg(test)]
mod tests {
    use super::*;

    const TIMERS: Budgets = Budgets { timeouts: Budgets::UNLIMITED, ..Budgets::NONE };

    #[test]
    fn with_handling_every_order_ends_well() {
        for (order, asking) in [(1, 3), (2, 3)] {
            world(order, asking, Handling::Full).explore().assert_holds();
        }
    }

    #[test]
    fn without_handling_the_shortest_circular_wait_is_found() {
        let report = world(1, 3, Handling::None).explore();
        let found = report.assert_violates("no deadlock");
        assert!(found.sentence.contains("circular wait"), "{}", found.sentence);
        assert_eq!(found.path.steps(), 6, "three ask, and each asks the next: {:#?}", found.lines);
    }

    #[test]
    fn unordered_channels_break_it() {
        let world = world(2, 3, Handling::Full).unordered();
        assert_eq!(world.broken_needs().len(), 1);
        world.explore().assert_violates("no deadlock");
    }

    #[test]
    fn a_repeated_message_breaks_it() {
        let world = world(1, 3, Handling::Full).budgets(Budgets { duplicates: 1, ..TIMERS });
        world.explore().assert_violates("no deadlock");
    }

    #[test]
    fn a_lost_message_breaks_it() {
        let world = world(1, 2, Handling::Full).budgets(Budgets { losses: 1, ..TIMERS });
        world.explore().assert_violates("no deadlock");
    }
}
