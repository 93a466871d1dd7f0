//! Golden scripts: processes steered by hand. Run the tests with `UPDATE_GOLDENFILES=1` to write their output anew, and read what changed.

use std::collections::{BTreeMap, BTreeSet};

use goldenscript::ArgumentConsumer;
use synod_machine::NodeId;
use synod_protocols::mutex::maekawa::*;
use synod_protocols::mutex::{Command, Reply};

use crate::steered::{Outcome, Script, Stage, parse};

#[derive(Default)]
struct Processes {
    configs: BTreeMap<NodeId, Config>,
    fairness: invariants::Fairness,
}

impl Stage for Processes {
    type Machine = Maekawa;

    /// `plane 2`, `grid 9`, or `sets 1,2 2,3 3,1`; with `handling=none|as-published`.
    fn found(
        &mut self,
        name: &str,
        args: &mut ArgumentConsumer<'_>,
    ) -> Outcome<Option<Vec<(NodeId, Maekawa)>>> {
        let handling = match args.take_key("handling") {
            None => Handling::Full,
            Some("as-published") => Handling::AsPublished,
            Some("none") => Handling::None,
            Some(other) => return Err(format!("no such handling: {other}").into()),
        };
        let number = |args: &mut ArgumentConsumer<'_>| -> Outcome<u32> {
            Ok(args.next_pos().ok_or("expected a number")?.parse()?)
        };
        let coterie = match name {
            "plane" => Coterie::plane(number(args)?)?,
            "grid" => Coterie::grid(number(args)?)?,
            "sets" => {
                let mut sets: Vec<BTreeSet<NodeId>> = Vec::new();
                while let Some(text) = args.next_pos() {
                    sets.push(text.split(',').map(parse).collect::<Outcome<_>>()?);
                }
                Coterie::of(sets)?
            }
            _ => return Ok(None),
        };
        let config = |node| Config { handling, ..Config::of(&coterie, node) };
        self.configs = coterie.iter().map(|(node, _)| (node, config(node))).collect();
        let nodes: Vec<NodeId> = self.configs.keys().copied().collect();
        Ok(Some(nodes.into_iter().map(|node| (node, self.again(node))).collect()))
    }

    fn again(&mut self, node: NodeId) -> Maekawa {
        Maekawa::new(node, self.configs[&node].clone())
    }

    /// `enter n1`, `leave n1`.
    fn command(&mut self, name: &str, _: &mut ArgumentConsumer<'_>) -> Outcome<Command> {
        match name {
            "enter" => Ok(Command::Enter),
            "leave" => Ok(Command::Leave),
            other => Err(format!("no such command: {other}").into()),
        }
    }

    fn timer(&mut self, _: &str) -> Outcome<Timer> {
        Ok(Timer::Leave)
    }

    fn message(&self, message: &Message) -> (String, String) {
        (message.name().to_owned(), message.request().to_string())
    }

    fn reply(&self, reply: &Reply) -> String {
        format!("{reply:?}").to_lowercase()
    }

    fn event(&self, event: &Event) -> String {
        match event {
            Event::Entered(request) => format!("enters by {request}"),
            Event::Left(request) => format!("leaves by {request}"),
        }
    }

    fn status(&self, process: &Maekawa) -> String {
        let list =
            |nodes: &BTreeSet<NodeId>| nodes.iter().map(NodeId::to_string).collect::<Vec<_>>().join("+");
        let wish = match process.attempt() {
            None => "at rest".to_owned(),
            Some(attempt) if attempt.inside => format!("INSIDE by {}", attempt.request),
            Some(attempt) => {
                format!(
                    "waits by {}, granted by [{}], failed by [{}]",
                    attempt.request,
                    list(&attempt.grants),
                    list(&attempt.failed)
                )
            }
        };
        let lock = process.granted().map_or("free".to_owned(), |request| format!("locked by {request}"));
        let queue: Vec<String> = process.queue().map(|request| request.to_string()).collect();
        format!("asks {} | {wish} | arbiter {lock}, queue [{}]", list(process.request_set()), queue.join(" "))
    }

    fn check(&mut self, machines: &BTreeMap<NodeId, &Maekawa>) -> Result<(), String> {
        invariants::exclusion(machines.iter().map(|(node, machine)| (*node, *machine)))?;
        self.fairness.observe(machines)
    }
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/maekawa/scripts");
    let files = std::fs::read_dir(folder).expect("the scripts are beside the tests");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(paths.len() >= 7, "expected the scripts, found {}", paths.len());
    for path in paths {
        let mut script: Script<Processes> = Script::default();
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
