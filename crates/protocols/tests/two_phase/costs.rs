//! The cost formulas against what is counted.

use std::collections::BTreeMap;

use synod_machine::*;
use synod_protocols::commit::two_phase::cost::{Cost, Load};
use synod_protocols::commit::two_phase::*;

use crate::scripts::world;

const COORDINATOR: NodeId = NodeId(1);

/// One transaction where nothing fails; the last participant that changes something may refuse.
fn count(presumption: Presumption, load: Load, refused: bool) -> (Cost, Reply) {
    let last = 1 + load.reading + load.updating;
    let all: Vec<NodeId> = (1..=last).map(NodeId).collect();
    let mut world = world(&all, Config { presumption, ..Config::default() });
    let part = |id: u64| match id {
        _ if id <= 1 + load.reading => vec![Operation::Read('a')],
        _ if id == last && refused => vec![Operation::Add('a', -1)],
        _ => vec![Operation::Add('a', 1)],
    };
    let work: BTreeMap<NodeId, Vec<Operation>> = (2..=last).map(|id| (NodeId(id), part(id))).collect();
    world.ask(COORDINATOR, Command::Commit { number: 1, work });
    let mut cost = Cost::default();
    while let Some(flight) = world.network.pop_front() {
        match &flight.message {
            Message::Ack { .. } => cost.acknowledgements += 1,
            _ => cost.messages += 1,
        }
        world.receive(flight);
    }
    assert_eq!(world.violation, None);
    let nodes = world.nodes.values().filter_map(|node| node.machine.as_ref());
    assert!(invariants::undecided(nodes).is_empty(), "nobody is left in doubt");
    cost.coordinator_forced = world.forced.iter().filter(|(id, _)| *id == COORDINATOR).count() as u64;
    cost.participants_forced = world.forced.len() as u64 - cost.coordinator_forced;
    (cost, world.replies[0].2)
}

#[test]
fn what_is_counted_is_what_the_formulas_say() {
    for presumption in [Presumption::Nothing, Presumption::Abort, Presumption::Commit] {
        for (updating, reading) in
            (0..=5).flat_map(|updating| (0..=3).map(move |reading| (updating, reading)))
        {
            let load = Load { updating, reading };
            if updating + reading > 0 {
                let counted = count(presumption, load, false);
                assert_eq!(counted, (cost::commit(presumption, load), Reply::Decided(Outcome::Commit)));
            }
            if updating > 0 {
                let counted = count(presumption, load, true);
                let expected = (cost::abort(presumption, load), Reply::Decided(Outcome::Abort));
                assert_eq!(counted, expected, "{presumption:?} {load:?} aborts");
            }
        }
    }
}

#[test]
fn the_tables_of_the_literature_come_out() {
    for n in 1..=10 {
        let load = Load { updating: n, reading: 0 };
        let nothing = cost::commit(Presumption::Nothing, load);
        assert_eq!((nothing.messages, nothing.all_messages(), nothing.forced()), (3 * n, 4 * n, 1 + 2 * n));
        let commit = cost::commit(Presumption::Commit, load);
        assert_eq!(
            (commit.coordinator_forced, commit.participants_forced, commit.all_messages()),
            (2, n, 3 * n)
        );
        let abort = cost::abort(Presumption::Abort, load);
        assert_eq!((abort.coordinator_forced, abort.acknowledgements), (0, 0));
    }
}
