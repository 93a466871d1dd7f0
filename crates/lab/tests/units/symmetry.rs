//! Nodes that are taken for interchangeable are, and a world is judged the same with and without it.

use synod_lab::entry::{Parameter, Settings};
use synod_lab::mechanism::commit::two_phase::explore::{self as two_phase, transaction};
use synod_lab::mechanism::consensus::paxos::explore::{ROLES, roles};
use synod_machine::NodeId;
use synod_protocols::commit::two_phase::{Accounts, TwoPhase};
use synod_sim::explore::{Budgets, Explore, Report, SmallWorld};

fn set(parameters: &'static [Parameter], assignments: &[&str]) -> Settings {
    let mut settings = Settings::of(parameters);
    for assignment in assignments {
        settings.set(assignment).expect("it is a parameter in its range");
    }
    settings
}

/// A crash, a restart, a timer.
fn commitment(participants: &str) -> SmallWorld<TwoPhase<Accounts>> {
    let settings = set(two_phase::EXPLORATIONS[0].parameters, &[participants]);
    transaction(&settings, Budgets { crashes: 1, restarts: 1, timeouts: 1, ..Budgets::NONE })
}

fn same(less: &Report, all: &Report) {
    assert_eq!((&less.verdict, less.counts.represented), (&all.verdict, all.counts.states));
    assert_eq!(less.counts.depth, all.counts.depth);
    assert!(less.counts.states < all.counts.states);
}

#[test]
fn acceptors_are_interchangeable() {
    let faults = ["crashes=1", "timeouts=1"];
    roles(&set(&ROLES, &faults)).check_symmetry(1_000).expect("names make no difference");
    roles(&set(&ROLES, &["acceptors=2"])).check_symmetry(5_000).expect("names make no difference");
}

#[test]
fn proposers_are_not() {
    // Neither are they asked the same, nor are ballots the same with their names exchanged.
    let world = roles(&set(&ROLES, &["acceptors=1"])).interchangeable([NodeId(1), NodeId(2)]);
    let why = world.check_symmetry(100).expect_err("they are told apart");
    assert!(why.contains("n1 is asked something"), "{why}");
}

#[test]
fn paxos_is_judged_the_same_with_and_without_symmetry() {
    for assignments in [&["acceptors=2", "timeouts=1"][..], &["acceptors=2", "crashes=1"]] {
        let world = roles(&set(&ROLES, assignments));
        same(&world.explore(), &Explore { symmetry: false, ..Explore::default() }.run(&world));
    }
}

#[test]
fn participants_are_interchangeable() {
    commitment("participants=2").check_symmetry(2_000).expect("names make no difference");
    commitment("participants=3").check_symmetry(300).expect("names make no difference");
}

#[test]
fn two_phase_commit_is_judged_the_same_with_and_without_symmetry() {
    let world = commitment("participants=2");
    same(&world.explore(), &Explore { symmetry: false, ..Explore::default() }.run(&world));
}
