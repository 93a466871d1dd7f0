//! States a second of two explorers on the same models, in one run: `cargo bench -p synod-sim --bench explorers`.
//!
//! Each is run several times in turn, so that what else the machine does strikes both; the best of each counts.

mod models;

use std::time::Instant;

use models::paxos::Paxos;
use models::two_phase::TwoPhase;
use stateright::Checker;
use synod_sim::explore::{Explore, Model};

const RUNS: usize = 3;

fn main() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "{:<34} {:>9} {:>8} {:>10} {:>10} {:>6}",
        "model", "states", "threads", "ours/s", "theirs/s", "ratio"
    );
    for threads in [1, cores] {
        compare("two-phase commit, 8 managers", threads, || TwoPhase(8));
        compare("Paxos, 3 acceptors, 2 ballots", threads, || Paxos { acceptors: 3, ballots: 2, values: 2 });
        compare("Paxos, 3 acceptors, 3 ballots", threads, || Paxos { acceptors: 3, ballots: 3, values: 2 });
    }
}

fn compare<M>(name: &str, threads: usize, model: impl Fn() -> M)
where
    M: Model
        + stateright::Model<State: Clone + PartialEq + std::hash::Hash + Send + Sync>
        + Send
        + Sync
        + 'static,
    <M as stateright::Model>::Action: Clone + PartialEq + Send + Sync,
{
    let (mut ours, mut theirs) = (0f64, 0f64);
    let mut states = 0;
    for _ in 0..RUNS {
        let report = Explore { threads, ..Explore::default() }.run(&model());
        states = report.assert_holds().counts.states;
        ours = ours.max(states as f64 / report.elapsed.as_secs_f64());
        let begin = Instant::now();
        let checker = stateright::Model::checker(model()).threads(threads).spawn_bfs().join();
        theirs = theirs.max(checker.unique_state_count() as f64 / begin.elapsed().as_secs_f64());
        assert_eq!(checker.unique_state_count() as u64, states, "{name}: the explorers disagree");
    }
    println!("{name:<34} {states:>9} {threads:>8} {ours:>10.0} {theirs:>10.0} {:>6.2}", ours / theirs);
}
