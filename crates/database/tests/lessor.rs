//! The lessor: who may say that a lease has ended, and when.

use std::time::Duration;

use proptest::prelude::*;
use synod_database::LeaseTime;
use synod_database::lessor::Lessor;
use synod_machine::Mono;

const TTL: Duration = Duration::from_secs(10);

fn at(seconds: u64) -> Mono {
    Mono::from_start(Duration::from_secs(seconds))
}

#[test]
fn only_an_established_leader_knows_when_leases_end() {
    let mut lessor = Lessor::default();
    lessor.grant(1, TTL, at(0));
    assert_eq!((lessor.time(1, at(1)), lessor.renew(1, at(1)), lessor.next_deadline()), (None, None, None));
    lessor.promote(at(100));
    let full = LeaseTime { granted: TTL, remaining: TTL };
    assert_eq!(lessor.time(1, at(100)), Some(full), "a new leader gives each lease its full time");
    lessor.demote();
    assert_eq!((lessor.expired(at(999), 9), lessor.len()), (vec![], 1));
}

#[test]
fn an_expired_lease_is_reported_once_and_cannot_be_renewed() {
    let mut lessor = Lessor::default();
    lessor.promote(at(0));
    lessor.grant(1, TTL, at(0));
    assert_eq!(lessor.expired(at(9), 9), []);
    assert_eq!(lessor.expired(at(10), 9), [1]);
    assert_eq!((lessor.expired(at(99), 9), lessor.next_deadline()), (vec![], None));
    assert_eq!((lessor.renew(1, at(10)), lessor.time(1, at(10))), (None, None));
    lessor.again(&[1], at(20));
    assert_eq!(lessor.expired(at(19), 9), []);
    assert_eq!(lessor.expired(at(20), 9), [1], "its end was not taken into the log");
    lessor.end(1);
    lessor.again(&[1], at(30));
    assert_eq!((lessor.next_deadline(), lessor.is_empty()), (None, true));
}

#[test]
fn a_renewal_gives_the_full_time_anew() {
    let mut lessor = Lessor::default();
    lessor.promote(at(0));
    lessor.grant(1, TTL, at(0));
    assert_eq!(lessor.renew(1, at(9)), Some(LeaseTime { granted: TTL, remaining: TTL }));
    assert_eq!(lessor.expired(at(18), 9), []);
    assert_eq!(lessor.expired(at(19), 9), [1]);
}

#[test]
fn a_replaced_store_brings_its_own_leases() {
    let mut lessor = Lessor::default();
    lessor.promote(at(0));
    lessor.grant(1, TTL, at(0));
    lessor.replace([(2, TTL)], at(5));
    assert_eq!((lessor.time(1, at(5)), lessor.next_deadline()), (None, Some(at(15))));
}

proptest! {
    /// No lease ends before the time that some answer promised, and each that is left alone ends.
    #[test]
    fn a_lease_never_ends_early(steps in prop::collection::vec((0..4u8, 1..4i64, 0..8u64), 1..80)) {
        let mut lessor = Lessor::default();
        let mut promised = std::collections::BTreeMap::new();
        let mut now = 0;
        lessor.promote(at(0));
        for (step, id, seconds) in steps {
            now += seconds;
            match step {
                0 if !promised.contains_key(&id) => {
                    lessor.grant(id, TTL, at(now));
                    promised.insert(id, at(now) + TTL);
                }
                1 => if let Some(time) = lessor.renew(id, at(now)) {
                    promised.insert(id, at(now) + time.remaining);
                },
                2 => {
                    lessor.demote();
                    lessor.promote(at(now));
                }
                _ => for ended in lessor.expired(at(now), 1) {
                    prop_assert!(promised.remove(&ended).expect("it was granted") <= at(now));
                    lessor.end(ended);
                },
            }
        }
        let mut left: Vec<i64> = lessor.expired(at(now) + TTL, usize::MAX);
        left.sort_unstable();
        prop_assert_eq!(left, promised.into_keys().collect::<Vec<_>>());
    }
}
