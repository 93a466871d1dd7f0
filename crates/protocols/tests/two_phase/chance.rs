//! Transactions left to chance: AC1 to AC5 hold in every run, and each known bug that is put back is found.

use std::collections::BTreeMap;

use synod_machine::*;
use synod_protocols::commit::two_phase::*;

use crate::scripts::world;
use crate::words::Node;
use crate::world::World;
use crate::world::chance::{Chance, Odds, calm, stir};

const STEPS: u64 = 300;
const NODES: [NodeId; 4] = [NodeId(1), NodeId(2), NodeId(3), NodeId(4)];

/// What runs came to, so that a test that exercised nothing fails.
#[derive(Debug, Default)]
struct Exercised {
    runs: u64,
    committed: u64,
    aborted: u64,
    in_doubt: u64,
}

fn config(chance: &mut Chance) -> Config {
    Config {
        presumption: chance.pick(&[Presumption::Nothing, Presumption::Abort, Presumption::Commit]),
        cooperative: chance.percent(50),
        outcomes_max: chance.pick(&[2, 1_000]),
        records_max: chance.pick(&[1, 5, 1_000]),
        ..Config::default()
    }
}

fn work(chance: &mut Chance) -> BTreeMap<NodeId, Vec<Operation>> {
    let mut work = BTreeMap::new();
    for id in NODES {
        if chance.percent(60) {
            let account = chance.pick(&['a', 'b']);
            let operation = match chance.below(4) {
                0 => Operation::Read(account),
                1 => Operation::Add(account, -3),
                _ => Operation::Add(account, 5),
            };
            work.insert(id, vec![operation]);
        }
    }
    work
}

fn run(seed: u64, change: impl Fn(&mut Config), exercised: &mut Exercised) -> Result<(), String> {
    let mut chance = Chance(seed);
    let mut config = config(&mut chance);
    change(&mut config);
    let mut world = world(&NODES, config);
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
        let coordinator = chance.pick(&NODES);
        if step % 25 == 0 && world.machine(coordinator).is_some() {
            let work = work(&mut chance);
            world.ask(coordinator, Command::Commit { number: step, work });
        }
        stir(&mut world, odds, &mut chance);
        let live = || world.nodes.values().filter_map(|node| node.machine.as_ref());
        exercised.in_doubt += u64::from(live().any(|node| node.in_doubt().next().is_some()));
        // What is in memory may be ahead of a disk, and gone after a crash: this look is at what was told.
        if let Some(sentence) = world.violation.take() {
            return Err(sentence);
        }
    }
    let settled = |world: &World<Node>| {
        let nodes = || world.nodes.values().filter_map(|node| node.machine.as_ref());
        nodes().count() == NODES.len() && invariants::undecided(nodes()).is_empty()
    };
    if !calm(&mut world, 200, settled) {
        return Err("AC5: all is repaired, and some node reaches no decision".to_owned());
    }
    if let Some(sentence) = world.violation.take() {
        return Err(sentence);
    }
    exercised.runs += 1;
    for (_, _, reply) in &world.replies {
        exercised.committed += u64::from(*reply == Reply::Decided(Outcome::Commit));
        exercised.aborted += u64::from(*reply == Reply::Decided(Outcome::Abort));
    }
    let nodes = world.nodes.values().filter_map(|node| node.machine.as_ref());
    invariants::agreement(nodes).map_err(|broken| broken.to_string())
}

#[test]
fn the_five_conditions_hold_whatever_happens() {
    let mut exercised = Exercised::default();
    for seed in 0..3_000 {
        run(seed, |_| (), &mut exercised).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let Exercised { runs, committed, aborted, in_doubt } = exercised;
    assert!(runs == 3_000 && committed > 1_000 && aborted > 1_000 && in_doubt > 1_000, "{exercised:?}");
}

#[test]
fn each_known_bug_is_found() {
    let bugs: [(&str, fn(&mut Config), &str); 6] = [
        ("vote_before_durable", |config| config.flaws.vote_before_durable = true, "AC"),
        ("tell_before_durable", |config| config.flaws.tell_before_durable = true, "AC"),
        ("abort_in_doubt", |config| config.flaws.abort_in_doubt = true, "AC1"),
        ("commit_without_all_votes", |config| config.flaws.commit_without_all_votes = true, "AC3"),
        ("ask_readers", |config| (config.flaws.ask_readers, config.cooperative) = (true, true), "AC"),
        (
            "skip_collecting",
            |config| (config.flaws.skip_collecting, config.presumption) = (true, Presumption::Commit),
            "AC",
        ),
    ];
    for (name, put_back, expected) in bugs {
        let found =
            (0..20_000).find_map(|seed| Some((seed, run(seed, put_back, &mut Exercised::default()).err()?)));
        let (seed, found) = found.unwrap_or_else(|| panic!("{name} shows within 20,000 runs"));
        assert!(found.contains(expected), "{name}, seed {seed}: expected {expected}, found {found}");
    }
}

#[test]
fn configurations_are_checked() {
    let bad: [fn(&mut Config); 5] = [
        |config| config.votes_within = std::time::Duration::ZERO,
        |config| config.retry = std::time::Duration::ZERO,
        |config| config.transactions_max = 0,
        |config| config.outcomes_max = 0,
        |config| config.records_max = 0,
    ];
    assert_eq!(Config::default().validate(), Ok(()));
    for (number, spoil) in bad.iter().enumerate() {
        let mut config = Config::default();
        spoil(&mut config);
        assert!(config.validate().is_err(), "rule {number} is not checked");
    }
}
