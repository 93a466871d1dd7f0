//! What a run is worth: it replays, its checks find planted bugs, and it knows when it proved nothing.

mod ledger;

use std::time::Duration;

use ledger::*;
use synod_machine::NodeId;
use synod_sim::*;

const HOSTILE: &str =
    "at 0.5s crash n1 for 0.3s\nat 0.7s partition n1 n2 | n3 for 0.5s\nat 1s pause n2 for 0.2s
at 1.4s crash-at-sync n3 for 0.1s\nat 1.6s drift n1 -300ppm\nat 1.7s kill n2 for 0.1s\nat 2s reset n1 n3";

#[test]
fn a_run_replays() {
    let mut hostile = plan(5, HOSTILE);
    hostile.network.loss = Odds::percent(3);
    hostile.network.duplication = Odds::percent(3);
    hostile.heal = Duration::from_secs(5);
    let twice = run_twice(hostile.clone(), Ledger::<false>::new).expect("a plan");
    assert_eq!(twice.found, None);
    let once = run(hostile.clone(), Ledger::<false>::new).expect("a plan");
    assert_eq!(once, twice);
    hostile.seed = 6;
    assert_ne!(run(hostile, Ledger::<false>::new).expect("a plan").fingerprint, once.fingerprint);
}

#[test]
fn tracing_changes_nothing() {
    let hostile = plan(5, HOSTILE);
    let plain = run(hostile.clone(), Ledger::<false>::new).expect("a plan");
    let mut traced: World<Ledger> = World::new(hostile.clone(), Ledger::new(&hostile)).expect("a plan");
    traced.keep(100);
    traced.trace_to("ledger", Box::new(String::new())).expect("a string takes all");
    assert_eq!(traced.run(), plain);
}

#[test]
fn a_fingerprint_is_the_hash_of_all_records() {
    use std::hash::{Hash, Hasher};
    let hostile = plan(5, HOSTILE);
    let mut world: World<Ledger> = World::new(hostile.clone(), Ledger::new(&hostile)).expect("a plan");
    world.keep(usize::MAX);
    let run = world.run();
    let mut hasher = synod_machine::Fingerprint::default();
    for moment in world.moments() {
        if let Moment::Record { record, .. } = moment {
            record.hash(&mut hasher);
        }
    }
    assert_eq!(hasher.finish(), run.fingerprint);
}

#[test]
fn an_impure_subject_is_found_out() {
    let count = std::sync::atomic::AtomicU64::new(0);
    let run = run_twice(plan(1, ""), |plan| {
        let number = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Ledger::<false> { nodes: plan.nodes - number % 2, ..Ledger::default() }
    });
    let found = run.expect("a plan").found.expect("the two differ");
    assert_eq!(found.violation.property, "determinism");
    assert!(found.violation.sentence.contains("one run came to"), "{}", found.violation.sentence);
}

#[test]
fn a_driver_that_leaks_held_effects_is_found() {
    let mut plan = plan(1, HOSTILE);
    plan.sabotage.leak_held_effects = true;
    let found = run(plan, Ledger::<false>::new).expect("a plan").found.expect("the leak is found");
    assert_eq!(found.violation.property, "held effects");
}

#[test]
fn a_log_that_accepts_torn_tails_is_found() {
    let found = (0..20).find_map(|seed| {
        let mut plan = plan(seed, "at 1s crash-at-sync n1 for 0.1s");
        plan.sabotage.accept_torn_tail = true;
        plan.disk.sync = Delay::micros(2_000, 8_000);
        run(plan, Ledger::<false>::new).expect("a plan").found
    });
    assert_eq!(found.expect("within 20 seeds").violation.property, "log integrity");
}

#[test]
fn no_progress_after_the_heal_violates_liveness() {
    let mut plan = plan(1, "at 1s crash n1\nat 1s crash n2\nat 1s crash n3");
    plan.heal = Duration::from_secs(2);
    plan.leave_dead = 3;
    let (world, run) = sound(plan.clone());
    assert_eq!(world.view().machines().count(), 2, "a majority is back, the rest stays dead");
    assert!(run.simulated < Duration::from_secs(5), "the run ends with the first progress");
    let stuck = |plan: &Plan| Ledger::<false> { stuck: true, ..Ledger::new(plan) };
    let found = synod_sim::run(plan, stuck).expect("a plan").found.expect("stuck");
    assert_eq!((found.violation.property.as_str(), found.phase), ("liveness", Phase::Heal));
}

#[test]
fn a_run_that_exercised_nothing_says_so() {
    let silent = |plan: &Plan| Ledger::<false> { silent: true, nodes: 1, ..Ledger::new(plan) };
    let mut plan = plan(1, "");
    plan.nodes = 1;
    assert!(run(plan.clone(), silent).expect("a plan").vacuous.is_some());
    plan.nodes = 3;
    plan.faults = "at 1s restart n1".parse().expect("a script");
    let vacuous = run(plan, Ledger::<false>::new).expect("a plan").vacuous.expect("the node is up already");
    assert_eq!(vacuous, "none of the 1 planned faults took effect");
}

#[test]
fn endless_work_is_a_violation() {
    let mut plan = plan(1, "");
    plan.records_max = 100;
    let found = run(plan, Ledger::<false>::new).expect("a plan").found.expect("more than 100 records");
    assert_eq!(found.violation.property, "bounded work");
}

#[test]
fn a_plan_with_strange_nodes_is_refused() {
    let error = run(plan(1, "at 1s crash n9"), Ledger::<false>::new).expect_err("there is no n9");
    assert_eq!(error, PlanError::UnknownNode { fault: "at 1s crash n9".to_owned(), node: NodeId(9) });
}

#[test]
fn a_panic_of_a_machine_is_a_violation_with_its_words() {
    let poisonous = |plan: &Plan| Ledger::<false> { poisonous: true, ..Ledger::new(plan) };
    let found = run_twice(plan(1, ""), poisonous).expect("a plan").found.expect("the machine panics");
    assert_eq!(found.violation.property, "no panic");
    assert!(found.violation.sentence.contains("expected an amount below 1000, found 1000"), "{found:?}");
}
