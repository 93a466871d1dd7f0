//! The cost formulas against what is counted.

use synod_machine::*;
use synod_protocols::consensus::paxos::*;

use crate::scripts::world;
use crate::world::World;

fn decide(config: Config) -> World<Paxos<char>> {
    let proposer = *config.proposers.first().expect("a proposer");
    let mut world = world(config);
    world.ask(proposer, Command::Propose('X'));
    while let Some(flight) = world.network.pop_front() {
        world.receive(flight);
    }
    world
}

fn n(numbers: impl IntoIterator<Item = u64>) -> Vec<NodeId> {
    numbers.into_iter().map(NodeId).collect()
}

#[test]
fn messages_and_writes_are_as_the_formulas_say() {
    for acceptors in 1..=9 {
        for announce in [Announce::ByProposer, Announce::ByAcceptors] {
            let apart = Config::separate(n([1]), n(2..2 + acceptors), n([]));
            let learning = Config::separate(n([1]), n(2..2 + acceptors), n(20..23));
            let figure = Config::separate(n([1]), n(2..2 + acceptors), n(2..2 + acceptors));
            let together = Config::colocated(n(1..=acceptors));
            for config in [apart, learning, figure, together] {
                let config = Config { announce, ..config };
                let world = decide(config.clone());
                let everyone = config.learners.iter().chain(&config.proposers).all(|id| {
                    *id == NodeId(1) && world.machine(*id).is_some_and(|paxos| paxos.learned().is_some())
                        || config.learners.contains(id)
                });
                assert!(everyone || config.proposers.len() > 1, "{config:?}");
                assert_eq!(world.sent, cost::messages(&config), "messages of {config:?}");
                assert_eq!(world.written, cost::forced_writes(&config), "writes of {config:?}");
            }
            let apart = Config { announce, ..Config::separate(n([1]), n(2..2 + acceptors), n([])) };
            assert_eq!(cost::messages(&apart), 4 * acceptors, "4n with the proposer apart");
        }
    }
}
