//! Golden scripts: a group steered by hand, in words. The files beside this one are the documentation of how members behave; run the
//! tests with `UPDATE_GOLDENFILES=1` to write their output anew, and read what changed.
//!
//! An arrow is a message at its receipt: `n1 ─ping─▶ n2`; `✕` is one that was lost. Lines without an arrow are what a member tells its embedder.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command as Line, Context};
use synod_machine::*;
use synod_protocols::failure::swim::*;

use crate::group::{Group, Seen};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Messages delivered by one command; what needs more does not end.
const DELIVERIES_MAX: usize = 400;

struct Script {
    group: Group,
    config: Config,
}

impl goldenscript::Runner for Script {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        self.command(&line.name, &mut args, &mut out)?;
        args.reject_next()?;
        self.tell(&mut out);
        if let Some(sentence) = self.group.violation.take() {
            writeln!(out, "VIOLATION: {sentence}")?;
        }
        Ok(out)
    }
}

impl Script {
    fn command(&mut self, name: &str, args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
        match name {
            "group" => self.found(args)?,
            "join" => {
                let (id, seed) = (node(args)?, node(args)?);
                self.group.add(id, self.config.clone(), vec![], vec![seed]);
            }
            "probe" => self.probe(node(args)?, node(args)?),
            "fire" => {
                let (id, timer) = (node(args)?, timer(args)?);
                if !self.group.fire(id, timer) {
                    return Err(format!("{timer:?} is not armed at {id}").into());
                }
            }
            "lots" => {
                let id = node(args)?;
                let lots = &mut self.group.nodes.get_mut(&id).ok_or("no such node")?.lots.next;
                while let Some(lot) = args.next_pos() {
                    lots.push_back(lot.parse()?);
                }
            }
            "deliver" => self.deliver(out)?,
            "mute" => {
                self.group.mute.insert(node(args)?);
            }
            "unmute" => {
                self.group.mute.remove(&node(args)?);
            }
            "crash" => self.group.crash(node(args)?),
            "restart" => self.group.start(node(args)?),
            "leave" => self.group.command(node(args)?, Command::Leave),
            "say" => {
                let (id, text) = (node(args)?, args.next_pos().ok_or("expected a text")?.to_owned());
                self.group.command(id, Command::SetMetadata(Bytes::from(text)));
            }
            "pass" => {
                let milliseconds = args.next_pos().ok_or("expected milliseconds")?.parse()?;
                self.group.now = self.group.now + Duration::from_millis(milliseconds);
            }
            "status" => self.status(out)?,
            other => return Err(format!("no such command: {other}").into()),
        }
        Ok(())
    }

