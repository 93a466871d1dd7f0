//! Whole epidemics on a hostile network: what is written anywhere is everywhere in the end, if anti-entropy is on.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use synod_machine::*;
use synod_protocols::gossip::anti_entropy::Comparison;
use synod_protocols::gossip::epidemic::*;
use synod_protocols::gossip::replica::Lifetimes;
use synod_protocols::gossip::rumor::{Direction, Policy, Removal};

use crate::network::{Draw, Network};

type Site = Epidemic<u8, u32>;

pub fn config(me: u64, sites: u64) -> Config {
    Config {
        peers: (1..=sites).filter(|peer| *peer != me).map(NodeId).collect(),
        rumor: Some(Policy::feedback_counter(2)),
        rumor_cycle: Duration::from_millis(10),
        anti_entropy: None,
        anti_entropy_cycle: Duration::from_millis(100),
        redistribute: true,
        lifetimes: Lifetimes { active: Duration::from_secs(3_600), dormant: Duration::from_secs(36_000) },
        retention_sites: 2,
        levels: 3,
    }
}

fn any_config() -> impl Strategy<Value = (Option<Policy>, Option<AntiEntropy>, bool)> {
    let direction = prop_oneof![Just(Direction::Push), Just(Direction::Pull), Just(Direction::PushPull)];
    let removal = prop_oneof![(1..4_u32).prop_map(Removal::Counter), (1..4_u32).prop_map(Removal::Coin)];
    let comparison = prop_oneof![Just(Comparison::Full), Just(Comparison::Digest), Just(Comparison::Merkle)];
    let policy = (direction.clone(), any::<bool>(), removal)
        .prop_map(|(direction, feedback, removal)| Policy { direction, feedback, removal });
    let anti_entropy =
        (direction, comparison).prop_map(|(direction, comparison)| AntiEntropy { direction, comparison });
    (proptest::option::of(policy), anti_entropy.prop_map(Some), any::<bool>())
}

/// Writes and deletes at random sites, on a network that loses one message in five; then quiet.
fn live(seed: u64, sites: u64, config: impl Fn(u64) -> Config, quiet_steps: usize) -> Network<Site> {
    let mut draw = Draw(seed ^ 0x90551b);
    let mut network = Network::new(seed);
    network.start((1..=sites).map(|id| (NodeId(id), Epidemic::new(NodeId(id), config(id)))));
    for step in 0..400 + quiet_steps {
        if step < 400 && draw.below(10) == 0 {
            let key = draw.below(6) as u8;
            let command = match draw.below(4) {
                0 => Command::Delete(key),
                _ => Command::Write(key, step as u32),
            };
            let id = RequestId(step as u64);
            network.step(NodeId(1 + draw.below(sites)), Input::Command { id, command });
        }
        if !network.flights.is_empty() && draw.below(4) > 0 {
            let place = draw.below(network.flights.len() as u64) as usize;
            if draw.below(5) == 0 {
                network.flights.remove(place);
            } else {
                network.deliver(place);
            }
        } else if let Some((_, id, timer)) = network.timers().into_iter().next() {
            network.fire(id, timer);
        }
    }
    network
}

fn equal(network: &Network<Site>) -> bool {
    let mut digests = network.ids().into_iter().map(|id| network.machine(id).replica().tree().clone());
    let first = digests.next();
    digests.all(|tree| Some(tree) == first)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn with_anti_entropy_all_replicas_become_equal(
        seed in any::<u64>(),
        sites in 2..6_u64,
        (rumor, anti_entropy, redistribute) in any_config(),
    ) {
        let network = live(seed, sites, |id| Config { rumor, anti_entropy, redistribute, ..config(id, sites) }, 20_000);
        prop_assert!(equal(&network), "{:?}", network.timers());
    }
}

#[test]
fn rumors_alone_leave_a_residue() {
    let different = (0..200).filter(|seed| {
        let network = live(*seed, 5, |id| config(id, 5), 3_000);
        assert!(
            network.ids().into_iter().all(|id| network.machine(id).hot() == 0),
            "everybody has lost interest"
        );
        !equal(&network)
    });
    assert!(different.count() > 20);
}

#[test]
fn nothing_leaves_before_it_is_durable() {
    let mut network: Network<Site> = Network::new(1);
    network.sync_at_once = false;
    network.start((1..=3).map(|id| (NodeId(id), Epidemic::new(NodeId(id), config(id, 3)))));
    network.seen.clear();
    network.step(NodeId(1), Input::Command { id: RequestId(1), command: Command::Write(1, 10) });
    network.step(NodeId(1), Input::Command { id: RequestId(2), command: Command::Read(1) });
    network.fire(NodeId(1), Timer::Rumor);
    assert_eq!(network.flights, [], "the rumor waits for the disk");
    network.sync(NodeId(1));
    assert_eq!(network.flights.len(), 1);
}

#[test]
fn a_log_is_compacted_and_restored() {
    let mut site = Site::new(NodeId(1), config(1, 3));
    let mut buffer = Buffer::new(First, Ticket(1));
    let (mut log, mut stamps) = (Vec::new(), BTreeSet::new());
    for number in 0..5_000_u64 {
        let command = Command::Write((number % 7) as u8, number as u32);
        let cx = Context::at(NodeId(1), Mono::ZERO);
        site.step(&cx, Input::Command { id: RequestId(number), command }, &mut buffer.effects());
        for effect in std::mem::take(&mut buffer.effects) {
            match effect {
                Effect::Write { ticket, write } => log.push((ticket, write)),
                Effect::Forget { before } => log.retain(|(ticket, _)| *ticket >= before),
                Effect::Reply { reply: Reply::Written(stamp), .. } => assert!(stamps.insert(stamp)),
                _ => {}
            }
        }
    }
    assert!(log.len() < 2_500, "{}", log.len());
    let mut again = Site::new(NodeId(1), config(1, 3));
    let saved = log.into_iter().map(|(_, write)| write).collect();
    again.step(&Context::at(NodeId(1), Mono::ZERO), Input::Start { saved }, &mut buffer.effects());
    assert!(again.replica().entries().eq(site.replica().entries()));
    let cx = Context::at(NodeId(1), Mono::ZERO);
    buffer.effects.clear();
    again.step(
        &cx,
        Input::Command { id: RequestId(1), command: Command::Write(1, 1) },
        &mut buffer.effects(),
    );
    let last = again.replica().entry(&1).expect("written").stamp;
    assert!(stamps.iter().all(|stamp| *stamp < last), "no stamp is given twice");
}
