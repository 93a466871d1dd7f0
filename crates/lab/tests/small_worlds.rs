//! Every order of events in small worlds: single-decree Paxos and two-phase commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use synod_machine::NodeId;
use synod_protocols::commit::two_phase::{self, Accounts, Operation, Presumption, TwoPhase};
use synod_protocols::consensus::paxos::{self, Config, Paxos};
use synod_sim::explore::{Budgets, SmallWorld};

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);
const N3: NodeId = NodeId(3);

/// Three nodes in every role; two of them propose.
fn duel(change: impl Fn(&mut Config)) -> SmallWorld<Paxos<char>> {
    let mut config = Config::colocated([N1, N2, N3]);
    change(&mut config);
    let config = Arc::new(config);
    SmallWorld::new(3, move |me| Paxos::new_unchecked(me, config.clone()))
        .command(N1, paxos::Command::Propose('X'))
        .command(N2, paxos::Command::Propose('Y'))
        .synchronous_disk()
        .always("agreement", |view| {
            let nodes: Vec<&Paxos<char>> = view.machines().map(|(_, node)| node).collect();
            paxos::invariants::agreement(nodes.iter().copied()).map_err(|broken| broken.to_string())
        })
        .sometimes("chosen X", |view| view.machines().any(|(_, node)| node.learned() == Some(&'X')))
        .sometimes("chosen Y", |view| view.machines().any(|(_, node)| node.learned() == Some(&'Y')))
}

#[test]
fn paxos_agrees_in_every_order_of_events() {
    let report = duel(|_| ()).explore();
    println!("{report}");
    report.assert_holds();
}

#[test]
fn a_forgetful_acceptor_breaks_agreement() {
    let world = duel(|_| ()).budgets(Budgets { wipes: 1, restarts: 1, ..Budgets::NONE });
    let report = world.explore();
    println!("{report}");
    report.assert_violates("agreement");
}

#[test]
fn a_proposer_that_ignores_what_was_accepted_breaks_agreement() {
    duel(|config| config.flaws.ignore_accepted = true).explore().assert_violates("agreement");
}

/// One coordinator and two participants.
fn transaction(presumption: Presumption) -> SmallWorld<TwoPhase<Accounts>> {
    let config = Arc::new(two_phase::Config { presumption, ..two_phase::Config::default() });
    let work = BTreeMap::from([(N2, vec![Operation::Add('a', 1)]), (N3, vec![Operation::Add('b', 1)])]);
    SmallWorld::new(3, move |me| TwoPhase::new(me, config.clone()))
        .command(N1, two_phase::Command::Commit { number: 1, work })
        .synchronous_disk()
        .always("AC1", |view| {
            two_phase::invariants::agreement(view.machines().map(|(_, node)| node))
                .map_err(|broken| broken.to_string())
        })
        .sometimes("committed", |view| {
            view.machines().any(|(_, node)| !node.ledger().resource.balances.is_empty())
        })
}

#[test]
fn two_phase_commit_is_atomic_in_every_order_of_events() {
    for presumption in [Presumption::Nothing, Presumption::Abort, Presumption::Commit] {
        let world = transaction(presumption).budgets(Budgets {
            crashes: 1,
            restarts: 1,
            timeouts: 2,
            ..Budgets::NONE
        });
        let report = world.explore();
        println!("{presumption:?}: {report}");
        report.assert_holds();
    }
}

#[test]
fn two_phase_commit_blocks_when_the_coordinator_is_gone() {
    let world = transaction(Presumption::Abort)
        .budgets(Budgets { crashes: 1, timeouts: 4, ..Budgets::NONE })
        .eventually("nobody is in doubt", |view| {
            match view.machines().find(|(_, node)| node.in_doubt().next().is_some()) {
                Some((id, _)) if view.down().any(|down| down == N1) => {
                    Err(format!("{id} has voted Yes, n1 is gone, and nobody else may decide"))
                }
                _ => Ok(()),
            }
        });
    let report = world.explore();
    println!("{report}");
    report.assert_violates("nobody is in doubt");
}
