//! The survey's ring 8, 14, 21, 42, 56 with identifiers of six bits: its fingers, its lookup of key 50, and what joins and failures do to it.

use std::error::Error;
use std::fmt::Write as _;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command as Line};
use synod_machine::RequestId;

use super::world::Flight;
use super::*;

const BITS: u32 = 6;
const SUCCESSORS: usize = 2;
/// The keys of the scripts: a question for the way to any other is a finger's.
const KEYS: [u64; 2] = [44, 50];

type Outcome<T> = Result<T, Box<dyn Error>>;

struct Script {
    world: World<Chord>,
    /// Show messages of stabilization and fingers as well.
    chatter: bool,
    replies: usize,
    events: usize,
}

impl goldenscript::Runner for Script {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &goldenscript::Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        match line.name.as_str() {
            "ring" => {
                let ids = numbers(&mut args)?;
                self.world = founded(1, BITS, SUCCESSORS, &ids);
                (self.replies, self.events) = (self.world.replies.len(), self.world.events.len());
            }
            "fingers" => self.fingers(number(&mut args)?, &mut out)?,
            "show" => self.show(&mut out)?,
            "lookup" | "get" | "put" => self.ask(&line.name, &mut args, &mut out)?,
            "join" => {
                let (id, contact) = (number(&mut args)?, args.take_key("through").unwrap_or("8").parse()?);
                join(&mut self.world, id, BITS, SUCCESSORS, &[contact], Flaws::default());
                self.chatter = true;
                self.until(&mut out, |world| {
                    world.machine(NodeId(id)).is_some_and(|chord| chord.owned_after().is_some())
                })?;
            }
            "leave" => {
                let request = self.world.command(NodeId(number(&mut args)?), Command::Leave);
                self.until_answered(request, &mut out)?;
            }
            "crash" => self.world.crash(NodeId(number(&mut args)?)),
            "pass" => self.world.run(Duration::from_millis(number(&mut args)?), |_| ()),
            "ideal" => writeln!(
                out,
                "{}",
                members(&self.world).ideal().map_or_else(|disorder| disorder.sentence, |()| "yes".into())
            )?,
            other => return Err(format!("no such command: {other}").into()),
        }
        args.reject_next()?;
        self.tell(&mut out)?;
        Ok(out)
    }
}

impl Script {
    fn ask(&mut self, name: &str, args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
        let (at, key) = (NodeId(number(args)?), Identifier(number(args)?));
        let command = match name {
            "put" => Command::Put { key, value: Bytes::from(args.next_pos().unwrap_or("data").to_owned()) },
            "get" => Command::Get { key },
            _ if args.take_key("manner") == Some("recursive") => {
                Command::Lookup { key, manner: Manner::Recursive }
            }
            _ => Command::Lookup { key, manner: Manner::Iterative },
        };
        self.chatter = false;
        let request = self.world.command(at, command);
        self.until_answered(request, out)
    }

    fn until_answered(&mut self, request: RequestId, out: &mut String) -> Outcome<()> {
        self.until(out, |world| world.reply(request).is_some())
    }

    fn until(&mut self, out: &mut String, done: impl Fn(&World<Chord>) -> bool) -> Outcome<()> {
        while !done(&self.world) {
            let happened = self.world.next().ok_or("nothing happens any more")?;
            if let Some(flight) = happened
                && (self.chatter || !is_chatter(&flight))
            {
                writeln!(out, "{} ─{}─▶ {}", flight.from, words(&flight.message), flight.to)?;
            }
        }
        Ok(())
    }

    fn tell(&mut self, out: &mut String) -> Outcome<()> {
        for (_, node, _, reply) in &self.world.replies[self.replies..] {
            let text = match reply {
                Reply::Found(found) => format!(
                    "key {} is at n{}, after n{}; {} on the way, {} dead",
                    found.key, found.owner.id, found.predecessor.id, found.hops, found.timeouts
                ),
                Reply::Value(Some(value)) => format!("value {}", String::from_utf8_lossy(value)),
                other => format!("{other:?}"),
            };
            writeln!(out, "{node} answers: {text}")?;
        }
        for (node, event) in &self.world.events[self.events..] {
            writeln!(out, "{node}: {event:?}")?;
        }
        (self.replies, self.events) = (self.world.replies.len(), self.world.events.len());
        Ok(())
    }

