//! Exchanges between two replicas: whatever differs is settled, at a cost that follows the difference where it should.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;
use synod_machine::NodeId;
use synod_protocols::gossip::anti_entropy::{Comparison, Exchange, Message};
use synod_protocols::gossip::replica::{Entry, Lifetimes, Replica};
use synod_protocols::gossip::rumor::Direction;
use synod_protocols::merkle::Range;

type Site = Replica<u32, u32>;

const WALL: Duration = Duration::from_secs(1_000);

fn site(id: u64) -> Site {
    let lifetimes = Lifetimes { active: Duration::from_secs(100), dormant: Duration::ZERO };
    Replica::new(NodeId(id), lifetimes, 4)
}

/// Digests, versions and entries that were sent.
#[derive(Debug, Default, PartialEq)]
struct Traffic {
    messages: usize,
    items: usize,
    entries: usize,
}

/// An exchange that `sites[0]` begins, to its end.
fn exchange(sites: &mut [Site; 2], direction: Direction, comparison: Comparison) -> Traffic {
    let begun = Exchange { replica: &sites[0], wall: WALL }.begin(direction, comparison);
    let mut queue: VecDeque<(usize, Message<u32, u32>)> =
        begun.into_iter().map(|message| (1, message)).collect();
    let mut traffic = Traffic::default();
    while let Some((at, message)) = queue.pop_front() {
        traffic.messages += 1;
        assert!(traffic.messages < 10_000, "an exchange ends");
        let given: &[(u32, Entry<u32>)] = match &message {
            Message::Everything { entries, .. } | Message::Entries(entries) => entries,
            _ => &[],
        };
        traffic.entries += given.len();
        traffic.items += match &message {
            Message::Versions { versions, .. } => versions.len(),
            Message::Tree { children, .. } => children.len(),
            Message::Want(keys) => keys.len(),
            Message::Root { .. } => 1,
            _ => 0,
        };
        for (key, entry) in given {
            sites[at].apply(*key, entry.clone(), WALL);
        }
        let answers = Exchange { replica: &sites[at], wall: WALL }.answer(&message);
        queue.extend(answers.into_iter().map(|answer| (1 - at, answer)));
    }
    traffic
}

/// Two replicas that have a part in common.
fn replicas(common: u32, ours: &[u32], theirs: &[u32]) -> [Site; 2] {
    let mut sites = [site(1), site(2)];
    for key in 0..common {
        let entry = sites[0].write(key, key, WALL - Duration::from_secs(10));
        sites[1].apply(key, entry, WALL - Duration::from_secs(10));
    }
    for (place, keys) in [ours, theirs].into_iter().enumerate() {
        for key in keys {
            sites[place].write(*key, 1_000_000 + place as u32, WALL);
        }
    }
    sites
}

fn keys(most: usize) -> impl Strategy<Value = Vec<u32>> {
    proptest::collection::vec(0..400_u32, 0..most)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn everything_is_settled(common in 0..400_u32, ours in keys(300), theirs in keys(300)) {
        for comparison in [Comparison::Full, Comparison::Digest, Comparison::Merkle] {
            for direction in [Direction::Push, Direction::Pull, Direction::PushPull] {
                let mut sites = replicas(common, &ours, &theirs);
                let before = sites.clone();
                exchange(&mut sites, direction, comparison);
                for (key, entry) in before[0].entries().filter(|_| direction.pushes()) {
                    prop_assert!(sites[1].entry(key).is_some_and(|known| known.version() >= entry.version()));
                }
                for (key, entry) in before[1].entries().filter(|_| direction.pulls()) {
                    prop_assert!(sites[0].entry(key).is_some_and(|known| known.version() >= entry.version()));
                }
                if !direction.pulls() {
                    prop_assert_eq!(&sites[0], &before[0], "who pushes learns nothing");
                }
                if direction == Direction::PushPull {
                    prop_assert_eq!(sites[0].tree(), sites[1].tree());
                    let again = exchange(&mut sites, direction, Comparison::Merkle);
                    prop_assert_eq!(again, Traffic { messages: 1, items: 1, entries: 0 });
                }
            }
        }
    }
}

#[test]
fn the_trees_cost_follows_the_difference() {
    let cost =
        |comparison| exchange(&mut replicas(20_000, &[17], &[19_999]), Direction::PushPull, comparison);
    let (full, digest, merkle) = (cost(Comparison::Full), cost(Comparison::Digest), cost(Comparison::Merkle));
    assert!(full.entries >= 20_000, "{full:?}");
    assert!(digest.items >= 20_000 && digest.entries == 2, "{digest:?}");
    assert!(merkle.items < 200 && merkle.entries == 2, "{merkle:?}");
}

#[test]
fn nonsense_is_answered_with_nothing() {
    let sites = replicas(100, &[], &[]);
    let deep = Range::around(5, 16);
    let answers = Exchange { replica: &sites[0], wall: WALL }.answer(&Message::Tree {
        terms: synod_protocols::gossip::anti_entropy::Terms { gives: true, wants: true },
        range: deep,
        children: vec![(deep, 1)],
    });
    assert_eq!(answers, []);
}
