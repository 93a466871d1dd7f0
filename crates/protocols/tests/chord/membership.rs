//! Joining, leaving, failing: Zave's invariants at every event, the ideal ring in the end, and no value lost while nobody crashes.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use synod_machine::RequestId;

use super::world::Random;
use super::*;

const BITS: u32 = 8;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Checks after every event; panics with the sentence.
fn check(world: &World<Chord>) {
    let members = members(world);
    for verdict in [members.one_live_successor(), members.ordered_lists(), members.one_ordered_ring()] {
        if let Err(disorder) = verdict {
            panic!("at {:?}: {disorder}", world.now);
        }
    }
}

fn settle(world: &mut World<Chord>, count: usize) -> Result<(), invariants::Disorder> {
    for _ in 0..100 {
        let members = members(world);
        if members.len() == count && members.ideal().is_ok() && members.every_key_owned().is_ok() {
            return Ok(());
        }
        world.run(ms(100), check);
    }
    assert_eq!(members(world).len(), count, "all that joined and did not leave are members");
    members(world).ideal().and(members(world).every_key_owned())
}

#[test]
fn a_ring_forms_and_stays_whatever_joins_leaves_and_crashes() {
    let (mut crashes, mut joins) = (0, 0);
    for seed in 0..16 {
        let mut random = Random(seed * 7_919);
        let mut up: BTreeSet<u64> = [10, 60, 110, 160, 210].into();
        let mut world = founded(seed, BITS, 3, &[10, 60, 110, 160, 210]);
        for _ in 0..30 {
            let id = random.below(256);
            if !up.contains(&id) {
                let contacts: Vec<u64> = up.iter().copied().collect();
                join(&mut world, id, BITS, 3, &contacts, Flaws::default());
                up.insert(id);
                joins += 1;
            }
            world.run(ms(random.below(400)), check);
            // Not more than two at once, and time to notice: the assumption.
            if up.len() > 6 && random.below(3) == 0 {
                for _ in 0..1 + random.below(2) {
                    let victim = *random.pick(&up.iter().copied().collect::<Vec<_>>());
                    world.crash(NodeId(victim));
                    up.remove(&victim);
                    crashes += 1;
                }
                world.run(ms(600), check);
            }
        }
        settle(&mut world, up.len()).unwrap_or_else(|disorder| panic!("seed {seed}: {disorder}"));
        members(&world).sufficient_principals().expect("an ideal ring skips nobody");
    }
    assert!(crashes > 40 && joins > 400, "{crashes} crashes, {joins} joins");
}

/// What clients may read: the last completed write of a key, or one that was never answered.
#[derive(Default)]
struct Expected {
    values: BTreeMap<Identifier, u64>,
    puts: BTreeMap<RequestId, (Identifier, u64)>,
    gets: BTreeMap<RequestId, (Identifier, u64)>,
    seen: usize,
    reads: u64,
}

impl Expected {
    fn judge(&mut self, world: &World<Chord>) {
        for (_, _, request, reply) in &world.replies[self.seen..] {
            match reply {
                Reply::Stored => {
                    let (key, value) = self.puts.remove(request).expect("an answer to a put");
                    self.values.insert(key, value);
                }
                Reply::Value(value) => {
                    let (key, least) = self.gets.remove(request).expect("an answer to a get");
                    let value = value
                        .as_ref()
                        .map_or(0, |value| std::str::from_utf8(value).unwrap().parse().unwrap());
                    assert!(
                        value >= least,
                        "key {key}: expected at least write {least}, read {value} at {:?}",
                        world.now
                    );
                    self.reads += 1;
                }
                _ => {}
            }
        }
        self.seen = world.replies.len();
    }
}

/// One writer a key writes 1, 2, 3 …: a read must give at least what was complete when it began.
fn churn(seed: u64, flaws: Flaws) -> Expected {
    let mut random = Random(seed * 104_729);
    let founders = [10, 60, 110, 160];
    let mut up: BTreeSet<u64> = founders.into();
    let mut world = founded(seed, BITS, 3, &founders);
    let mut expected = Expected::default();
    let mut written: BTreeMap<Identifier, u64> = BTreeMap::new();
    let mut quiet = Duration::ZERO;
    for _ in 0..400 {
        let all: Vec<u64> = up.iter().copied().collect();
        match random.below(20) {
            0 => {
                let id = random.below(256);
                if !up.contains(&id) && world.machine(NodeId(id)).is_none_or(|chord| !chord.is_member()) {
                    join(&mut world, id, BITS, 3, &all, flaws);
                    up.insert(id);
                }
            }
            // A leaving node is missing to those who know it like one that failed: the same assumption.
            1 if up.len() > 5 && world.now > quiet => {
                quiet = world.now + ms(250);
                let id = *random.pick(&all);
                let request = world.command(NodeId(id), Command::Leave);
                if world.reply(request).is_none() {
                    up.remove(&id);
                }
            }
            draw => {
                let (key, at) = (Identifier(random.below(8) * 32 + 5), NodeId(*random.pick(&all)));
                let open = expected.puts.values().any(|(other, _)| *other == key);
                if draw % 2 == 0 && !open {
                    let value = written.entry(key).or_default();
                    *value += 1;
                    let request =
                        world.command(at, Command::Put { key, value: Bytes::from(value.to_string()) });
                    expected.puts.insert(request, (key, *value));
                } else {
                    let least = expected.values.get(&key).copied().unwrap_or(0);
                    let request = world.command(at, Command::Get { key });
                    expected.gets.insert(request, (key, least));
                }
            }
        }
        world.run(ms(random.below(40)), |world| {
            check(world);
            if flaws == Flaws::default() {
                members(world).one_owner().expect("while nobody crashes");
            }
        });
        expected.judge(&world);
    }
    if flaws == Flaws::default() {
        settle(&mut world, up.len()).unwrap_or_else(|disorder| panic!("seed {seed}: {disorder}"));
        expected.judge(&world);
    }
    expected
}

