//! Central mutual exclusion in worlds that are small enough to be seen in full.

use synod_machine::NodeId;
use synod_protocols::mutex::central::Process;
use synod_protocols::mutex::{Command, Reply};
use synod_sim::explore::{Budgets, Observation, SmallWorld};

use super::COORDINATOR;
use crate::entry::{Exploration, Parameter, Settings};

/// The worlds.
pub static EXPLORATIONS: [Exploration; 3] = [
    Exploration {
        name: "small",
        sentence: "Each process is asked to enter, and to leave when it is in; the coordinator too.",
        parameters: &PARAMETERS,
        run: |settings, explore, progress| explore.run_with(&world(settings), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "lost-message",
        sentence: "The same, and one message may be lost: who waits for it waits for ever.",
        parameters: &PARAMETERS,
        violates: Some("liveness"),
        run: |settings, explore, progress| {
            let lossy = Budgets { losses: 1, ..Budgets::NONE };
            explore.run_with(&world(settings).budgets(lossy), progress)
        },
    },
    Exploration {
        name: "forgetful-coordinator",
        sentence: "The same, and one process may crash and come back without its memory: two are in at once.",
        parameters: &PARAMETERS,
        violates: Some("exclusion"),
        run: |settings, explore, progress| {
            let crash = Budgets { crashes: 1, restarts: 1, ..Budgets::NONE };
            explore.run_with(&world(settings).budgets(crash), progress)
        },
    },
];

static PARAMETERS: [Parameter; 2] = [
    Parameter::integer("nodes", 3, 2..=4, "Processes, the coordinator among them."),
    Parameter::integer("entries", 1, 1..=3, "How often each of them is asked to enter."),
];

/// How many entries were granted.
type Entered = u8;

fn world(settings: &Settings) -> SmallWorld<Process, Entered> {
    let (nodes, entries) = (settings.integer("nodes"), settings.integer("entries"));
    let count = |entered: &mut Entered, seen: Observation<'_, Process>| {
        *entered += u8::from(matches!(seen, Observation::Reply { reply: Reply::Entered, .. }));
    };
    let world = SmallWorld::remembering(nodes as usize, |me| Process::new(me, COORDINATOR), 0, count);
    let asks = (1..=nodes).flat_map(|process| (0..entries).map(move |_| NodeId(process)));
    asks.fold(world, |world, process| world.command(process, Command::Enter).then(process, Command::Leave))
        .role(|process| match (process.is_inside(), process.waits()) {
            (true, _) => 'X',
            (_, true) => 'w',
            _ => '·',
        })
        .always("exclusion", |view| {
            let inside: Vec<String> = view
                .machines()
                .filter(|(_, process)| process.is_inside())
                .map(|(node, _)| node.to_string())
                .collect();
            match inside.len() {
                0 | 1 => Ok(()),
                _ => Err(format!("{} are in their critical sections at once", inside.join(" and "))),
            }
        })
        .eventually("liveness", move |view| match u64::from(*view.memory()) {
            entered if entered == nodes * entries => Ok(()),
            entered => Err(format!("{entered} of {} requests were granted", nodes * entries)),
        })
        .sometimes("everybody waits but one", move |view| {
            view.machines().filter(|(_, process)| process.waits()).count() + 1 == nodes as usize
        })
}
