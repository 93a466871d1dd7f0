//! Lamport's mutual exclusion in worlds that are small enough to be seen in full.

use synod_machine::NodeId;
use synod_protocols::mutex::lamport::{Process, exclusion};
use synod_protocols::mutex::{Command, Reply};
use synod_sim::explore::{Observation, SmallWorld};

use crate::entry::{Exploration, Parameter, Settings};

pub static EXPLORATIONS: [Exploration; 2] = [
    Exploration {
        name: "small",
        sentence: "Each process is asked to enter, and to leave when it is in.",
        parameters: &PARAMETERS,
        run: |settings, explore, progress| explore.run_with(&world(settings), progress),
        ..Exploration::EMPTY
    },
    Exploration {
        name: "no-fifo",
        sentence: "The same where messages overtake each other: an acknowledgement passes a request, and two are in at once.",
        parameters: &PARAMETERS,
        violates: Some("exclusion"),
        run: |settings, explore, progress| explore.run_with(&world(settings).unordered(), progress),
    },
];

static PARAMETERS: [Parameter; 2] = [
    Parameter::integer("nodes", 3, 2..=4, "Processes."),
    Parameter::integer("entries", 1, 1..=3, "How often each of them is asked to enter."),
];

/// How many entries were granted.
type Entered = u8;

fn world(settings: &Settings) -> SmallWorld<Process, Entered> {
    let (nodes, entries) = (settings.integer("nodes"), settings.integer("entries"));
    let processes = move || (1..=nodes).map(NodeId);
    let count = |entered: &mut Entered, seen: Observation<'_, Process>| {
        *entered += u8::from(matches!(seen, Observation::Reply { reply: Reply::Entered, .. }));
    };
    let world = SmallWorld::remembering(nodes as usize, move |me| Process::new(me, processes()), 0, count);
    let asks = processes().flat_map(|process| (0..entries).map(move |_| process));
    asks.fold(world, |world, process| world.command(process, Command::Enter).then(process, Command::Leave))
        .role(|process| {
            if process.inside().is_some() {
                'X'
            } else if process.waits() {
                'w'
            } else {
                '·'
            }
        })
        .always("exclusion", |view| exclusion(view.machines()))
        .eventually("liveness", move |view| match u64::from(*view.memory()) {
            entered if entered == nodes * entries => Ok(()),
            entered => Err(format!("{entered} of {} requests were granted", nodes * entries)),
        })
        .sometimes("everybody waits", |view| view.machines().all(|(_, process)| process.waits()))
}
