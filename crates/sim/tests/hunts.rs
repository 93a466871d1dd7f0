//! Campaigns over drawn plans.

mod ledger;

use std::time::Duration;

use ledger::*;
use synod_sim::*;

fn swarm() -> Swarm {
    Swarm {
        safety: (Duration::from_secs(1), Duration::from_secs(4)),
        heal: Duration::from_secs(20),
        tolerance: Tolerance { wipes_max: 1, lost_max: 1 },
        ..Swarm::default()
    }
}

fn hunt(hunt: &Hunt, swarm: &Swarm) -> Report {
    hunt.go(|seed| swarm.plan(seed), Ledger::<false>::new, &mut |_, _| true).expect("drawn plans can be run")
}

#[test]
fn a_campaign_finds_nothing_in_what_is_sound_and_exercises_everything() {
    let report = hunt(&Hunt { runs: 150, ..Hunt::default() }, &swarm());
    assert_eq!(report.violations, []);
    assert_eq!((report.runs, report.proves_nothing()), (150, None));
    for name in [
        "fault.crash",
        "fault.kill",
        "fault.crash-at-sync",
        "fault.upgrade",
        "fault.wipe",
        "fault.pause",
        "fault.partition",
        "fault.flap",
        "fault.block",
        "fault.slow",
        "fault.lose",
        "fault.reset",
        "fault.fail-sync",
        "fault.fill",
        "fault.stall",
        "fault.rot",
        "fault.jump",
        "fault.drift",
        "disk.torn tails cut",
        "disk.rot refused",
        "message.dropped.never left",
        "message.dropped.link down",
        "message.dropped.overflow",
        "message.duplicated",
        "node.start on a wiped disk",
        "note.starts",
    ] {
        assert!(report.exercised.count(name) > 0, "{name} was not exercised: {:?}", report.exercised);
    }
}

#[test]
fn a_campaign_finds_the_planted_bugs_of_the_driver() {
    let leaky = Swarm { sabotage: Sabotage { leak_held_effects: true, ..Sabotage::default() }, ..swarm() };
    let trusting = Swarm { sabotage: Sabotage { accept_torn_tail: true, ..Sabotage::default() }, ..swarm() };
    for (swarm, property) in [(leaky, "held effects"), (trusting, "log integrity")] {
        let report = hunt(&Hunt { runs: 100, twice: false, ..Hunt::default() }, &swarm);
        let found = report.violations.first().and_then(|run| run.found.as_ref()).expect(property);
        assert_eq!(found.violation.property, property);
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let leaky = Swarm { sabotage: Sabotage { accept_torn_tail: true, ..Sabotage::default() }, ..swarm() };
    let report = |threads| {
        let hunt = Hunt {
            runs: 60,
            threads,
            violations_max: 2,
            twice: false,
            first: vec![900, 7],
            ..Hunt::default()
        };
        let mut seen = Vec::new();
        let report = hunt.go(|seed| leaky.plan(seed), Ledger::<false>::new, &mut |_, run| {
            seen.push(run.seed);
            true
        });
        (report.expect("drawn plans can be run"), seen)
    };
    let (one, order) = report(1);
    assert_eq!(order[..3], [900, 7, 1], "saved findings run first");
    assert_eq!((one, order), report(3));
}

#[test]
fn progress_can_end_a_hunt() {
    let swarm = swarm();
    let hunt = Hunt { runs: 1_000, threads: 2, twice: false, ..Hunt::default() };
    let report = hunt.go(|seed| swarm.plan(seed), Ledger::<false>::new, &mut |report, _| report.runs < 5);
    assert_eq!(report.expect("drawn plans can be run").runs, 5);
}
