//! Groups left to chance: the invariants hold in every run, runs end, and each known bug that is put back is found.

use std::time::Duration;

use synod_machine::*;
use synod_protocols::consensus::paxos::*;

use crate::scripts::world;
use crate::world::chance::{Chance, Odds, calm, stir};

const STEPS: usize = 300;

/// What runs came to, so that a test that exercised nothing fails.
#[derive(Debug, Default)]
struct Exercised {
    decided: u64,
    crashes_survived: u64,
}

fn n(numbers: impl IntoIterator<Item = u64>) -> Vec<NodeId> {
    numbers.into_iter().map(NodeId).collect()
}

/// Groups of several shapes; the same for the same seed.
fn config(chance: &mut Chance) -> Config {
    let mut config = match chance.below(3) {
        0 => Config::colocated(n(1..=3)),
        1 => Config::separate(n(1..=2), n(3..=5), n(5..=6)),
        _ => Config::separate(n(1..=3), n(2..=5), n(1..=5)),
    };
    if config.acceptors.len() == 4 && chance.percent(50) {
        (config.prepare_quorum, config.accept_quorum) = (3, 2);
    }
    if chance.percent(50) {
        config.announce = Announce::ByAcceptors;
    }
    config
}

fn run(seed: u64, change: impl Fn(&mut Config), exercised: &mut Exercised) -> Result<(), String> {
    let mut chance = Chance(seed);
    let mut config = config(&mut chance);
    change(&mut config);
    let proposers: Vec<NodeId> = config.proposers.iter().copied().collect();
    let mut world = world(config);
    world.sync_at_once = chance.percent(20);
    let odds = Odds {
        crash: chance.pick(&[0, 2, 5]),
        restart: 30,
        fire: chance.pick(&[3, 10, 30]),
        sync: chance.pick(&[20, 60]),
        lose: chance.pick(&[0, 5, 30]),
        repeat: chance.pick(&[0, 10]),
    };
    for step in 0..STEPS {
        let proposer = chance.pick(&proposers);
        if step % 40 == 0 && world.machine(proposer).is_some() {
            let value = char::from(b'A' + (chance.below(4) as u8));
            world.ask(proposer, Command::Propose(value));
        }
        stir(&mut world, odds, &mut chance);
        if let Some(sentence) = world.violation.take() {
            return Err(sentence);
        }
    }
    exercised.crashes_survived += u64::from(odds.crash > 0);
    // Now that nothing fails any more, whoever is asked must be able to say.
    for id in &proposers {
        if world.machine(*id).is_none() {
            world.start(*id);
        }
        world.ask(*id, Command::Propose('Z'));
    }
    let all_know = |world: &crate::world::World<Paxos<char>>| {
        proposers.iter().all(|id| world.machine(*id).is_some_and(|paxos| paxos.learned().is_some()))
    };
    if !calm(&mut world, 200, all_know) {
        return Err("termination: in a world at peace nothing was decided".to_owned());
    }
    exercised.decided += 1;
    world.violation.map_or(Ok(()), Err)
}

#[test]
fn invariants_hold_whatever_happens() {
    let mut exercised = Exercised::default();
    for seed in 0..3_000 {
        run(seed, |_| (), &mut exercised).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    assert!(exercised.decided == 3_000 && exercised.crashes_survived > 1_000, "{exercised:?}");
}

/// The first seed that shows a change to be wrong, with what was found.
fn first_violation(change: impl Fn(&mut Config) + Copy) -> (u64, String) {
    let found =
        (0..20_000).find_map(|seed| Some((seed, run(seed, change, &mut Exercised::default()).err()?)));
    found.expect("the bug shows within 20,000 runs")
}

#[test]
fn each_known_bug_is_found() {
    // Most bugs show first at the requirement that they break, many steps before two nodes disagree.
    let bugs: [(&str, fn(&mut Flaws), &str); 5] = [
        ("answer_before_durable", |flaws| flaws.answer_before_durable = true, "P2c"),
        ("accept_below_promise", |flaws| flaws.accept_below_promise = true, "acceptances kept"),
        ("ignore_accepted", |flaws| flaws.ignore_accepted = true, "P2c"),
        ("adopt_lowest", |flaws| flaws.adopt_lowest = true, "P2c"),
        ("reuse_ballot", |flaws| flaws.reuse_ballot = true, "one value a ballot"),
    ];
    for (name, put_back, expected) in bugs {
        let (seed, found) = first_violation(|config| put_back(&mut config.flaws));
        assert!(found.contains(expected), "{name}, seed {seed}: expected {expected}, found {found}");
    }
}

#[test]
fn quorums_that_do_not_meet_are_found() {
    let (_, found) = first_violation(|config| {
        (config.prepare_quorum, config.accept_quorum) = (1, config.acceptors.len() / 2);
    });
    assert!(found.contains("P2"), "{found}");
}

#[test]
fn configurations_are_checked() {
    let good = Config::colocated(n(1..=3));
    assert_eq!(good.validate(), Ok(()));
    let bad: [fn(&mut Config); 7] = [
        |config| config.acceptors.clear(),
        |config| config.prepare_quorum = 0,
        |config| config.accept_quorum = 4,
        |config| (config.prepare_quorum, config.accept_quorum) = (1, 2),
        |config| config.retry = Duration::ZERO,
        |config| config.backoff_most = Duration::ZERO,
        |config| config.requests_max = 0,
    ];
    for (number, spoil) in bad.iter().enumerate() {
        let mut config = good.clone();
        spoil(&mut config);
        assert!(config.validate().is_err(), "rule {number} is not checked");
    }
}
