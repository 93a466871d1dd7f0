//! Golden scripts: a cluster steered by hand, in words. The files beside this one are the documentation of how the group behaves; run the
//! tests with `UPDATE_GOLDENFILES=1` to write their output anew, and read what changed.
//!
//! An arrow is a message at its receipt: `n1 ─append─▶ n2`; `✕` is one that was lost. Lines without an arrow are what a node tells its embedder.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use goldenscript::{ArgumentConsumer, Command as Line, Context};
use synod_machine::*;
use synod_protocols::consensus::raft::*;

use crate::cluster::{Cluster, Flight, Seen};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Messages delivered by one command; what needs more does not end.
const DELIVERIES_MAX: usize = 400;

struct Script {
    cluster: Cluster,
    requests: u64,
}

impl goldenscript::Runner for Script {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        self.command(&line.name, &mut args, &mut out)?;
        args.reject_next()?;
        self.tell(&mut out);
        if let Some(sentence) = self.cluster.violation.take() {
            writeln!(out, "VIOLATION: {sentence}")?;
        }
        Ok(out)
    }
}

impl Script {
    fn command(&mut self, name: &str, args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
        match name {
            "cluster" => self.found(args)?,
            "join" => {
                let (id, config) = (node(args)?, self.any_config());
                self.cluster.add(id, config, Configuration::default());
            }
            "campaign" => self.campaign(node(args)?)?,
            "deliver" => self.deliver(args, out)?,
            "drop" => self.lose(args, out)?,
            "isolate" => {
                let id = node(args)?;
                let others: Vec<NodeId> = self.cluster.nodes.keys().copied().filter(|n| *n != id).collect();
                self.cluster.cut.extend(others.iter().flat_map(|other| [(id, *other), (*other, id)]));
            }
            "cut" => {
                let (from, to) = (node(args)?, node(args)?);
                self.cluster.cut.insert((from, to));
            }
            "heal" => self.cluster.cut.clear(),
            "crash" => {
                let keep = args.take_key("keep").unwrap_or("0").parse()?;
                self.cluster.crash(node(args)?, keep);
            }
            "restart" => self.cluster.start(node(args)?),
            "sync" => {
                self.cluster.sync(node(args)?);
            }
            "work" => {
                self.cluster.work(node(args)?);
            }
            "persist" => self.cluster.persist(node(args)?),
            "compact" => self.cluster.compact(node(args)?),
            "link" => {
                let (id, peer) = (node(args)?, node(args)?);
                let up = args.next_pos() == Some("up");
                self.cluster.step(id, Input::Link { peer, up });
            }
            "pass" => self.cluster.pass(Duration::from_millis(args.next_pos().unwrap_or("0").parse()?)),
            "fire" => self.fire(args)?,
            "due" => {
                let (id, timer) = (node(args)?, timer(args)?);
                let due = self.cluster.nodes.get(&id).and_then(|node| node.timers.get(&timer));
                let left = due.ok_or("it is not armed")?.1.since(self.cluster.now);
                writeln!(out, "{id} has {timer:?} due in {left:?}")?;
            }
            "credit" => self.cluster.credit_bytes = args.next_pos().unwrap_or("0").parse()?,
            "spoil" => {
                let id = node(args)?;
                self.cluster.nodes.get_mut(&id).ok_or("no such node")?.machine.spoils_next = true;
            }
            "renew" => self.cluster.renew(node(args)?),
            "remember" => {
                let (id, term) = (node(args)?, args.take_key("term").ok_or("expected term=")?.parse()?);
                // As the figure draws it: the term of each entry, a digit each.
                let digits = args.take_key("log").unwrap_or("").chars();
                let terms = digits.map(|digit| digit.to_digit(10).map(u64::from).ok_or("expected digits"));
                self.cluster.remember(id, &terms.collect::<Result<Vec<u64>, _>>()?, term);
            }
            "disk" => self.disk(node(args)?, out)?,
            "status" => self.status(out)?,
            "log" => self.log(args, out)?,
            _ => self.ask(name, args)?,
        }
        Ok(())
    }

