//! One long run of the database, and what this process holds in memory meanwhile:
//! `cargo run --release -p synod-lab --example hour -- [LENGTH] [SEED] [WEAKNESS]`, with a length such as `1h` or `10m`.
//!
//! The run is the one that `synod lab hunt database --set length=LENGTH --runs 1 --seed SEED` makes.

use std::time::Duration;

use synod_lab::entry::Entry;
use synod_lab::mechanism::database::{Scene, planted};
use synod_sim::{Seconds, World, parse_duration};

/// So many lines are printed, and the last.
const LINES: u32 = 12;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let length = arguments.next().unwrap_or_else(|| "1h".to_owned());
    let seed = arguments.next().map_or(1, |seed| seed.parse().expect("a seed is a whole number"));
    let bug = arguments.next().map(|name| planted::named(&name).expect("a known weakness of the database"));

    let entry: &dyn Entry = &Scene;
    let mut settings = entry.settings();
    settings.put("length", &length).expect("a length is a duration such as 1h");
    if let Some(bug) = bug {
        settings = settings.showing(entry.about().weakness(bug.name).expect("the catalogue knows it"));
    }
    let plan = entry.plan(seed, &settings);
    let length = parse_duration(&length).expect("it was taken as one");
    println!("{} nodes, {} faults are planned, seed {seed}", plan.nodes, plan.faults.faults.len());
    println!(
        "{:>9} {:>11} {:>9} {:>9} {:>7} {:>10}",
        "time", "operations", "revisions", "windows", "held", "resident"
    );
    let mut world = World::new(plan.clone(), Scene::database(&plan, bug)).expect("a drawn plan can be run");
    for line in 1..=LINES {
        world.run_until(length * line / LINES);
        show(&world.report());
    }
    let run = world.run();
    show(&run);
    match &run.found {
        None => println!("nothing is violated; {} records", run.records),
        Some(found) => println!("{}: {}", found.violation.property, found.violation.sentence),
    }
    run.exercised
        .iter()
        .filter(|(name, _)| !name.starts_with("message"))
        .for_each(|(name, count)| println!("  {name}: {count}"));
}

fn show(run: &synod_sim::Run) {
    let count = |name| run.exercised.count(name);
    println!(
        "{:>9} {:>11} {:>9} {:>9} {:>7} {:>6} MiB",
        Seconds(Duration::from_secs(run.simulated.as_secs())).to_string(),
        count("client.operations"),
        count("store.revisions"),
        count("client.windows judged"),
        count("client.operations held, at most"),
        resident_bytes().map_or("?".to_owned(), |bytes| (bytes >> 20).to_string()),
    );
}

/// What the operating system holds in memory for this process, where it says so.
fn resident_bytes() -> Option<u64> {
    const PAGE_BYTES: u64 = 4_096;
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split_whitespace().nth(1)?.parse::<u64>().ok()? * PAGE_BYTES)
}
