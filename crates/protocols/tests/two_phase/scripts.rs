//! Golden scripts: a coordinator and its participants steered by hand. Run the tests with `UPDATE_GOLDENFILES=1` to write their output anew, and
//! read what changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use goldenscript::ArgumentConsumer;
use synod_machine::*;
use synod_protocols::commit::two_phase::invariants::{self, History};
use synod_protocols::commit::two_phase::*;

use crate::words::Node;
use crate::world::script::{Outcome as Result, Stage, nodes, parse, run_all};
use crate::world::{Judge, World};

#[derive(Default)]
struct TwoPhaseStage;

impl Stage for TwoPhaseStage {
    type Machine = Node;

    fn found(&mut self, args: &mut ArgumentConsumer) -> Result<World<Node>> {
        let mut config = Config { cooperative: false, ..Config::default() };
        let (mut sync, mut writes, mut all) = (true, false, Vec::new());
        while let Some((key, value)) = args.next_key() {
            match key {
                "all" => all = nodes(value)?,
                "presume" => config.presumption = presumption(value)?,
                "cooperative" => config.cooperative = value == "yes",
                "outcomes" => config.outcomes_max = value.parse()?,
                "records" => config.records_max = value.parse()?,
                "sync" => sync = value != "manual",
                "writes" => writes = value == "shown",
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        let mut world = world(&all, config);
        world.sync_at_once = sync;
        world.tell_writes = writes;
        Ok(world)
    }

    /// `commit n1 7 n2="a+5" n3="b-5,c?"`
    fn command(&mut self, name: &str, args: &mut ArgumentConsumer) -> Result<Command<Vec<Operation>>> {
        if name != "commit" {
            return Err(format!("no such command: {name}").into());
        }
        let number = args.next_pos().ok_or("expected a number")?.parse()?;
        let mut work = BTreeMap::new();
        while let Some((participant, text)) = args.next_key() {
            work.insert(parse(participant)?, operations(text)?);
        }
        Ok(Command::Commit { number, work })
    }
}

fn operations(text: &str) -> Result<Vec<Operation>> {
    let one = |text: &str| -> Result<Operation> {
        let account = text.chars().next().ok_or("expected an account")?;
        match &text[account.len_utf8()..] {
            "" | "?" => Ok(Operation::Read(account)),
            amount => Ok(Operation::Add(account, amount.parse()?)),
        }
    };
    text.split(',').map(one).collect()
}

fn presumption(name: &str) -> Result<Presumption> {
    match name {
        "nothing" => Ok(Presumption::Nothing),
        "abort" => Ok(Presumption::Abort),
        "commit" => Ok(Presumption::Commit),
        other => Err(format!("no such presumption: {other}").into()),
    }
}

/// Nodes under the eyes of the five conditions.
pub fn world(all: &[NodeId], config: Config) -> World<Node> {
    let config = Arc::new(config);
    let boot = move |id| TwoPhase::new(id, config.clone());
    World::new(all.iter().copied(), boot, judge())
}

fn judge() -> Judge<Node> {
    let mut history = History::default();
    Box::new(move |node, _, effects| {
        let events = effects.iter().filter_map(|effect| match effect {
            Effect::Emit(event) => Some(event),
            _ => None,
        });
        history
            .observe(node, events)
            .and_then(|()| invariants::agreement([node]))
            .map_err(|broken| broken.to_string())
    })
}

#[test]
fn scripts_read_as_they_did() {
    run_all::<TwoPhaseStage>("two_phase/scripts", 9);
}
