//! Golden scripts: rumors told by hand, replicas compared by hand. Run the tests with `UPDATE_GOLDENFILES=1` to write their output anew, and read what
//! changed. An arrow is a message at its receipt, lines that are set in are what a site notices. A random partner is whoever the script says.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command as Line, Context};
use synod_machine::*;
use synod_protocols::gossip::anti_entropy::{Comparison, Message as Exchange};
use synod_protocols::gossip::epidemic::*;
use synod_protocols::gossip::replica::{Entry, EntryVersion};
use synod_protocols::gossip::rumor::{Direction, Policy};

use crate::network::{Network, Seen};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Site = Epidemic<String, String>;

struct Script {
    network: Network<Site>,
}

impl goldenscript::Runner for Script {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        match line.name.as_str() {
            "sites" => self.found(&mut args)?,
            "write" => {
                let at = site(&mut args)?;
                let (key, value) = args.next_key().ok_or("expected key=value")?;
                self.ask(at, Command::Write(key.to_owned(), value.to_owned()));
            }
            "delete" => {
                let at = site(&mut args)?;
                self.ask(at, Command::Delete(args.next_pos().ok_or("expected a key")?.to_owned()));
            }
            "cycle" => self.fire(&mut args, Timer::Rumor)?,
            "compare" => self.fire(&mut args, Timer::AntiEntropy)?,
            "deliver" => self.deliver(&mut out)?,
            "drop" => self.network.flights.clear(),
            "show" => self.show(&mut out)?,
            other => return Err(format!("no such command: {other}").into()),
        }
        args.reject_next()?;
        self.tell(&mut out);
        Ok(out)
    }
}

impl Script {
    fn found(&mut self, args: &mut ArgumentConsumer) -> Outcome<()> {
        let count: u64 = args.next_pos().ok_or("expected a number of sites")?.parse()?;
        let mut base = crate::epidemic::config(0, count);
        base.redistribute = false;
        base.anti_entropy =
            Some(AntiEntropy { direction: Direction::PushPull, comparison: Comparison::Merkle });
        while let Some((key, value)) = args.next_key() {
            match key {
                "k" => base.rumor = Some(Policy::feedback_counter(value.parse()?)),
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        self.network = Network::new(1);
        let machines = (1..=count).map(|id| {
            let peers = (1..=count).filter(|peer| *peer != id).map(NodeId).collect();
            (NodeId(id), Epidemic::new(NodeId(id), Config { peers, ..base.clone() }))
        });
        self.network.start(machines.collect::<Vec<_>>());
        self.network.seen.clear();
        Ok(())
    }

    fn ask(&mut self, at: NodeId, command: Command<String, String>) {
        self.network.step(at, Input::Command { id: RequestId(1), command });
    }

    /// Lets a site's cycle come round, with the partner that the script names: the draw is tried until it is that one.
    fn fire(&mut self, args: &mut ArgumentConsumer, timer: Timer) -> Outcome<()> {
        let (at, partner) = (site(args)?, site(args)?);
        let draw = (0..1_000).find(|seed| {
            let peers = self.network.ids().len() as u64 - 1;
            let place = crate::network::Draw(*seed).below(peers);
            let peers = self.network.ids().into_iter().filter(|peer| *peer != at);
            peers.clone().nth(place as usize) == Some(partner)
        });
        self.network.draw = crate::network::Draw(draw.ok_or("no such partner")?);
        if self.network.fire(at, timer) {
            Ok(())
        } else {
            Err(format!("{at} waits for no such cycle").into())
        }
    }

    fn deliver(&mut self, out: &mut String) -> Outcome<()> {
        while !self.network.flights.is_empty() {
            let flight = self.network.deliver(0);
            writeln!(out, "{} ─{}─▶ {}", flight.from, text(&flight.message), flight.to)?;
            self.tell(out);
        }
        Ok(())
    }

    fn show(&self, out: &mut String) -> Outcome<()> {
        for id in self.network.ids() {
            let machine = self.network.machine(id);
            let keys: Vec<String> =
                machine.replica().entries().map(|(key, entry)| shown(key, entry)).collect();
            let hot = if machine.hot() > 0 { "  infective" } else { "" };
            writeln!(
                out,
                "{id} {}{hot}",
                if keys.is_empty() { "nothing".to_owned() } else { keys.join(" ") }
            )?;
        }
        Ok(())
    }

    fn tell(&mut self, out: &mut String) {
        for seen in std::mem::take(&mut self.network.seen) {
            let line = match seen {
                Seen::Told(node, Event::News(key, _)) => format!("{node} hears news of {key}"),
                Seen::Told(node, Event::Removed(key)) => format!("{node} loses interest in {key}"),
                _ => continue,
            };
            out.push_str("    ");
            out.push_str(&line);
            out.push('\n');
        }
    }
}

fn text(message: &Message<String, String>) -> String {
    match message {
        Message::Rumors { entries, .. } => format!("rumor {}", entries_text(entries)),
        Message::Heard { needed, known } => match (&needed[..], &known[..]) {
            ([], known) => format!("knew {}", keys(known)),
            (needed, []) => format!("needed {}", keys(needed)),
            (needed, known) => format!("needed {}, knew {}", keys(needed), keys(known)),
        },
        Message::Ask => "ask".to_owned(),
        Message::Exchange(Exchange::Root { .. }) => "digest of all".to_owned(),
        Message::Exchange(Exchange::Tree { range, children, .. }) => {
            format!("{} digests below {range:?}", children.len())
        }
        Message::Exchange(Exchange::Versions { versions, range, .. }) => {
            format!("versions in {range:?}: {}", keys(versions))
        }
        Message::Exchange(Exchange::Want(keys)) => format!("wants {}", keys.join(" ")),
        Message::Exchange(Exchange::Entries(entries) | Exchange::Everything { entries, .. }) => {
            entries_text(entries)
        }
    }
}

fn entries_text(entries: &[(String, Entry<String>)]) -> String {
    entries.iter().map(|(key, entry)| shown(key, entry)).collect::<Vec<_>>().join(" ")
}

fn shown(key: &str, entry: &Entry<String>) -> String {
    entry.value().map_or(format!("{key}†"), |value| format!("{key}={value}"))
}

fn keys(versions: &[(String, EntryVersion)]) -> String {
    versions.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>().join(" ")
}

fn site(args: &mut ArgumentConsumer) -> Outcome<NodeId> {
    Ok(NodeId(args.next_pos().ok_or("expected a site")?.trim_start_matches('n').parse()?))
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gossip/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the scripts are beside the tests")
        .map(|file| file.expect("a readable folder").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 3, "expected the scripts, found {}", paths.len());
    for path in paths {
        let mut script = Script { network: Network::new(1) };
        script.network.now = Mono::from_start(Duration::from_secs(1));
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