    fn found(&mut self, args: &mut ArgumentConsumer) -> Outcome<()> {
        self.group = Group::new(None);
        let mut config = Config { order: ProbeOrder::Random, sync_interval: None, ..Config::paper() };
        while let Some((key, value)) = args.next_key() {
            match key {
                "helpers" => config.helpers = value.parse()?,
                "suspicion" => config.suspicion = value == "yes",
                "gossip" if value == "yes" => config.gossip = Config::default().gossip,
                "lifeguard" => {
                    for part in value.split(',') {
                        match part {
                            "probe" => config.lifeguard.probe = true,
                            "suspicion" => config.lifeguard.suspicion = true,
                            "buddy" => config.lifeguard.buddy = true,
                            other => return Err(format!("no such part of Lifeguard: {other}").into()),
                        }
                    }
                }
                "flaw" => match value {
                    "refute_without_incarnation" => config.flaws.refute_without_incarnation = true,
                    "forgetful_incarnation" => config.flaws.forgetful_incarnation = true,
                    other => return Err(format!("no such flaw: {other}").into()),
                },
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        let mut all = Vec::new();
        while let Some(text) = args.next_pos() {
            all.push(parse_node(text)?);
        }
        for id in &all {
            self.group.add(*id, config.clone(), all.clone(), vec![]);
        }
        self.config = config;
        self.settle(&all)
    }

    /// Everybody hears everybody's first word, until it is no news any more: scripts begin with what they are about.
    fn settle(&mut self, all: &[NodeId]) -> Outcome<()> {
        for round in 0..DELIVERIES_MAX {
            let is_news =
                |id: &NodeId| self.group.nodes[id].swim.as_ref().is_some_and(|s| !s.rumours().is_empty());
            if !all.iter().any(is_news) {
                self.group.seen.clear();
                self.group.now = Mono::from_start(Duration::from_secs(100));
                return Ok(());
            }
            for (place, id) in all.iter().enumerate() {
                let next = all[(place + 1 + round % (all.len() - 1)) % all.len()];
                self.probe(*id, next);
                self.deliver(&mut String::new())?;
            }
        }
        Err("the first words do not settle".into())
    }

    /// The next period of `id`, in which it probes `target`.
    fn probe(&mut self, id: NodeId, target: NodeId) {
        let Some(node) = self.group.nodes.get_mut(&id) else { return };
        let seat = node.table.iter().position(|known| *known == target).unwrap_or(0);
        node.lots.next.push_front(seat as u32);
        self.group.fire(id, Timer::Period);
    }

    fn deliver(&mut self, out: &mut String) -> Outcome<()> {
        for _ in 0..DELIVERIES_MAX {
            let Some((flight, arrived)) = self.group.deliver(0) else { return Ok(()) };
            let (from, to) = (flight.from, flight.to);
            let (kind, text) = message_text(&flight.message);
            let arrow = if arrived { format!("─{kind}─▶") } else { format!("─{kind}─✕") };
            writeln!(out, "{}", format!("{from} {arrow} {to}  {text}").trim_end())?;
            self.tell(out);
        }
        Err("too many messages: it does not end".into())
    }

    fn tell(&mut self, out: &mut String) {
        for seen in self.group.seen.drain(..) {
            let line = match seen {
                Seen::Event(id, event) => format!("    {id} {}", event_text(&event)),
                Seen::Reply(id, reply) => format!("    {id} answers {reply:?}"),
            };
            out.push_str(&line);
            out.push('\n');
        }
    }

    fn status(&self, out: &mut String) -> Outcome<()> {
        for (id, node) in &self.group.nodes {
            let Some(swim) = &node.swim else {
                writeln!(out, "{id} down")?;
                continue;
            };
            let mut members: Vec<&Member> = swim.table().members().collect();
            members.sort_by_key(|member| member.node);
            let members: Vec<String> = members.iter().map(|member| member_text(member)).collect();
            let waits: Vec<String> = swim
                .suspicions()
                .iter()
                .map(|(node, suspicion)| format!("{node} {:?}", suspicion.wait()))
                .collect();
            let waits =
                if waits.is_empty() { String::new() } else { format!("; waits for {}", waits.join(", ")) };
            let doubts = swim.health().doubts();
            let health = if doubts == 0 { String::new() } else { format!("; local health {doubts}") };
            writeln!(out, "{id} in {}: {}{waits}{health}", swim.incarnation(), members.join(", "))?;
        }
        Ok(())
    }
}

fn parse_node(text: &str) -> Outcome<NodeId> {
    let number = text.strip_prefix('n').ok_or_else(|| format!("expected a node such as n1, found {text}"))?;
    Ok(NodeId(number.parse()?))
}

fn node(args: &mut ArgumentConsumer) -> Outcome<NodeId> {
    parse_node(args.next_pos().ok_or("expected a node")?)
}

fn timer(args: &mut ArgumentConsumer) -> Outcome<Timer> {
    Ok(match args.next_pos().ok_or("expected a timer")? {
        "period" => Timer::Period,
        "direct" => Timer::Direct,
        "gossip" => Timer::Gossip,
        "sync" => Timer::Sync,
        "leave" => Timer::Leave,
        "suspicion" => Timer::Suspicion(node(args)?),
        other => return Err(format!("no such timer: {other}").into()),
    })
}

fn member_text(member: &Member) -> String {
    let state = match member.state {
        State::Alive => "alive",
        State::Suspect => "suspect",
        State::Failed => "failed",
        State::Left => "left",
    };
    let said = String::from_utf8_lossy(&member.metadata);
    let said = if said.is_empty() { String::new() } else { format!(" \"{said}\"") };
    format!("{} {state} {}{said}", member.node, member.incarnation)
}

fn rumour_text(rumour: &Rumour) -> String {
    let (node, incarnation) = (rumour.node, rumour.incarnation);
    match &rumour.claim {
        Claim::Alive { metadata } if metadata.is_empty() => format!("{node} alive {incarnation}"),
        Claim::Alive { metadata } => {
            format!("{node} alive {incarnation} \"{}\"", String::from_utf8_lossy(metadata))
        }
        Claim::Suspect { by } => format!("{node} suspect {incarnation} by {by}"),
        Claim::Failed { by } => format!("{node} failed {incarnation} by {by}"),
        Claim::Left => format!("{node} left {incarnation}"),
    }
}

fn message_text(message: &Message) -> (&'static str, String) {
    let news = |rumours: &[Rumour]| match rumours {
        [] => String::new(),
        _ => format!("[{}]", rumours.iter().map(rumour_text).collect::<Vec<_>>().join(", ")),
    };
    match message {
        Message::Ping { rumours, .. } => ("ping", news(rumours)),
        Message::PingRequest { target, rumours, .. } => ("ping-req", format!("({target}) {}", news(rumours))),
        Message::Ack { rumours, .. } => ("ack", news(rumours)),
        Message::Nack { .. } => ("nack", String::new()),
        Message::Gossip { rumours } => ("gossip", news(rumours)),
        Message::Sync { members, reply } => {
            let all: Vec<String> = members.iter().map(member_text).collect();
            ("sync", format!("[{}]{}", all.join(", "), if *reply { " and yours?" } else { "" }))
        }
    }
}

fn event_text(event: &Event) -> String {
    match event {
        Event::Joined(node) => format!("sees {node} join"),
        Event::Suspected(node) => format!("suspects {node}"),
        Event::Refuted(node) => format!("hears {node} refute"),
        Event::Failed(node) => format!("takes {node} for failed"),
        Event::Left(node) => format!("sees {node} leave"),
        Event::Changed(node) => format!("hears {node} say something else"),
    }
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/swim/scripts");
    let files = std::fs::read_dir(folder).expect("the scripts are beside the tests");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(paths.len() >= 9, "expected the scripts, found {}", paths.len());
    for path in paths {
        let mut script = Script { group: Group::new(None), config: Config::default() };
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
