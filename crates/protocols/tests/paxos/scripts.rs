//! Golden scripts: a group steered by hand. Run the tests with `UPDATE_GOLDENFILES=1` to write their output anew, and read what changed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use goldenscript::ArgumentConsumer;
use synod_machine::*;
use synod_protocols::consensus::paxos::invariants::History;
use synod_protocols::consensus::paxos::*;

use crate::world::script::{Outcome, Stage, nodes, run_all};
use crate::world::{Judge, Life, World};

#[derive(Default)]
struct PaxosStage;

impl Stage for PaxosStage {
    type Machine = Paxos<char>;

    fn found(&mut self, args: &mut ArgumentConsumer) -> Outcome<World<Paxos<char>>> {
        let mut config = Config::separate([], [], []);
        let (mut sync, mut writes) = (true, false);
        let mut quorums = (None, None);
        while let Some((key, value)) = args.next_key() {
            match key {
                "all" => config = Config::colocated(nodes(value)?),
                "proposers" => config.proposers = nodes(value)?.into_iter().collect(),
                "acceptors" => {
                    config = Config {
                        proposers: config.proposers,
                        learners: config.learners,
                        ..Config::separate([], nodes(value)?, [])
                    };
                }
                "learners" => config.learners = nodes(value)?.into_iter().collect(),
                "announce" if value == "acceptors" => config.announce = Announce::ByAcceptors,
                "prepare_quorum" => quorums.0 = Some(value.parse()?),
                "accept_quorum" => quorums.1 = Some(value.parse()?),
                "backoff" => config.backoff_least = Duration::from_millis(value.parse()?),
                "sync" => sync = value != "manual",
                "writes" => writes = value == "shown",
                "flaw" => flaw(&mut config.flaws, value)?,
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        config.prepare_quorum = quorums.0.unwrap_or(config.prepare_quorum);
        config.accept_quorum = quorums.1.unwrap_or(config.accept_quorum);
        let mut world = world(config);
        world.sync_at_once = sync;
        world.tell_writes = writes;
        Ok(world)
    }

    fn command(&mut self, name: &str, args: &mut ArgumentConsumer) -> Outcome<Command<char>> {
        match name {
            "propose" => {
                let value = args.next_pos().ok_or("expected a value")?.parse()?;
                Ok(Command::Propose(value))
            }
            "learn" => Ok(Command::Learn),
            other => Err(format!("no such command: {other}").into()),
        }
    }
}

fn flaw(flaws: &mut Flaws, name: &str) -> Outcome<()> {
    *match name {
        "answer_before_durable" => &mut flaws.answer_before_durable,
        "accept_below_promise" => &mut flaws.accept_below_promise,
        "ignore_accepted" => &mut flaws.ignore_accepted,
        "adopt_lowest" => &mut flaws.adopt_lowest,
        "reuse_ballot" => &mut flaws.reuse_ballot,
        other => return Err(format!("no such flaw: {other}").into()),
    } = true;
    Ok(())
}

/// A group under the eyes of its invariants.
pub fn world(config: Config) -> World<Paxos<char>> {
    let config = Arc::new(config);
    let roles = [&config.proposers, &config.acceptors, &config.learners];
    let ids: BTreeSet<NodeId> = roles.into_iter().flatten().copied().collect();
    let boot = move |id| Paxos::new_unchecked(id, config.clone());
    World::new(ids, boot, judge())
}

fn judge() -> Judge<Paxos<char>> {
    let mut history = History::default();
    Box::new(move |paxos, life, _| {
        match life {
            Life::Begins => history.restarted(paxos.id()),
            // Either nothing was ever durable there, or what was is lost.
            Life::BeginsOnAnEmptyDisk => history.wiped(paxos.id()),
            Life::Goes => {}
        }
        history.observe(paxos).map_err(|broken| broken.to_string())
    })
}

#[test]
fn scripts_read_as_they_did() {
    run_all::<PaxosStage>("paxos/scripts", 9);
}
