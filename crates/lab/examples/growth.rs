//! How explorations grow with nodes and budgets, with and without reductions, as the table of `docs/exploration.md`:
//! `cargo run --release -p synod-lab --example growth`.

use synod_lab::catalogue;
use synod_sim::explore::{Explore, Report};

/// Mechanism, world, settings. Each is explored as it is and without its reduction.
const WORLDS: &[(&str, &str, &[&str])] = &[
    ("lamport-mutex", "small", &["nodes=2", "entries=2"]),
    ("lamport-mutex", "small", &["nodes=3"]),
    ("two-phase-commit", "one-transaction", &["participants=1"]),
    ("two-phase-commit", "one-transaction", &["participants=2"]),
    ("two-phase-commit", "one-transaction", &["participants=2", "timeouts=2"]),
    ("two-phase-commit", "one-transaction", &["participants=2", "crashes=2"]),
    ("two-phase-commit", "one-transaction", &["participants=3", "crashes=0"]),
    ("two-phase-commit", "one-transaction", &["participants=3"]),
    ("paxos", "acceptors", &["acceptors=2"]),
    ("paxos", "acceptors", &["acceptors=2", "timeouts=1"]),
    ("paxos", "acceptors", &["acceptors=2", "crashes=1"]),
    ("paxos", "acceptors", &["acceptors=3"]),
];

/// Larger ones are told to be so, so that the whole takes minutes.
const STATES_MAX: u64 = 3_000_000;

fn main() {
    println!(
        "| world | states | transitions | states/s | memory | without: states | transitions | states/s | memory |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (mechanism, world, settings) in WORLDS {
        let name = format!("{mechanism} {world} `{}`", settings.join(" "));
        let reduced = explored(mechanism, world, settings, true);
        let plain = explored(mechanism, world, settings, false);
        assert_eq!(reduced.violation().is_some(), plain.violation().is_some(), "{name}");
        println!("| {name} | {} | {} |", cells(&reduced), cells(&plain));
    }
}

fn explored(mechanism: &str, world: &str, settings: &[&str], reduces: bool) -> Report {
    let entry = catalogue::entry(mechanism).expect("a mechanism of the catalogue");
    let world = entry.about().exploration(world).expect("one of its small worlds");
    let mut values = world.settings();
    settings.iter().for_each(|value| values.set(value).expect("a parameter of the world in its range"));
    let explore =
        Explore { states_max: STATES_MAX, reduce: reduces, symmetry: reduces, ..Explore::default() };
    (world.run)(&values, &explore, &mut |_| {})
}

fn cells(report: &Report) -> String {
    let counts = report.counts;
    let more = if report.exit_code() == 2 { "> " } else { "" };
    format!(
        "{more}{} | {more}{} | {:.0} | {} KiB",
        counts.states,
        counts.transitions,
        report.states_per_second(),
        counts.set_bytes >> 10
    )
}
