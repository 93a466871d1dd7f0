//! Shrinking, explaining and saving: what is small still shows the same, and is a local minimum.

use synod_lab::catalogue::ENTRIES;
use synod_lab::entry::{Entry, Weakness};
use synod_lab::replay::Look;
use synod_lab::scenario::Scenario;
use synod_lab::shrink::{Shrunk, shrink};
use synod_sim::{Hunt, Plan};

fn found(entry: &'static dyn Entry, name: &str) -> Scenario {
    let weakness = entry.about().weakness(name).expect("it is known");
    let settings = entry.settings().showing(weakness);
    let hunt = Hunt { runs: 500, twice: false, violations_max: usize::MAX, ..Hunt::default() };
    let report =
        entry.hunt(&hunt, &settings, &mut |_, run| !weakness.explains(run)).expect("plans can be run");
    let run = report.violations.iter().find(|run| weakness.explains(run)).expect("the weakness is found");
    let plan = entry.plan(run.seed, &settings);
    Scenario::new(entry, settings, plan)
}

fn shrunk(scenario: &Scenario) -> (Shrunk, Scenario) {
    let mut records = 0;
    let shrunk = shrink(scenario, &mut |_, _, run| {
        records += run.records;
        records < RECORDS_TRIED_MAX
    });
    shrunk.expect("the plan can be run").expect("it violates something")
}

/// What is tried for each weakness, about: large worlds are not brought to their minimum here. `synod lab break` does that.
const RECORDS_TRIED_MAX: u64 = 400_000;

/// All but the database, which has campaigns of its own.
fn weaknesses() -> impl Iterator<Item = (&'static dyn Entry, &'static Weakness)> {
    let mechanisms = ENTRIES.iter().copied().filter(|entry| entry.name() != "database");
    mechanisms.flat_map(|entry| entry.about().weaknesses.iter().map(move |weakness| (entry, weakness)))
}

#[test]
fn every_weakness_shrinks_to_a_run_that_still_shows_it_and_is_explained() {
    let (mut wrong, mut minimal, mut all) = (Vec::new(), 0, 0);
    for (entry, weakness) in weaknesses() {
        let scenario = found(entry, weakness.name);
        let (shrunk, small) = shrunk(&scenario);
        (all, minimal) = (all + 1, minimal + usize::from(shrunk.is_minimal));
        println!("{} {}: {:?} -> {:?}", entry.name(), weakness.name, shrunk.before, shrunk.after);
        if let Err(sentence) = is_smaller(weakness, &shrunk).and_then(|()| is_explained(&shrunk, &small)) {
            wrong.push(format!("{} {}: {sentence}", entry.name(), weakness.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(minimal * 2 > all, "expected most to come to their minimum, found {minimal} of {all}");
}

fn is_smaller(weakness: &Weakness, Shrunk { run, before, after, .. }: &Shrunk) -> Result<(), String> {
    let fits = after.faults <= before.faults.max(DROPS_MAX)
        && after.records <= before.records
        && after.nodes <= before.nodes;
    match weakness.explains(run) {
        true if fits => Ok(()),
        true => Err(format!("expected less than {before:?}, found {after:?}")),
        false => Err(format!("the small run shows something else: {:?}", run.found)),
    }
}

/// Messages lost by chance become lines, of which some stay.
const DROPS_MAX: usize = 200;

/// The small run is the same when it is read back, and there are events that prove what it violates.
fn is_explained(shrunk: &Shrunk, small: &Scenario) -> Result<(), String> {
    let read: Scenario =
        small.to_string().parse().map_err(|error| format!("it does not read back: {error}"))?;
    if read.plan != small.plan {
        return Err(format!("it reads back as {:?}", read.plan));
    }
    let replayed = small
        .entry
        .replay(read.plan, &read.settings, &Look::whole(), None)
        .map_err(|error| format!("it cannot be run: {error}"))?;
    if !replayed.same || replayed.run != shrunk.run {
        return Err("it comes out differently".into());
    }
    let violation = &shrunk.run.found.as_ref().ok_or("it violates nothing")?.violation;
    match violation.nodes.is_empty() || !replayed.film.proof(violation).is_empty() {
        true if violation.sentence.len() > 10 => Ok(()),
        _ => Err(format!("no event proves it: {violation}")),
    }
}

#[test]
fn without_any_one_fault_or_node_of_the_small_run_nothing_shows() {
    let entry = synod_lab::catalogue::entry("lamport-mutex").expect("the catalogue has it");
    let weakness = entry.about().weakness("lost-message").expect("it is known");
    let settings = entry.settings().showing(weakness);
    // Chaff, of which nothing may be left.
    let chaff =
        "at 0.05s slow n1 -> n2 x5 for 0.1s\nat 0.1s slow n2 -> n1 x2 for 0.2s\nat 0.15s stall n1 for 0.1s";
    let chaff: synod_sim::Script = chaff.parse().expect("fault lines");
    let with_chaff = |seed| {
        let mut plan = entry.plan(seed, &settings);
        plan.faults.faults.extend(chaff.faults.iter().cloned());
        plan
    };
    let shows = |plan: &Plan| weakness.explains(&entry.run(plan.clone(), &settings).expect("it can be run"));
    let plan = (1..500).map(with_chaff).find(shows).expect("the weakness is found");
    let scenario = Scenario::new(entry, settings, plan);
    let (shrunk, small) = shrunk(&scenario);
    assert!(shrunk.is_minimal);
    assert!(shrunk.after.faults < 4, "{:?}", shrunk.after);
    let shows = |plan: Plan| weakness.explains(&entry.run(plan, &small.settings).expect("it can be run"));
    assert!(shows(shrunk.plan.clone()));
    for place in 0..shrunk.plan.faults.faults.len() {
        let mut without = shrunk.plan.clone();
        let fault = without.faults.faults.remove(place);
        assert!(!shows(without), "it shows without `{fault}` as well");
    }
}

#[test]
fn a_saved_run_says_where_another_build_parts_from_it() {
    let entry = synod_lab::catalogue::entry("lamport-mutex").expect("the catalogue has it");
    let settings = entry.settings();
    let plan = entry.story(1, &settings);
    let made = entry.replay(plan.clone(), &settings, &Look::default(), None).expect("it can be run");
    let look = Look { marks: made.marks, ..Look::default() };
    let again = entry.replay(plan.clone(), &settings, &look, None).expect("it can be run");
    assert_eq!(again.parting, None);
    // Another build would draw, or do, something else from some moment on.
    let mut other = plan;
    other.faults = "at 30ms slow n1 -> n2 x20 for 20ms".parse().expect("a fault line");
    let other = entry.replay(other, &settings, &look, None).expect("it can be run");
    let parting = other.parting.expect("they part");
    assert!(parting.same_to > 10 && parting.differs_by <= made.run.records, "{parting:?}");
}