    /// What clients and operators ask.
    fn ask(&mut self, name: &str, args: &mut ArgumentConsumer) -> Outcome<()> {
        let id = node(args)?;
        let command = match name {
            "propose" => match args.next_pos() {
                Some(text) => {
                    let mut batch = vec![Bytes::from(text.to_owned())];
                    while let Some(text) = args.next_pos() {
                        batch.push(Bytes::from(text.to_owned()));
                    }
                    if batch.len() == 1 {
                        Command::Propose(batch.remove(0))
                    } else {
                        Command::ProposeBatch(batch)
                    }
                }
                // `propose n1 x=5` reads as a key with a value.
                None => {
                    let (key, value) = args.next_key().ok_or("expected a command")?;
                    Command::Propose(Bytes::from(format!("{key}={value}")))
                }
            },
            "propose_in_term" => {
                let term = Term(args.next_pos().ok_or("expected a term")?.parse()?);
                Command::ProposeInTerm(
                    term,
                    Bytes::from(args.next_pos().ok_or("expected a command")?.to_owned()),
                )
            }
            "read" => Command::ReadIndex,
            "transfer" => Command::Transfer(node(args)?),
            "configure" => {
                let voters = set(args.take_key("voters").unwrap_or(""))?;
                Command::Configure { voters, learners: set(args.take_key("learners").unwrap_or(""))? }
            }
            other => return Err(format!("no such command: {other}").into()),
        };
        self.requests += 1;
        self.cluster.step(id, Input::Command { id: RequestId(self.requests), command });
        Ok(())
    }

