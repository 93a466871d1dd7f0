//! Runs that are as long as one likes: what is judged is everything, what is held is bounded.

use std::time::Duration;

use synod_lab::entry::{Entry, Settings};
use synod_lab::mechanism::database::Scene;
use synod_sim::Run;

const DATABASE: &dyn Entry = &Scene;
/// Its worlds have three nodes, and faults of many kinds.
const SEED: u64 = 3;

fn run(length: &str) -> Run {
    let settings: Settings = DATABASE.settings().with(&[("length", length)]);
    DATABASE.run(DATABASE.plan(SEED, &settings), &settings).expect("a drawn plan can be run")
}

#[test]
fn what_is_held_does_not_grow_with_the_run() {
    let (short, long) = (run("2m"), run("20m"));
    assert_eq!((&short.found, &long.found), (&None, &None));
    assert!(long.simulated > Duration::from_secs(20 * 60));
    let count = |run: &Run, name| run.exercised.count(name);
    for name in ["client.operations", "client.windows judged", "store.revisions"] {
        assert!(count(&long, name) > 5 * count(&short, name), "{name}: {short:?}, {long:?}");
    }
    // Some are lost for good, and held until what is long past is forgotten.
    let held = |run| count(run, "client.operations held, at most");
    assert!(
        held(&long) < 3 * held(&short),
        "{} held, and {} in a tenth of the time",
        held(&long),
        held(&short)
    );
    assert_eq!(count(&long, "client.windows not explained"), 0);
    assert!(count(&long, "client.old reads judged") > 1_000, "{long:?}");
    assert!(count(&long, "client.old reads too old to be judged") < 100, "{long:?}");
}

#[test]
fn a_length_is_taken_as_it_is_given() {
    let settings = DATABASE.settings().with(&[("length", "1h")]);
    let plan = DATABASE.plan(7, &settings);
    assert_eq!(plan.safety, Duration::from_secs(3_600));
    assert!(
        plan.faults.faults.iter().any(|fault| fault.at > Duration::from_secs(3_000)),
        "faults go on to the end"
    );
    let usual = DATABASE.plan(7, &DATABASE.settings());
    assert!(usual.safety <= Duration::from_secs(20) && usual.records_max < plan.records_max);
}
