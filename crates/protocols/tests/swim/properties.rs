//! Random groups: losses, crashes, restarts, cuts; then calm, in which everybody must come to know the truth.

use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use synod_machine::NodeId;
use synod_protocols::failure::swim::*;

use crate::group::{Group, Lots};

#[derive(Clone, Debug)]
enum Act {
    Crash(u64),
    Restart(u64),
    Mute(u64),
    Unmute(u64),
    Say(u64, u8),
    Pass { milliseconds: u64, lost_percent: u64 },
}

const NODES: u64 = 5;

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (1..=NODES).prop_map(Act::Crash),
        (1..=NODES).prop_map(Act::Restart),
        (1..=NODES).prop_map(Act::Mute),
        (1..=NODES).prop_map(Act::Unmute),
        (1..=NODES, any::<u8>()).prop_map(|(node, text)| Act::Say(node, text)),
        (100_u64..20_000, 0_u64..60)
            .prop_map(|(milliseconds, lost_percent)| Act::Pass { milliseconds, lost_percent }),
    ]
}

fn config(lifeguard: (bool, bool, bool), gossip: bool) -> Config {
    let (probe, suspicion, buddy) = lifeguard;
    Config {
        lifeguard: Lifeguard { probe, suspicion, buddy },
        gossip: if gossip { Config::default().gossip } else { None },
        sync_interval: Some(Duration::from_secs(10)),
        alpha: 2,
        reservation: 2,
        ..Config::default()
    }
}

fn play(group: &mut Group, acts: &[Act], draw: &mut Lots) {
    for act in acts {
        match act {
            Act::Crash(node) => group.crash(NodeId(*node)),
            Act::Restart(node) => {
                if group.nodes[&NodeId(*node)].swim.is_none() {
                    group.start(NodeId(*node));
                }
            }
            Act::Mute(node) => drop(group.mute.insert(NodeId(*node))),
            Act::Unmute(node) => drop(group.mute.remove(&NodeId(*node))),
            Act::Say(node, text) => {
                group.command(NodeId(*node), Command::SetMetadata(Bytes::from(vec![*text])));
            }
            Act::Pass { milliseconds, lost_percent } => {
                group.pass(Duration::from_millis(*milliseconds), *lost_percent, draw);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Safety at every step; and after the calm, completeness and accuracy: everybody up knows exactly who is up, and what they say.
    #[test]
    fn the_truth_wins(
        seed in any::<u64>(),
        lifeguard in any::<(bool, bool, bool)>(),
        gossip in any::<bool>(),
        acts in prop::collection::vec(act(), 0..30),
    ) {
        let mut group = Group::new(Some(seed));
        let all: Vec<NodeId> = (1..=NODES).map(NodeId).collect();
        for node in &all {
            group.add(*node, config(lifeguard, gossip), all.clone(), vec![NodeId(1), NodeId(2)]);
        }
        let mut draw = Lots::seeded(seed);
        play(&mut group, &acts, &mut draw);
        group.mute.clear();
        group.pass(Duration::from_secs(120), 0, &mut draw);
        prop_assert_eq!(&group.violation, &None);
        let up: Vec<NodeId> = all.iter().copied().filter(|node| group.nodes[node].swim.is_some()).collect();
        for viewer in &up {
            for subject in &all {
                let expected = if up.contains(subject) { State::Alive } else { State::Failed };
                prop_assert_eq!(group.state(*viewer, *subject), Some(expected), "{} of {}", viewer, subject);
            }
            for subject in &up {
                let said = group.nodes[subject].swim.as_ref().map(|swim| swim.metadata().clone());
                let known = group.nodes[viewer].swim.as_ref().and_then(|swim| swim.table().get(*subject));
                prop_assert_eq!(known.map(|known| known.metadata.clone()), said);
            }
        }
    }
}

/// A life that begins with the incarnations of the former says different things under one.
#[test]
fn a_forgotten_incarnation_is_found() {
    let all: Vec<NodeId> = (1..=3).map(NodeId).collect();
    let mut group = Group::new(Some(7));
    for node in &all {
        let mut flawed = config((false, false, false), true);
        flawed.flaws = Flaws { forgetful_incarnation: true, ..Flaws::default() };
        group.add(*node, flawed, all.clone(), vec![]);
    }
    let mut draw = Lots::seeded(7);
    group.command(NodeId(2), Command::SetMetadata(Bytes::from("one")));
    group.pass(Duration::from_secs(3), 0, &mut draw);
    group.crash(NodeId(2));
    group.start(NodeId(2));
    group.command(NodeId(2), Command::SetMetadata(Bytes::from("two")));
    group.pass(Duration::from_secs(3), 0, &mut draw);
    let violation = group.violation.expect("two lives gave one incarnation");
    assert!(violation.starts_with("one metadata an incarnation"), "{violation}");
}