    fn found(&mut self, args: &mut ArgumentConsumer) -> Outcome<()> {
        self.cluster = Cluster::new();
        let mut config = Config { retained_entries_max: 0, ..Config::default() };
        while let Some((key, value)) = args.next_key() {
            match key {
                "quiesce" => config.quiesce = value == "yes",
                "at_rest_ms" => config.heartbeat_at_rest = Some(Duration::from_millis(value.parse()?)),
                "pre_vote" => config.pre_vote = value == "yes",
                "check_quorum" => config.check_quorum = value == "yes",
                "append_bytes" => config.append_bytes_max = value.parse()?,
                "inflight" => config.inflight_messages_max = value.parse()?,
                "lease_ppm" => config.lease_drift_ppm = Some(value.parse()?),
                "uncommitted" => config.uncommitted_bytes_max = value.parse()?,
                "reads" => config.reads_max = value.parse()?,
                "retained" => config.retained_entries_max = value.parse()?,
                "sync" => self.cluster.sync_at_once = value != "manual",
                "work" => self.cluster.work_at_once = value != "manual",
                "flaw" => match value {
                    "commit_older_term" => config.flaws.commit_older_term = true,
                    "read_without_quorum" => config.flaws.read_without_quorum = true,
                    "read_joins_question" => config.flaws.read_joins_question = true,
                    "lease_ignores_drift" => config.flaws.lease_ignores_drift = true,
                    "lease_survives_transfer" => config.flaws.lease_survives_transfer = true,
                    other => return Err(format!("no such flaw: {other}").into()),
                },
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        let mut voters = BTreeSet::new();
        while let Some(text) = args.next_pos() {
            voters.insert(parse(text)?);
        }
        for id in &voters {
            self.cluster.add(*id, config.clone(), Configuration::of(voters.clone()));
        }
        self.cluster.seen.clear();
        Ok(())
    }

    fn any_config(&self) -> Config {
        self.cluster.nodes.values().next().map(|node| node.config.clone()).unwrap_or_default()
    }

    /// Lets a node's patience run out: fires its election deadline until it stands or asks.
    fn campaign(&mut self, id: NodeId) -> Outcome<()> {
        let before = self.cluster.raft(id).map(|raft| (raft.role(), raft.term()));
        for _ in 0..4 {
            if !self.cluster.fire(id, Timer::Election) {
                return Err(format!("{id} waits for no election").into());
            }
            let after = self.cluster.raft(id).map(|raft| (raft.role(), raft.term()));
            if after != before || before.is_some_and(|(role, _)| role != Role::Follower) {
                break;
            }
        }
        Ok(())
    }

    fn fire(&mut self, args: &mut ArgumentConsumer) -> Outcome<()> {
        let (id, timer) = (node(args)?, timer(args)?);
        if self.cluster.fire(id, timer) { Ok(()) } else { Err(format!("{id} has not armed it").into()) }
    }

    /// Delivers what is under way until nothing is; `from`, `to` and `count` restrict it.
    fn deliver(&mut self, args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
        let (from, to, mut count) = filter(args)?;
        self.tell(out);
        for _ in 0..DELIVERIES_MAX {
            let fits = |f: &Flight| from.is_none_or(|n| f.from == n) && to.is_none_or(|n| f.to == n);
            let Some(place) = self.cluster.network.iter().position(fits) else { return Ok(()) };
            if count == 0 {
                return Ok(());
            }
            count -= 1;
            let flight = self.cluster.network.remove(place).ok_or("it was there")?;
            let cut = self.cluster.cut.contains(&(flight.from, flight.to));
            let down = self.cluster.raft(flight.to).is_none();
            writeln!(out, "{}", arrow(&flight, cut || down))?;
            self.cluster.receive(flight);
            self.tell(out);
        }
        Err("messages beget messages without end".into())
    }

    fn lose(&mut self, args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
        let (from, to, mut count) = filter(args)?;
        self.cluster.network.retain(|f| {
            let lost = count > 0 && from.is_none_or(|n| f.from == n) && to.is_none_or(|n| f.to == n);
            if lost {
                count -= 1;
                let _ = writeln!(out, "{}", arrow(f, true));
            }
            !lost
        });
        Ok(())
    }

    /// What nodes told their embedders and clients since the last look.
    fn tell(&mut self, out: &mut String) {
        for seen in std::mem::take(&mut self.cluster.seen) {
            let line = match seen {
                Seen::Reply(_, RequestId(0), _) => continue,
                Seen::Reply(node, id, reply) => {
                    format!("{node} answers request {}: {}", id.0, reply_text(&reply))
                }
                Seen::Event(node, event) => format!("{node} {}", event_text(&event)),
                Seen::Note(
                    node,
                    name @ ("raft.resend" | "raft.quiesced" | "raft.woken" | "raft.vote_withheld"
                    | "raft.quorum_lost" | "raft.truncated" | "raft.nonsense" | "raft.suspected"
                    | "raft.no_credit" | "raft.overloaded"),
                    value,
                ) => {
                    format!("{node} notes {name} {value}")
                }
                Seen::Note(..) => continue,
            };
            out.push_str("    ");
            out.push_str(&line);
            out.push('\n');
        }
    }

    fn status(&mut self, out: &mut String) -> Outcome<()> {
        for (id, node) in &self.cluster.nodes {
            match &node.raft {
                None => writeln!(out, "{id} down")?,
                Some(raft) => writeln!(
                    out,
                    "{id} {:?} term {} commit {} last {}@{} durable {}{} | {}",
                    raft.role(),
                    raft.term().0,
                    raft.commit().0,
                    raft.last_index().0,
                    raft.log().last().term.0,
                    raft.durable_index().0,
                    if raft.is_quiescent() { " at rest" } else { "" },
                    node.machine.commands.iter().map(text).collect::<Vec<_>>().join(" "),
                )?,
            }
        }
        Ok(())
    }

    /// What a node would start from.
    fn disk(&mut self, id: NodeId, out: &mut String) -> Outcome<()> {
        for (ticket, write) in &self.cluster.nodes.get(&id).ok_or("no such node")?.disk.writes {
            let text = match write {
                Write::Vote { term, vote: Some(vote) } => format!("in term {} voted for {vote}", term.0),
                Write::Vote { term, vote: None } => format!("in term {}", term.0),
                Write::Append(entries) => entries.iter().map(entry_text).collect::<Vec<_>>().join(" "),
                Write::Base(point) => format!("log begins after {}@{}", point.index.0, point.term.0),
                Write::Reset(point) => format!("log begins anew after {}@{}", point.index.0, point.term.0),
            };
            writeln!(out, "{}: {text}", ticket.0)?;
        }
        Ok(())
    }

    fn log(&mut self, args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
        let only = args.next_pos().map(parse).transpose()?;
        for (id, node) in &self.cluster.nodes {
            let Some(raft) = node.raft.as_ref().filter(|_| only.is_none_or(|only| only == *id)) else {
                continue;
            };
            let log = raft.log();
            let entries: Vec<String> =
                log.range(log.base().index, log.last().index).map(entry_text).collect();
            writeln!(out, "{id} after {}: {}", log.base().index.0, entries.join(" "))?;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Outcome<NodeId> {
    Ok(NodeId(text.trim_start_matches('n').parse()?))
}

fn timer(args: &mut ArgumentConsumer) -> Outcome<Timer> {
    Ok(match args.next_pos() {
        Some("election") => Timer::Election,
        Some("heartbeat") => Timer::Heartbeat,
        Some("check") => Timer::CheckQuorum,
        Some("transfer") => Timer::Transfer,
        Some("read") => Timer::Read,
        Some("retry") => Timer::Retry(node(args)?),
        other => return Err(format!("no such timer: {other:?}").into()),
    })
}

fn node(args: &mut ArgumentConsumer) -> Outcome<NodeId> {
    parse(args.next_pos().ok_or("expected a node")?)
}

fn set(text: &str) -> Outcome<BTreeSet<NodeId>> {
    text.split(',').filter(|part| !part.is_empty()).map(parse).collect()
}

fn filter(args: &mut ArgumentConsumer) -> Outcome<(Option<NodeId>, Option<NodeId>, usize)> {
    let from = args.take_key("from").map(parse).transpose()?;
    let to = args.take_key("to").map(parse).transpose()?;
    let count = args.take_key("count").map_or(Ok(usize::MAX), str::parse)?;
    Ok((from, to, count))
}

fn arrow(flight: &Flight, lost: bool) -> String {
    let end = if lost { "✕" } else { "▶" };
    format!(
        "{} ─{}─{end} {}  {}",
        flight.from,
        flight.message.name(),
        flight.to,
        message_text(&flight.message)
    )
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `index@term payload`.
fn entry_text(entry: &Entry) -> String {
    let payload = match &entry.payload {
        Payload::Noop => String::from("-"),
        Payload::Command(bytes) => text(bytes),
        Payload::Configuration(c) => configuration_text(c),
    };
    format!("{}@{}:{payload}", entry.index.0, entry.term.0)
}

fn configuration_text(c: &Configuration) -> String {
    let list = |set: &BTreeSet<NodeId>| set.iter().map(NodeId::to_string).collect::<Vec<_>>().join("+");
    let mut all = list(&c.voters);
    if c.is_joint() {
        all = format!("{all} and {}", list(&c.outgoing));
    }
    if !c.learners.is_empty() {
        all = format!("{all}, learning {}", list(&c.learners));
    }
    format!("({all})")
}

fn message_text(message: &Message) -> String {
    let place = |p: &Place| format!("{}@{}", p.index.0, p.term.0);
    let head = format!("term {}", message.term().0);
    let rest = match message {
        Message::Vote { last, transfer, .. } => {
            format!(" last {}{}", place(last), if *transfer { " by the leader's wish" } else { "" })
        }
        Message::Voted { ballot, granted, .. } => {
            format!(" {} for term {}", if *granted { "yes" } else { "no" }, ballot.0)
        }
        Message::Append { previous, entries, commit, .. } => {
            let entries: Vec<String> = entries.iter().map(entry_text).collect();
            format!(" after {} [{}] commit {}", place(previous), entries.join(" "), commit.0)
        }
        Message::Appended { matched, .. } => format!(" up to {}", matched.0),
        Message::Rejected { previous, hint, .. } => format!(" no {}, try {}", previous.0, place(hint)),
        Message::Heartbeat { commit, round, quiesce, .. } => {
            format!(" commit {} round {round}{}", commit.0, if *quiesce { " rest" } else { "" })
        }
        Message::Alive { round, .. } => format!(" round {round}"),
        Message::Committed { commit, .. } => format!(" commit {}", commit.0),
        Message::ReadAnswer { index, .. } => format!(" at {}", index.0),
        Message::Snapshot { point, chunk, .. } => {
            let whole = if chunk.next.is_none() { "last piece" } else { "a piece" };
            format!(" up to {} {whole} from {:?}", point.index.0, &chunk.cursor[..])
        }
        Message::SnapshotProgress { index, next, .. } => match next {
            Some(cursor) => format!(" up to {} wants {:?}", index.0, &cursor[..]),
            None => format!(" up to {} done", index.0),
        },
        Message::ReadRequest { .. } | Message::TimeoutNow { .. } | Message::Outdated { .. } => String::new(),
    };
    head + &rest
}

fn event_text(event: &Event) -> String {
    match event {
        Event::Committed(entries) => {
            format!("commits {}", entries.iter().map(entry_text).collect::<Vec<_>>().join(" "))
        }
        Event::Role { role, term, leader } => {
            let leader = leader.map_or(String::from("nobody"), |leader| leader.to_string());
            format!("is {role:?} in term {}, led by {leader}", term.0)
        }
        Event::Established { index, .. } => format!("is established by entry {}", index.0),
        Event::Restored(point) => format!("is restored to {}", point.index.0),
        Event::Configured(c) => format!("goes by members {}", configuration_text(c)),
    }
}

fn reply_text(reply: &Reply) -> String {
    match reply {
        Reply::Proposed { term, index } => format!("proposed as {}@{}", index.0, term.0),
        Reply::ProposedBatch { term, first, last } => {
            format!("proposed as {}..{}@{}", first.0, last.0, term.0)
        }
        Reply::ReadAt(index) => format!("read at {}", index.0),
        Reply::Completed => String::from("completed"),
        Reply::Refused(refusal) => format!("refused, {refusal:?}"),
    }
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/raft/scripts");
    let files = std::fs::read_dir(folder).expect("the scripts are beside the tests");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(paths.len() >= 15, "expected the scripts, found {}", paths.len());
    for path in paths {
        let mut script = Script { cluster: Cluster::new(), requests: 0 };
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
