//! Golden scripts: money that moves, snapshots steered by hand. Run the tests with `UPDATE_GOLDENFILES=1` to write their output anew, and read what
//! changed. An arrow is a message at its receipt, lines that are set in are what a node tells.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use goldenscript::{ArgumentConsumer, Command as Line, Context};
use synod_machine::*;
use synod_protocols::snapshot::chandy_lamport::*;
use synod_protocols::snapshot::transfers::{Account, Pay, Setting, Transfer, Transfers};

use crate::network::{Flight, Network, Seen};

type Outcome<T> = Result<T, Box<dyn Error>>;
type Bank = ChandyLamport<Transfers>;

struct Script {
    network: Network<Bank>,
}

impl goldenscript::Runner for Script {
    type Command = Line;

    fn run(&mut self, line: &Line, _: &Context) -> Outcome<String> {
        let mut out = String::new();
        let mut args = line.consume_args();
        match line.name.as_str() {
            "nodes" => self.found(&mut args)?,
            "pay" => {
                let (from, to) = (node(&mut args)?, node(&mut args)?);
                let amount = args.next_pos().ok_or("expected an amount")?.parse()?;
                let logged = args.next_pos() == Some("logged");
                self.ask(from, Command::Application(Pay { to, amount, logged }));
            }
            "snapshot" => self.ask(node(&mut args)?, Command::Snapshot),
            "join" => {
                let at = node(&mut args)?;
                let collector = node(&mut args)?;
                let sequence = args.next_pos().ok_or("expected a number")?.parse()?;
                self.ask(at, Command::Join(SnapshotId { collector, sequence }));
            }
            "sync" => self.network.sync(node(&mut args)?),
            "deliver" => {
                let from = args.take_key("from").map(parse).transpose()?;
                let to = args.take_key("to").map(parse).transpose()?;
                let count = args.take_key("count").map_or(Ok(usize::MAX), str::parse)?;
                self.deliver(from, to, count, &mut out)?;
            }
            "balances" => {
                for id in self.network.ids() {
                    writeln!(out, "{id} {}", self.network.machine(id).application().balance())?;
                }
            }
            other => return Err(format!("no such command: {other}").into()),
        }
        args.reject_next()?;
        self.tell(&mut out);
        Ok(out)
    }
}

impl Script {
    fn found(&mut self, args: &mut ArgumentConsumer) -> Outcome<()> {
        self.network = Network::new(1);
        self.network.sync_at_once = false;
        let mut nodes = Vec::new();
        while let Some((id, balance)) = args.next_key() {
            nodes.push((parse(id)?, balance.parse()?));
        }
        let ids: Vec<NodeId> = nodes.iter().map(|(id, _)| *id).collect();
        let machines = nodes.into_iter().map(|(id, balance)| {
            let topology = Topology::complete(id, ids.iter().copied());
            let peers = topology.outgoing.iter().copied().collect();
            let pace = Duration::ZERO..=Duration::ZERO;
            let setting = Setting { peers, balance, tasks: Vec::new(), pace, logged_one_in: 0 };
            (id, ChandyLamport::new(id, topology, Transfers::new(setting)))
        });
        self.network.start(machines.collect::<Vec<_>>());
        Ok(())
    }

    fn ask(&mut self, at: NodeId, command: Command<Pay>) {
        self.network.step(at, Input::Command { id: RequestId(1), command });
    }

    /// Delivers in the order of leaving, restricted to a channel or a count.
    fn deliver(
        &mut self,
        from: Option<NodeId>,
        to: Option<NodeId>,
        count: usize,
        out: &mut String,
    ) -> Outcome<()> {
        for _ in 0..count {
            let fits = |f: &Flight<_>| from.is_none_or(|n| f.from == n) && to.is_none_or(|n| f.to == n);
            let Some(place) = self.network.flights.iter().position(fits) else { break };
            let flight = self.network.deliver(place);
            writeln!(
                out,
                "{} ─{}─▶ {}{}",
                flight.from,
                name(&flight.message),
                flight.to,
                text(&flight.message)
            )?;
            self.tell(out);
        }
        Ok(())
    }

    fn tell(&mut self, out: &mut String) {
        for seen in std::mem::take(&mut self.network.seen) {
            let line = match seen {
                Seen::Told(node, Event::Recorded(id)) => {
                    let balance = self.network.machine(node).application().balance();
                    format!("{node} records {balance} for {id}")
                }
                Seen::Told(node, Event::Completed(state)) => {
                    format!("{node} completes {}: {}", state.id, whole(&state))
                }
                Seen::Replied(node, _, Reply::Busy) => format!("{node} is busy"),
                _ => continue,
            };
            out.push_str("    ");
            out.push_str(&line);
            out.push('\n');
        }
    }
}

fn whole(state: &GlobalState<Account, Transfer>) -> String {
    let balances: Vec<String> =
        state.states().map(|(id, account)| format!("{id} {}", account.balance)).collect();
    let under_way: Vec<String> =
        state.in_transit().map(|(from, to, transfer)| format!("{from}→{to} {}", transfer.amount)).collect();
    let sum = state.states().map(|(_, a)| a.balance).sum::<u64>()
        + state.in_transit().map(|(_, _, t)| t.amount).sum::<u64>();
    format!("{}; under way [{}]; together {sum}", balances.join(", "), under_way.join(", "))
}

fn name(message: &Message<Transfer, Account>) -> &'static str {
    match message {
        Message::Application(_) => "money",
        Message::Marker(_) => "marker",
        Message::Part { .. } => "part",
    }
}

fn text(message: &Message<Transfer, Account>) -> String {
    match message {
        Message::Application(transfer) => format!("  {}", transfer.amount),
        Message::Marker(id) => format!("  {id}"),
        Message::Part { part, .. } => {
            let channels: Vec<String> = part
                .channels
                .iter()
                .map(|(from, transfers)| {
                    let amounts: Vec<String> = transfers.iter().map(|t| t.amount.to_string()).collect();
                    format!("from {from} [{}]", amounts.join(" "))
                })
                .collect();
            format!("  {} and {}", part.state.balance, channels.join(", "))
        }
    }
}

fn parse(text: &str) -> Outcome<NodeId> {
    Ok(NodeId(text.trim_start_matches('n').parse()?))
}

fn node(args: &mut ArgumentConsumer) -> Outcome<NodeId> {
    parse(args.next_pos().ok_or("expected a node")?)
}

#[test]
fn scripts_read_as_they_did() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshot/scripts");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the scripts are beside the tests")
        .map(|file| file.expect("a readable folder").path())
        .collect();
    paths.sort();
    assert!(paths.len() >= 3, "expected the scripts, found {}", paths.len());
    for path in paths {
        let mut script = Script { network: Network::new(1) };
        goldenscript::run(&mut script, &path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}