    fn fingers(&self, id: u64, out: &mut String) -> Outcome<()> {
        let chord = self.world.machine(NodeId(id)).ok_or("no such node")?;
        for (index, finger) in chord.table().fingers().iter().enumerate() {
            let start = chord.config().ring.finger_start(chord.me().id, index as u32);
            let name = finger.map_or("-".to_owned(), |peer| peer.node.to_string());
            writeln!(out, "{id} + 2^{index} = {start}: {name}")?;
        }
        Ok(())
    }

    fn show(&self, out: &mut String) -> Outcome<()> {
        for (node, chord) in self.world.machines().filter(|(_, chord)| chord.is_member()) {
            let table = chord.table();
            let successors: Vec<String> =
                table.successors().iter().map(|peer| peer.node.to_string()).collect();
            let before = table.predecessor().map_or("-".to_owned(), |peer| peer.node.to_string());
            let keys: Vec<String> = chord.store().keys().map(ToString::to_string).collect();
            writeln!(
                out,
                "{node}: before {before}, after {}, keys [{}]",
                successors.join(" "),
                keys.join(" ")
            )?;
        }
        Ok(())
    }
}

/// Stabilization and fingers go on all the time; a lookup's story is told without them.
fn is_chatter(flight: &Flight<Chord>) -> bool {
    match &flight.message {
        Message::Ask { question: Question::Neighbours, .. } | Message::Notify { .. } => true,
        Message::Ask { question: Question::Route { key, joining: None }, .. } => !KEYS.contains(&key.0),
        Message::Answer { answer: Answer::Neighbours { .. } | Answer::Advice(_), .. } => true,
        _ => false,
    }
}

fn words(message: &Message) -> String {
    match message {
        Message::Ask { question, .. } => match question {
            Question::Neighbours => "neighbours?".into(),
            Question::Route { key, joining: None } => format!("way to {key}?"),
            Question::Route { key, joining: Some(_) } => format!("way to {key}? I join"),
            Question::Forward { key, .. } => format!("find {key}"),
            Question::Put { key, value } => format!("put {key}={}", String::from_utf8_lossy(value)),
            Question::Get { key } => format!("get {key}"),
            Question::Take { keys, .. } => {
                let keys: Vec<String> = keys.iter().map(|(key, _)| key.to_string()).collect();
                format!("take [{}]", keys.join(" "))
            }
        },
        Message::Answer { answer, .. } => match answer {
            Answer::Neighbours { predecessor, successors } => {
                let before = predecessor.map_or("-".to_owned(), |peer| peer.id.to_string());
                let after: Vec<String> = successors.iter().map(|peer| peer.id.to_string()).collect();
                format!("before {before}, after {}", after.join(" "))
            }
            Answer::Advice(advice) => {
                let ids = |peers: &[Peer]| {
                    peers.iter().map(|peer| peer.id.to_string()).collect::<Vec<_>>().join(" ")
                };
                format!("nearer [{}], after [{}]", ids(&advice.preceding), ids(&advice.successors))
            }
            other => format!("{other:?}").to_lowercase(),
        },
        Message::Notify { wants_keys: true, .. } => "notify, wants keys".into(),
        Message::Notify { .. } => "notify".into(),
        Message::Arrived { found, .. } => format!("{} is at {}", found.key, found.owner.id),
    }
}

fn number(args: &mut ArgumentConsumer) -> Outcome<u64> {
    Ok(args.next_pos().ok_or("expected an identifier")?.trim_start_matches('n').parse()?)
}

fn numbers(args: &mut ArgumentConsumer) -> Outcome<Vec<u64>> {
    let mut ids = Vec::new();
    while let Some(text) = args.next_pos() {
        ids.push(text.trim_start_matches('n').parse()?);
    }
    Ok(ids)
}

#[test]
fn survey_figure() {
    let world = World::new(1);
    let mut script = Script { world, chatter: false, replies: 0, events: 0 };
    goldenscript::run(&mut script, "tests/chord/scripts/survey_figure").expect("the output as committed");
}
