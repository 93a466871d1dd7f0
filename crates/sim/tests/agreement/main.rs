//! Two explorers, written by different people, find the same states of the same models; and as many as others have found.

#[path = "../../benches/models/mod.rs"]
mod models;

use std::fmt::Debug;
use std::hash::Hash;

use models::paxos::Paxos;
use models::two_phase::TwoPhase;
use stateright::Checker;
use synod_sim::explore::{Counts, Explore, Model};

/// What this explorer finds, with any number of threads.
fn ours<M: Model>(model: &M) -> Counts {
    let explore = |threads| {
        let report = Explore { threads, ..Explore::default() }.run(model);
        report.assert_holds().counts
    };
    let alone = explore(1);
    assert_eq!(explore(2), alone);
    assert_eq!(explore(5), alone);
    alone
}

/// What `stateright` finds: distinct states, and states with repetitions.
fn theirs<M>(model: M) -> (u64, u64)
where
    M: stateright::Model<State: Clone + Debug + PartialEq + Hash + Send + Sync> + Send + Sync + 'static,
    M::Action: Clone + Debug + PartialEq + Send + Sync,
{
    let checker = stateright::Model::checker(model).spawn_bfs().join();
    checker.assert_properties();
    (checker.unique_state_count() as u64, checker.state_count() as u64)
}

#[test]
fn two_phase_commit_has_as_many_states_as_everybody_finds() {
    for (managers, known) in [(1, None), (2, None), (3, Some(288)), (4, None), (5, Some(8_832)), (6, None)] {
        let model = TwoPhase(managers);
        let counts = ours(&model);
        assert_eq!((counts.states, counts.transitions), theirs(model), "{managers} resource managers");
        assert!(known.is_none_or(|known| known == counts.states), "{counts:?}");
    }
}

#[test]
fn paxos_has_as_many_states_as_both_find() {
    for (acceptors, ballots, values) in [(1, 2, 2), (2, 2, 2), (3, 2, 1), (3, 2, 2), (3, 3, 1), (4, 2, 1)] {
        let model = Paxos { acceptors, ballots, values };
        let counts = ours(&model);
        assert_eq!((counts.states, counts.transitions), theirs(model), "{model:?}");
    }
}
