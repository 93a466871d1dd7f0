//! Replicas: the later version wins whatever the order, and what is deleted stays deleted.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use synod_machine::NodeId;
use synod_protocols::gossip::replica::{Applied, Entry, Lifetimes, Replica};
use synod_protocols::merkle::Range;

type Site = Replica<u8, u32>;

const LIFETIMES: Lifetimes =
    Lifetimes { active: Duration::from_secs(100), dormant: Duration::from_secs(1_000) };

fn site(id: u64) -> Site {
    Replica::new(NodeId(id), LIFETIMES, 3)
}

fn at(seconds: u64) -> Duration {
    Duration::from_secs(1_000_000 + seconds)
}

/// Updates made at three sites that hear nothing of each other.
fn updates() -> impl Strategy<Value = Vec<(u8, Entry<u32>)>> {
    let update = (0..3_usize, 0..4_u8, any::<bool>(), 0..3_u64);
    proptest::collection::vec(update, 0..20).prop_map(|updates| {
        let mut sites = [site(1), site(2), site(3)];
        let made = updates.into_iter().enumerate().map(|(value, (place, key, delete, seconds))| {
            let site = &mut sites[place];
            let entry = if delete {
                site.delete(key, BTreeSet::new(), at(seconds))
            } else {
                site.write(key, value as u32, at(seconds))
            };
            (key, entry)
        });
        made.collect()
    })
}

proptest! {
    #[test]
    fn the_order_of_news_does_not_matter(
        updates in updates(),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..60),
    ) {
        let (mut one, mut other) = (site(8), site(9));
        for (key, entry) in &updates {
            one.apply(*key, entry.clone(), at(5));
        }
        for index in order.iter().filter(|_| !updates.is_empty()) {
            let (key, entry) = index.get(&updates);
            other.apply(*key, entry.clone(), at(5));
        }
        for (key, entry) in updates.iter().rev() {
            other.apply(*key, entry.clone(), at(5));
        }
        prop_assert_eq!(one.tree(), other.tree());
        prop_assert!(one.entries().eq(other.entries()));
        for (key, entry) in one.entries() {
            let latest = updates.iter().filter(|(of, _)| of == key).map(|(_, e)| e.version()).max();
            prop_assert_eq!(Some(entry.version()), latest);
        }
    }
}

#[test]
fn stamps_of_a_site_rise_though_its_wall_clock_falls() {
    let mut one = site(1);
    let first = one.write(1, 10, at(50));
    let second = one.write(1, 11, at(10));
    assert!(second.stamp > first.stamp);
    // Also over what a site with a broken clock has written.
    let mut broken = site(2);
    let far = broken.write(1, 12, at(1_000_000));
    assert_eq!(one.apply(1, far.clone(), at(60)), Applied::News);
    assert!(one.write(1, 13, at(61)).stamp > far.stamp);
    assert!(one.write(2, 14, at(62)).stamp > far.stamp, "its clock has followed, as it must");
}

#[test]
fn a_dormant_certificate_awakes_and_deletes_again() {
    let keeper = NodeId(1);
    let (mut one, mut away) = (site(1), site(2));
    let old = away.write(7, 70, at(0));
    one.apply(7, old.clone(), at(1));
    let death = one.delete(7, BTreeSet::from([keeper]), at(2));
    assert_eq!((one.get(&7), one.tree().len()), (None, 1));

    assert_eq!(one.expire(at(103)), 0, "its site keeps it asleep");
    assert_eq!((one.entries().count(), one.tree().digest(Range::ALL)), (1, 0), "asleep, it is not compared");
    let asleep = one.entry(&7).expect("kept").clone();
    assert!(!one.spreads(&asleep, at(103)));

    assert_eq!(one.apply(7, old.clone(), at(500)), Applied::Awakened);
    let awake = one.entry(&7).expect("kept").clone();
    assert!(one.spreads(&awake, at(500)) && one.tree().len() == 1);
    assert_eq!(awake.stamp, death.stamp, "it deletes no more than it did");
    assert_eq!(away.apply(7, awake.clone(), at(501)), Applied::News);
    assert_eq!(away.get(&7), None);
    // What was written after the deletion lives.
    let mut third = site(3);
    third.write(7, 71, at(400));
    assert_eq!(third.apply(7, awake, at(501)), Applied::Obsolete);
}

#[test]
fn certificates_go_in_the_end() {
    let mut one = site(1);
    one.delete(1, BTreeSet::from([NodeId(1)]), at(0));
    one.delete(2, BTreeSet::from([NodeId(2)]), at(0));
    assert_eq!(one.expire(at(99)), 0);
    assert_eq!(one.expire(at(100)), 1, "key 2 sleeps at another site");
    assert_eq!(one.expire(at(1_099)), 0);
    assert_eq!(one.expire(at(1_100)), 1);
    assert!(one.is_empty() && one.tree().is_empty());
    // Who has dropped it takes no expired certificate up again.
    let mut late = site(3);
    let death = late.delete(1, BTreeSet::new(), at(0));
    assert_eq!(one.apply(1, death, at(2_000)), Applied::Expired);
}