#[test]
fn values_move_with_their_ranges_and_none_is_lost() {
    let reads: u64 = (0..12).map(|seed| churn(seed, Flaws::default()).reads).sum();
    assert!(reads > 1_000, "only {reads} reads were judged");
}

#[test]
fn serving_before_the_keys_are_there_is_seen() {
    let seen = (0..30).any(|seed| {
        let flaws = Flaws { serve_at_once: true, ..Flaws::default() };
        std::panic::catch_unwind(|| churn(seed, flaws)).is_err()
    });
    assert!(seen, "a node that serves at once reads nothing where a value was");
}

#[test]
fn the_published_join_loses_the_ring() {
    // A node joins, and its successor fails before the first round of stabilization.
    let found = (0..60).find_map(|seed| {
        let mut random = Random(seed);
        let mut world = founded(seed, BITS, 3, &[10, 60, 110, 160, 210]);
        let flaws = Flaws { original_join: true, ..Flaws::default() };
        join(&mut world, 80, BITS, 3, &[10], flaws);
        world.run(ms(random.below(60)), |_| ());
        world.crash(NodeId(110));
        let mut disorder = None;
        world.run(ms(2_000), |world| {
            disorder = disorder.take().or(members(world).one_live_successor().err());
        });
        disorder
    });
    assert!(found.expect("within sixty runs").sentence.contains("expected a live successor of n80@80"));
}

#[test]
fn a_node_that_crashed_returns_to_its_place() {
    let mut world = founded(3, BITS, 3, &[10, 60, 110, 160]);
    for wait in [0, 3, 50, 400] {
        world.crash(NodeId(60));
        world.run(ms(wait), check);
        join(&mut world, 60, BITS, 3, &[110, 160], Flaws::default());
        world.run(ms(300), check);
        settle(&mut world, 4).expect("ideal again");
    }
}

#[test]
fn lookups_find_the_owner_both_ways() {
    let ids: Vec<u64> = (0..40).map(|index| index * 6 + 1).collect();
    let mut world = founded(9, BITS, 3, &ids);
    for key in (0..256).step_by(5) {
        for manner in [Manner::Iterative, Manner::Recursive] {
            let request = world.command(NodeId(61), Command::Lookup { key: Identifier(key), manner });
            while world.reply(request).is_none() {
                world.next().expect("an answer comes");
            }
            let Some(Reply::Found(found)) = world.reply(request) else {
                panic!("{:?}", world.reply(request))
            };
            let owner = ids.iter().copied().find(|id| *id >= key).unwrap_or(ids[0]);
            assert_eq!(found.owner, peer(owner));
            assert!(found.hops <= 8, "{found:?}");
        }
    }
}

/// The range of a node that leaves is its successor's at once, and so is the node before it: a lookup there does not name the gap in between.
#[test]
fn a_lookup_right_after_a_departure_names_the_node_before_it() {
    let mut world = founded(4, BITS, 3, &[10, 60, 110, 160, 210]);
    let left = world.command(NodeId(110), Command::Leave);
    while world.reply(left).is_none() {
        world.next().expect("an answer comes");
    }
    let lookup =
        world.command(NodeId(160), Command::Lookup { key: Identifier(100), manner: Manner::Iterative });
    let Some(Reply::Found(found)) = world.reply(lookup) else { panic!("{:?}", world.reply(lookup)) };
    assert_eq!((found.predecessor, found.owner), (peer(60), peer(160)));
}

/// The second is granted its part only after the first has taken its own: neither range is dropped, and neither has two owners.
#[test]
fn two_nodes_that_join_one_range_at_once_share_it() {
    for seed in 0..200 {
        let mut world = founded(seed, BITS, 3, &[10, 60, 110, 160, 210]);
        for id in [130, 145] {
            join(&mut world, id, BITS, 3, &[10, 210], Flaws::default());
        }
        world.run(ms(600), |world| {
            members(world).one_owner().unwrap_or_else(|disorder| panic!("seed {seed}: {disorder}"));
        });
        settle(&mut world, 7).unwrap_or_else(|disorder| panic!("seed {seed}: {disorder}"));
    }
}

#[test]
fn two_nodes_become_one_and_two_again() {
    let mut world = founded(1, BITS, 2, &[10, 60]);
    world.crash(NodeId(60));
    join(&mut world, 60, BITS, 2, &[10], Flaws::default());
    world.run(ms(1_000), check);
    settle(&mut world, 2).expect("ideal");
    world.command(NodeId(60), Command::Leave);
    world.run(ms(1_000), |_| ());
    assert_eq!(members(&world).len(), 1);
}
