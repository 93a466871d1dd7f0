//! A state machine of your own in simulated worlds: `cargo run` hunts, and explains what it finds.

use std::process::ExitCode;
use std::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, RequestId, View};
use synod_sim::{Boot, Clients, Ensemble, Hunt, Invariant, Staged, Swarm, Violation, inquire};

/// A durable counter: each command adds to it, each answer is the sum.
#[derive(Debug, Default)]
struct Counter {
    sum: u64,
}

impl Machine for Counter {
    type Message = Never; // what nodes tell each other: there is one node here
    type Timer = Never;
    type Command = u64;
    type Reply = u64;
    type Event = Never;
    type Write = u64; // what survives a crash
    type Job = Never;
    type Done = Never;
    const NEEDS: Needs = Needs::NONE;

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => self.sum = saved.iter().sum(),
            Input::Command { id, command } => {
                self.sum += command;
                fx.write(command);
                // A bug: the answer must not leave before the write is durable. The cure is
                // let (ticket, sum) = (fx.write(command), self.sum); fx.hold(ticket, |fx| fx.reply(id, sum));
                fx.reply(id, self.sum);
            }
            _ => {}
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("sum", self.sum);
    }
}

/// A client that adds one every five milliseconds, and remembers the largest sum that it was told.
#[derive(Debug, Default)]
struct Client {
    told: u64,
}

impl Ensemble for Client {
    type Machine = Counter;
    const INVARIANTS: &'static [Invariant<Self>] = &[Invariant {
        property: "what was told is not lost",
        holds: |client, nodes| match nodes.machines().find(|(_, counter)| counter.sum < client.told) {
            None => Ok(()),
            Some((node, counter)) => Err(Violation::new(
                "what was told is not lost",
                [node],
                format!("{node} has the sum {}, and told a client {}", counter.sum, client.told),
            )),
        },
    }];

    fn boot(&mut self, _: &Boot<()>) -> Counter {
        Counter::default()
    }

    fn begin(&mut self, clients: &mut Clients<Counter>) {
        clients.after(Duration::from_millis(15), 0);
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Counter>) -> Result<(), Violation> {
        clients.send(0, NodeId(1), 1);
        clients.after(Duration::from_millis(5), token);
        Ok(())
    }

    fn on_reply(
        &mut self,
        _: NodeId,
        _: RequestId,
        sum: u64,
        _: &mut Clients<Counter>,
    ) -> Result<(), Violation> {
        self.told = self.told.max(sum);
        Ok(())
    }
}

fn main() -> ExitCode {
    let worlds = Swarm {
        nodes: vec![1],
        safety: (Duration::from_secs(1), Duration::from_secs(4)),
        ..Swarm::default()
    };
    let inquiry = inquire(&Hunt::default(), |seed| worlds.plan(seed), |_| Staged::new(Client::default()));
    let inquiry = inquiry.expect("drawn worlds can be run");
    println!("{}", inquiry.told);
    if inquiry.is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
