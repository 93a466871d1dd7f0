//! Epidemics in synchronous cycles.

use synod_lab::mechanism::gossip::rounds::{other, rumor};
use synod_protocols::gossip::rumor::{Direction, Policy, Removal};
use synod_sim::Stream;

#[test]
fn partners_are_others_and_all_of_them() {
    let mut stream = Stream::named(1, "partner");
    let mut seen = [0_u32; 5];
    for _ in 0..4_000 {
        seen[other(2, 5, &mut stream) as usize] += 1;
    }
    assert_eq!(seen[2], 0);
    assert!(
        seen.iter().enumerate().all(|(site, count)| site == 2 || (850..1_150).contains(count)),
        "{seen:?}"
    );
}

#[test]
fn every_variant_ends_and_hears_by_what_it_sent() {
    let mut stream = Stream::named(2, "rumor");
    for direction in [Direction::Push, Direction::Pull, Direction::PushPull] {
        for feedback in [true, false] {
            for removal in [Removal::Counter(2), Removal::Coin(2)] {
                let policy = Policy { direction, feedback, removal };
                let outcome = rumor(300, policy, &mut stream);
                let heard = (1.0 - outcome.residue) * 300.0;
                assert!(outcome.traffic * 300.0 >= heard - 1.01, "{policy:?} {outcome:?}");
                assert!(
                    outcome.last_delay <= outcome.cycles
                        && outcome.average_delay <= outcome.last_delay as f64
                );
            }
        }
    }
}
