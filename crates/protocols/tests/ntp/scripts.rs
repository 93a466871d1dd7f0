//! Golden scripts: clocks, servers and paths in words. Run the tests with `UPDATE_GOLDENFILES=1` to write their output anew, and read what changed.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command as Line, Context};
use synod_machine::NodeId;
use synod_protocols::time_sync::ntp::invariants::within_its_bound;
use synod_protocols::time_sync::ntp::selection::marzullo;
use synod_protocols::time_sync::ntp::*;

use crate::world::{EPOCH, World};

type Outcome<T> = Result<T, Box<dyn Error>>;

#[derive(Default)]
struct Script {
    world: World,
}

impl goldenscript::Runner for Script {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        match line.name.as_str() {
            "primary" => self.node(&mut args, true)?,
            "secondary" => self.node(&mut args, false)?,
            "path" => {
                let (from, to) = (node(&mut args)?, node(&mut args)?);
                let delay = milliseconds(args.next_pos().ok_or("expected milliseconds")?)?;
                self.world.delays.insert((from, to), Duration::from_secs_f64(delay / 1e3));
            }
            "exchange" => exchange(&mut args, &mut out)?,
            "marzullo" => intervals(&mut args, &mut out)?,
            "pass" => {
                let seconds = args.next_pos().ok_or("expected seconds")?.parse()?;
                self.world.pass(Duration::from_secs(seconds));
            }
            "status" => self.status(&mut out)?,
            other => return Err(format!("no such command: {other}").into()),
        }
        args.reject_next()?;
        for (at, id, event) in self.world.seen.drain(..) {
            let text = match event {
                Event::Follows(server) => format!("follows {server}"),
                Event::Holdover => "runs on by itself".to_owned(),
                Event::Stepped(by) => format!("is set by {by}"),
                Event::Panicked(by) => format!("does not believe {by}"),
            };
            writeln!(out, "    {:.0} s: {id} {text}", at.as_secs_f64())?;
        }
        Ok(out)
    }
}

impl Script {
    fn node(&mut self, args: &mut ArgumentConsumer, is_primary: bool) -> Outcome<()> {
        let (mut ahead, mut drift, mut config) = (0.0, 0.0, Config::default());
        while let Some((key, value)) = args.next_key() {
            match key {
                "ahead" => ahead = milliseconds(value)?,
                "drift" => drift = value.trim_end_matches("ppm").parse()?,
                "flaw" if value == "trust_anybody" => config.flaws.trust_anybody = true,
                other => return Err(format!("no such option: {other}").into()),
            }
        }
        let id = node(args)?;
        let mut servers = Vec::new();
        while let Some(text) = args.next_pos() {
            servers.push(parse_node(text)?);
        }
        let ntp = if is_primary { Ntp::primary(id, config) } else { Ntp::secondary(id, config, servers) };
        self.world.add(ntp, Offset::from_seconds(ahead / 1e3), drift);
        Ok(())
    }

    fn status(&self, out: &mut String) -> Outcome<()> {
        for (id, node) in &self.world.nodes {
            let reading = node.ntp.reading();
            let off = self.world.ahead(*id);
            let follows = node.ntp.follows().map_or(String::new(), |server| format!(" follows {server},"));
            let true_time = Timestamp::since_epoch(EPOCH + self.world.now);
            let verdict = match (reading.error, within_its_bound(*id, &reading, true_time)) {
                (None, _) => "says that it does not know".to_owned(),
                (Some(error), Ok(())) => format!("says ±{:.3} ms", error.as_secs_f64() * 1e3),
                (Some(error), Err(_)) => format!("WRONGLY says ±{:.3} ms", error.as_secs_f64() * 1e3),
            };
            writeln!(out, "{id} stratum {},{follows} is off by {off}, {verdict}", reading.stratum)?;
        }
        Ok(())
    }
}

/// One exchange over two ways of given length with a server that is so far ahead.
fn exchange(args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
    let (mut ahead, mut there, mut server, mut back) = (0.0, 0.0, 0.0, 0.0);
    while let Some((key, value)) = args.next_key() {
        match key {
            "ahead" => ahead = milliseconds(value)?,
            "there" => there = milliseconds(value)?,
            "server" => server = milliseconds(value)?,
            "back" => back = milliseconds(value)?,
            other => return Err(format!("no such option: {other}").into()),
        }
    }
    let at = |ms: f64| Timestamp::since_epoch(EPOCH) + Offset::from_seconds(ms / 1e3);
    let exchange = Exchange {
        origin: at(0.0),
        receive: at(there + ahead),
        transmit: at(there + server + ahead),
        destination: at(there + server + back),
    };
    let show = |time: Timestamp| (time - at(0.0)).seconds() * 1e3;
    writeln!(out, "client ─T1 {:.3}─▶ server T2 {:.3}", show(exchange.origin), show(exchange.receive))?;
    writeln!(out, "server ─T3 {:.3}─▶ client T4 {:.3}", show(exchange.transmit), show(exchange.destination))?;
    let error = exchange.offset().seconds() * 1e3 - ahead;
    writeln!(out, "θ {}, δ {}; off by {error:+.3} ms", exchange.offset(), exchange.delay())?;
    Ok(())
}

fn intervals(args: &mut ArgumentConsumer, out: &mut String) -> Outcome<()> {
    let mut all = Vec::new();
    while let Some(text) = args.next_pos() {
        let (low, high) = text.split_once('-').ok_or("expected low-high")?;
        all.push((low.parse()?, high.parse()?));
    }
    let (low, high, count) = marzullo(&all).ok_or("expected an interval")?;
    writeln!(out, "[{low}, {high}], {count} of {}", all.len())?;
    Ok(())
}

fn milliseconds(text: &str) -> Outcome<f64> {
    let number =
        text.strip_suffix("ms").ok_or_else(|| format!("expected milliseconds such as 5ms, found {text}"))?;
    Ok(number.parse()?)
}

fn parse_node(text: &str) -> Outcome<NodeId> {
    let number = text.strip_prefix('n').ok_or_else(|| format!("expected a node such as n1, found {text}"))?;
    Ok(NodeId(number.parse()?))
}

fn node(args: &mut ArgumentConsumer) -> Outcome<NodeId> {
    parse_node(args.next_pos().ok_or("expected a node")?)
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/ntp/scripts");
    let files = std::fs::read_dir(folder).expect("the scripts are beside the tests");
    let mut paths: Vec<_> = files.map(|file| file.expect("a readable folder").path()).collect();
    paths.sort();
    assert!(paths.len() >= 5, "expected the scripts, found {}", paths.len());
    for path in paths {
        let mut script = Script::default();
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
