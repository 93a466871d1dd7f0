//! Golden scripts: the survey's five copies, what a write-back is for, siblings, and hints.

use goldenscript::ArgumentConsumer;
use synod_machine::{Never, NodeId};
use synod_protocols::clocks::VersionVector;
use synod_protocols::replication::quorum::*;
use synod_protocols::routing::hash_ring::{self, HashRing, Member};

use crate::world::script::{Outcome, Stage, run_all};
use crate::world::{Words, World};

/// All scripts are about one key, whose nodes are the first of the cluster.
const KEY: Key = Key(1);

impl Words for Quorum {
    fn message(message: &Message) -> (String, String) {
        let (kind, rest) = match message {
            Message::Fetch { .. } => ("fetch", String::new()),
            Message::Fetched { copy, .. } => ("fetched", words(copy)),
            Message::Store { copy, owner: Some(owner), .. } => {
                ("store", format!("{} for {owner}", words(copy)))
            }
            Message::Store { copy, serial: None, .. } => ("repair", words(copy)),
            Message::Store { copy, .. } => ("store", words(copy)),
            Message::Stored { .. } => ("stored", String::new()),
            Message::Offer { copy, .. } => ("offer", words(copy)),
            Message::Taken { .. } => ("taken", String::new()),
        };
        (kind.to_owned(), rest)
    }

    fn reply(reply: &Reply) -> String {
        match reply {
            Reply::Values { values, .. } => {
                let values: Vec<_> =
                    values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect();
                format!("v={}", values.join(" and v="))
            }
            Reply::Written { dot: Some(dot) } => format!("written as {dot}"),
            Reply::Written { dot: None } => "written".to_owned(),
            other => format!("{other:?}"),
        }
    }

    fn event(event: &Never) -> String {
        match *event {}
    }

    fn write(record: &Record) -> String {
        match record {
            Record::Copy { copy, .. } => words(copy),
            Record::Hint { owner, copy, .. } => format!("{} for {owner}", words(copy)),
            other => format!("{other:?}"),
        }
    }

    fn timer(name: &str) -> Option<Timer> {
        match name.split_once('-') {
            Some(("again", serial)) => Some(Timer::Again(Serial(serial.parse().ok()?))),
            Some(("give", serial)) => Some(Timer::GiveUp(Serial(serial.parse().ok()?))),
            _ => (name == "offer").then_some(Timer::Offer),
        }
    }

    fn status(&self) -> String {
        self.copy(KEY).map_or("nothing".to_owned(), words)
    }
}

fn words(copy: &Copy) -> String {
    match copy {
        Copy::Nothing => "nothing".to_owned(),
        Copy::Tagged { tag, value } => format!("v={} ts={}", String::from_utf8_lossy(value), tag.counter),
        Copy::Siblings(siblings) => {
            let each =
                siblings.iter().map(|(dot, value)| format!("v={} at {dot}", String::from_utf8_lossy(value)));
            each.collect::<Vec<_>>().join(" and ")
        }
    }
}

#[derive(Default)]
struct Copies;

impl Stage for Copies {
    type Machine = Quorum;

    fn found(&mut self, args: &mut ArgumentConsumer) -> Outcome<World<Quorum>> {
        let mut config = Config::default();
        let mut nodes = 0;
        while let Some((key, value)) = args.next_key() {
            match key {
                "count" => nodes = value.parse()?,
                "n" => config.copies = value.parse()?,
                "r" => config.read = value.parse()?,
                "w" => config.write = value.parse()?,
                "write_back" => config.write_back = value == "yes",
                "repair" => config.read_repair = value == "yes",
                "sloppy" => config.sloppy = value == "yes",
                "versions" if value == "vectors" => config.versions = Versions::Vectors,
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        let ids = (1..=nodes).map(NodeId);
        let mut ring = HashRing::new(hash_ring::Config::default());
        for node in ids.clone() {
            ring.insert(node, Member { weight: 1, zone: node.0 });
        }
        Ok(World::new(
            ids,
            move |node| Quorum::new(node, ring.clone(), config.clone()),
            Box::new(|_, _, _| Ok(())),
        ))
    }

    fn command(&mut self, name: &str, args: &mut ArgumentConsumer) -> Outcome<Command> {
        match name {
            "read" => Ok(Command::Read { key: KEY }),
            "write" => {
                let value = args.next_pos().ok_or("expected a value")?.to_owned().into();
                Ok(Command::Write { key: KEY, value, seen: VersionVector::new() })
            }
            other => Err(format!("no such command: {other}").into()),
        }
    }
}

#[test]
fn scripts() {
    run_all::<Copies>("quorum/scripts", 1);
}
