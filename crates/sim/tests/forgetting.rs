//! What a machine lets go of, and what a worker may do to a run.

use std::time::Duration;

use synod_machine::*;
use synod_sim::{Boot, Clients, Crash, Delay, Plan, Step, Stream, Subject, View, Violation, run};

/// Adds. Every addition writes the new sum, which replaces all that came before the filler of the one before.
#[derive(Debug, Default)]
struct Sum {
    sum: u64,
    filler: Ticket,
    owes_filler: bool,
}

/// A write that says nothing.
const FILLER: u64 = u64::MAX;

/// Panics at a job beyond its limit.
#[derive(Debug)]
struct Limit(u64);

impl Machine for Sum {
    type Message = Never;
    type Timer = Never;
    type Command = u64;
    type Reply = u64;
    type Event = Never;
    type Write = u64;
    type Job = u64;
    type Done = Never;
    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: true,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => {
                self.sum = saved.into_iter().rfind(|sum| *sum != FILLER).unwrap_or_default();
            }
            Input::Command { id, command } => {
                self.sum += command;
                let sum = self.sum;
                let ticket = fx.write(sum);
                fx.forget(self.filler);
                self.owes_filler = true;
                fx.hold(ticket, |fx| fx.reply(id, sum));
                fx.work(sum);
            }
            // In a sync of its own, and so in a segment after the sum's.
            Input::Durable(_) if std::mem::take(&mut self.owes_filler) => self.filler = fx.write(FILLER),
            _ => {}
        }
    }

    fn inspect(&self, view: &mut synod_machine::View) {
        view.show("sum", self.sum);
    }
}

impl Worker<Sum> for Limit {
    fn work(&mut self, _: Mono, job: u64, _: &mut Output<Sum>) {
        assert!(job <= self.0, "expected a sum of at most {}, found {job}", self.0);
    }

    fn idle(&mut self, _: Mono, _: &mut Output<Sum>) -> bool {
        false
    }
}

/// One client that adds, and knows the largest sum that it was told.
#[derive(Debug)]
struct Adding {
    told: u64,
    limit: u64,
}

impl Subject for Adding {
    type Machine = Sum;
    type Worker = Limit;
    type Persisted = ();

    fn boot(&mut self, _: Boot<()>) -> (Sum, Limit) {
        (Sum::default(), Limit(self.limit))
    }

    fn crash_worker(&mut self, _: NodeId, _: Limit, _: Crash, _: &mut Stream) {}

    fn encode(&self, write: &u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&write.to_le_bytes());
        out.resize(out.len() + 400, 0);
    }

    fn decode(&self, bytes: &[u8]) -> Result<u64, String> {
        bytes.first_chunk().map(|word| u64::from_le_bytes(*word)).ok_or_else(|| "too short".to_owned())
    }

    fn begin(&mut self, clients: &mut Clients<Sum>) {
        clients.after(Duration::from_millis(1), 0);
    }

    fn on_timer(&mut self, token: u64, clients: &mut Clients<Sum>) -> Result<(), Violation> {
        clients.send(0, NodeId(1), 1);
        clients.after(Duration::from_millis(15), token);
        Ok(())
    }

    fn on_reply(&mut self, _: NodeId, _: RequestId, sum: u64, _: &mut Clients<Sum>) -> Result<(), Violation> {
        self.told = self.told.max(sum);
        Ok(())
    }

    fn check(&mut self, view: &View<'_, Self>, step: &Step<'_, Sum>) -> Result<(), Violation> {
        let sum = view.machine(step.node).expect("a node that steps is up").sum;
        if sum >= self.told {
            return Ok(());
        }
        let sentence = format!("{} has {sum}, and its client was told {}", step.node, self.told);
        Err(Violation::new("durability", [step.node], sentence))
    }
}

fn plan(seed: u64) -> Plan {
    let mut plan = Plan::calm(seed, 1);
    plan.safety = Duration::from_secs(2);
    // Small segments, so that letting go matters at once; slow syncs, so that crashes strike while the replacement is on its way.
    plan.disk.segment_bytes = 100;
    plan.disk.sync = Delay::micros(1_000, 20_000);
    let script = (1..18).map(|tenth| format!("at {}.{}s crash n1 for 0.01s\n", tenth / 10, tenth % 10));
    plan.faults = script.collect::<String>().parse().expect("a script");
    plan
}

#[test]
fn what_replaces_the_forgotten_is_durable_before_they_go() {
    for seed in 0..20 {
        let run = run(plan(seed), |_| Adding { told: 0, limit: u64::MAX }).expect("a plan");
        assert_eq!(run.found, None, "seed {seed}");
        assert!(run.exercised.count("node.restart") > 10 && run.exercised.count("disk.sectors lost") > 0);
    }
}

#[test]
fn a_panic_of_a_worker_is_a_violation_with_its_words() {
    let run = run(plan(1), |_| Adding { told: 0, limit: 30 }).expect("a plan");
    let violation = run.found.expect("the worker panics").violation;
    assert_eq!(violation.property, "no panic");
    assert!(violation.sentence.contains("expected a sum of at most 30, found 31"), "{violation}");
}
