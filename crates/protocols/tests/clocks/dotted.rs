//! Dotted version vectors against full causal histories, in random lives of a key on several replicas.

use proptest::prelude::*;
use synod_protocols::clocks::dotted::invariants::{CausalHistory, Histories};
use synod_protocols::clocks::{Dot, Siblings, Version, VersionVector};

const REPLICAS: usize = 4;
const CLIENTS: usize = 3;

#[derive(Clone, Debug)]
enum Act {
    /// A client reads a replica and remembers what it saw.
    Read { client: usize, replica: usize },
    /// A client writes to a replica with what it remembers.
    Write { client: usize, replica: usize },
    /// A replica sends its state to another.
    Sync { from: usize, to: usize },
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..CLIENTS, 0..REPLICAS).prop_map(|(client, replica)| Act::Read { client, replica }),
        (0..CLIENTS, 0..REPLICAS).prop_map(|(client, replica)| Act::Write { client, replica }),
        (0..REPLICAS, 0..REPLICAS).prop_map(|(from, to)| Act::Sync { from, to }),
    ]
}

/// The replicas, twice: with dotted vectors and with whole histories; and what each client read last.
#[derive(Default)]
struct Key {
    siblings: [Siblings<u32, usize>; REPLICAS],
    histories: [Histories<usize>; REPLICAS],
    seen: [(VersionVector<usize>, CausalHistory<usize>); CLIENTS],
    versions: Vec<(Version<usize>, CausalHistory<usize>)>,
}

impl Key {
    fn act(&mut self, act: &Act) {
        match *act {
            Act::Read { client, replica } => {
                self.seen[client] =
                    (self.siblings[replica].context().clone(), self.histories[replica].seen());
            }
            Act::Write { client, replica } => {
                let (context, mut history) = self.seen[client].clone();
                let dot = self.siblings[replica].put(replica, &context, 0);
                self.histories[replica].put(dot, history.clone());
                history.insert(dot);
                self.versions.push((Version { dot, past: context }, history));
            }
            Act::Sync { from, to } => {
                let (sent, history) = (self.siblings[from].clone(), self.histories[from].clone());
                let (before, lacked) = (self.siblings[to].clone(), self.siblings[to].lacks(&sent));
                let changed = self.siblings[to].merge(&sent);
                assert_eq!(changed, before != self.siblings[to]);
                assert_eq!(changed, lacked);
                self.histories[to].merge(&history);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn siblings_are_what_causal_histories_say(acts in proptest::collection::vec(act(), 0..60)) {
        let mut key = Key::default();
        for act in &acts {
            key.act(act);
            for (siblings, histories) in key.siblings.iter().zip(&key.histories) {
                prop_assert_eq!(histories.check(siblings, REPLICAS), Ok(()));
            }
        }
        for (a, of_a) in &key.versions {
            for (b, of_b) in &key.versions {
                prop_assert_eq!(a < b, a.dot != b.dot && of_b.contains(&a.dot), "{:?} {:?}", a, b);
                prop_assert_eq!(a.concurrent(b), !of_b.contains(&a.dot) && !of_a.contains(&b.dot));
            }
        }
    }

    #[test]
    fn merging_is_commutative_associative_idempotent(acts in proptest::collection::vec(act(), 0..40)) {
        let mut key = Key::default();
        acts.iter().for_each(|act| key.act(act));
        let merged = |order: &[usize]| {
            let mut all = Siblings::default();
            order.iter().for_each(|replica| { all.merge(&key.siblings[*replica]); });
            all
        };
        prop_assert_eq!(merged(&[0, 1, 2, 3]), merged(&[3, 1, 0, 2]));
        prop_assert_eq!(merged(&[0, 1, 2, 3]), merged(&[0, 1, 0, 1, 2, 3, 3]));
    }
}

#[test]
fn a_lost_sibling_and_a_false_one_are_noticed() {
    let mut histories = Histories::default();
    histories.put(Dot { replica: 1, counter: 1 }, CausalHistory::new());
    let mut siblings = Siblings::default();
    let lost = histories.check::<u8>(&siblings, 1).expect_err("nothing is kept");
    assert!(lost.starts_with("no lost sibling"), "{lost}");
    siblings.put(1, &VersionVector::new(), 0_u8);
    siblings.put(2, &VersionVector::new(), 0_u8);
    let false_one = histories.check(&siblings, 2).expect_err("one too many is kept");
    assert!(false_one.starts_with("no false sibling"), "{false_one}");
}
