//! What all golden scripts can say. An arrow is a message at its receipt, `n1 ─prepare─▶ n2`; `✕` is one that was lost. Lines without an arrow are what a
//! node tells its clients and its embedder.

use std::error::Error;
use std::fmt::Write as _;

use goldenscript::{ArgumentConsumer, Command as Line, Context};
use synod_machine::*;

use super::{Flight, Words, World};

pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// Messages delivered by one command; what needs more does not end.
const DELIVERIES_MAX: usize = 400;

/// A mechanism's own part of its scripts: the line that founds a world, and what clients ask.
pub trait Stage {
    type Machine: Words;
    fn found(&mut self, args: &mut ArgumentConsumer) -> Outcome<World<Self::Machine>>;
    fn command(
        &mut self,
        name: &str,
        args: &mut ArgumentConsumer,
    ) -> Outcome<<Self::Machine as Machine>::Command>;
}

pub struct Script<S: Stage> {
    stage: S,
    world: Option<World<S::Machine>>,
}

impl<S: Stage> goldenscript::Runner for Script<S> {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        if line.name == "nodes" {
            let mut world = self.stage.found(&mut args)?;
            world.told.clear();
            self.world = Some(world);
        } else {
            let world = self.world.as_mut().ok_or("a script begins with its nodes")?;
            if !steer(world, &line.name, &mut args, &mut out)? {
                let id = node(&mut args)?;
                let command = self.stage.command(&line.name, &mut args)?;
                world.ask(id, command);
            }
        }
        args.reject_next()?;
        let world = self.world.as_mut().ok_or("a script begins with its nodes")?;
        tell(world, &mut out);
        if let Some(sentence) = world.violation.take() {
            writeln!(out, "VIOLATION: {sentence}")?;
        }
        Ok(out)
    }
}

/// Runs every script of a folder.
pub fn run_all<S: Stage + Default>(folder: &str, at_least: usize) {
    let folder = format!("{}/tests/{folder}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).expect("the scripts are beside the tests");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(paths.len() >= at_least, "expected {at_least} scripts, found {}", paths.len());
    for path in paths {
        let mut script = Script { stage: S::default(), world: None };
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// What steers any world; no if the line is not of that kind.
fn steer<M: Words>(
    world: &mut World<M>,
    name: &str,
    args: &mut ArgumentConsumer,
    out: &mut String,
) -> Outcome<bool> {
    match name {
        "deliver" => deliver(world, args, out)?,
        "drop" => lose(world, args, out)?,
        "isolate" => {
            let id = node(args)?;
            let others: Vec<NodeId> = world.nodes.keys().copied().filter(|other| *other != id).collect();
            world.cut.extend(others.iter().flat_map(|other| [(id, *other), (*other, id)]));
        }
        "heal" => world.cut.clear(),
        "crash" => {
            let keep = args.take_key("keep").unwrap_or("0").parse()?;
            world.crash(node(args)?, keep);
        }
        "wipe" => world.wipe(node(args)?),
        "restart" => world.start(node(args)?),
        "sync" => {
            world.sync(node(args)?);
        }
        "fire" => {
            let id = node(args)?;
            let name = args.next_pos().ok_or("expected a timer")?;
            let timer = M::timer(name).ok_or_else(|| format!("no such timer: {name}"))?;
            if !world.fire(id, timer) {
                return Err(format!("{id} has not armed it").into());
            }
        }
        "status" => {
            for (id, node) in &world.nodes {
                let status = node.machine.as_ref().map_or_else(|| "down".to_owned(), Words::status);
                writeln!(out, "{id} {status}")?;
            }
        }
        "totals" => {
            let forced = world.forced.len();
            writeln!(out, "{} messages, {} writes, {forced} of them forced", world.sent, world.written)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// Delivers what is under way until nothing is; `from`, `to`, `kind` and `count` restrict it.
fn deliver<M: Words>(world: &mut World<M>, args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
    let filter = Filter::take(args)?;
    let mut left = filter.count;
    tell(world, out);
    for _ in 0..DELIVERIES_MAX {
        let place = world.network.iter().position(|flight| filter.fits::<M>(flight));
        let Some(place) = place.filter(|_| left > 0) else { return Ok(()) };
        left -= 1;
        let flight = world.network.remove(place).ok_or("it was there")?;
        let lost = world.cut.contains(&(flight.from, flight.to)) || world.machine(flight.to).is_none();
        writeln!(out, "{}", arrow::<M>(&flight, lost))?;
        world.receive(flight);
        tell(world, out);
    }
    Err("messages beget messages without end".into())
}

fn lose<M: Words>(world: &mut World<M>, args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
    let filter = Filter::take(args)?;
    let mut left = filter.count;
    world.network.retain(|flight| {
        let lost = left > 0 && filter.fits::<M>(flight);
        if lost {
            left -= 1;
            let _ = writeln!(out, "{}", arrow::<M>(flight, true));
        }
        !lost
    });
    Ok(())
}

fn tell<M: Words>(world: &mut World<M>, out: &mut String) {
    for line in world.told.drain(..) {
        let _ = writeln!(out, "    {line}");
    }
}

fn arrow<M: Words>(flight: &Flight<M::Message>, lost: bool) -> String {
    let (name, rest) = M::message(&flight.message);
    let end = if lost { "✕" } else { "▶" };
    format!("{} ─{name}─{end} {}  {rest}", flight.from, flight.to).trim_end().to_owned()
}

struct Filter {
    from: Option<NodeId>,
    to: Option<NodeId>,
    kind: Option<String>,
    count: usize,
}

impl Filter {
    fn take(args: &mut ArgumentConsumer) -> Outcome<Filter> {
        Ok(Filter {
            from: args.take_key("from").map(parse).transpose()?,
            to: args.take_key("to").map(parse).transpose()?,
            kind: args.take_key("kind").map(str::to_owned),
            count: args.take_key("count").map_or(Ok(usize::MAX), str::parse)?,
        })
    }

    fn fits<M: Words>(&self, flight: &Flight<M::Message>) -> bool {
        self.from.is_none_or(|node| flight.from == node)
            && self.to.is_none_or(|node| flight.to == node)
            && self.kind.as_ref().is_none_or(|kind| M::message(&flight.message).0 == *kind)
    }
}

pub fn parse(text: &str) -> Outcome<NodeId> {
    Ok(NodeId(text.trim_start_matches('n').parse()?))
}

pub fn node(args: &mut ArgumentConsumer) -> Outcome<NodeId> {
    parse(args.next_pos().ok_or("expected a node")?)
}

/// Nodes in words: `n1..n3`, or `n1,n4` in quotes.
pub fn nodes(text: &str) -> Outcome<Vec<NodeId>> {
    if let Some((first, last)) = text.split_once("..") {
        return Ok((parse(first)?.0..=parse(last)?.0).map(NodeId).collect());
    }
    text.split(',').filter(|part| !part.is_empty()).map(parse).collect()
}
