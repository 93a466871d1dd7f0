//! How many records a second the world makes on one core: a ping machine, the ledger of a durable log, and a hunt.
//!
//! `cargo run --release -p synod-sim --example records_per_second`

use std::time::{Duration, Instant};

use synod_machine::{Context, Effects, Input, Machine, Mono, Needs, Never, NoWorker, NodeId, RequestId};
use synod_sim::{Boot, Clients, Crash, Plan, Stream, Subject, Swarm, Violation, World, run};

/// Sends every ping on; with `durable`, only after a write.
struct Ping<const DURABLE: bool> {
    next: NodeId,
    seen: u64,
}

impl<const DURABLE: bool> Machine for Ping<DURABLE> {
    type Message = u64;
    type Timer = u8;
    type Command = u64;
    type Reply = u64;
    type Event = Never;
    type Write = u64;
    type Job = Never;
    type Done = Never;
    const NEEDS: Needs = Needs {
        fifo: false,
        reliable: false,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: false,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Receive { message, .. } if DURABLE => {
                let ticket = fx.write(message);
                let next = self.next;
                fx.hold(ticket, |fx| fx.send(next, message + 1));
            }
            Input::Receive { message, .. } => {
                self.seen += 1;
                fx.arm(0, Duration::from_secs(1)..=Duration::from_secs(2));
                fx.send(self.next, message + 1);
            }
            Input::Start { .. } => (0..16).for_each(|ping| fx.send(self.next, ping)),
            Input::Command { id, command } => fx.reply(id, command),
            _ => {}
        }
    }

    fn inspect(&self, view: &mut synod_machine::View) {
        view.show("seen", self.seen);
    }
}

struct Pings<const DURABLE: bool>(u64);

impl<const DURABLE: bool> Subject for Pings<DURABLE> {
    type Machine = Ping<DURABLE>;
    type Worker = NoWorker;
    type Persisted = ();

    fn boot(&mut self, boot: Boot<()>) -> (Ping<DURABLE>, NoWorker) {
        (Ping { next: NodeId(boot.node.0 % self.0 + 1), seen: 0 }, NoWorker)
    }
    fn crash_worker(&mut self, _: NodeId, _: NoWorker, _: Crash, _: &mut Stream) {}
    fn encode(&self, write: &u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&write.to_le_bytes());
    }
    fn decode(&self, bytes: &[u8]) -> Result<u64, String> {
        bytes.try_into().map(u64::from_le_bytes).map_err(|_| "expected eight bytes".to_owned())
    }
    fn on_reply(
        &mut self,
        _: NodeId,
        _: RequestId,
        _: u64,
        _: &mut Clients<Ping<DURABLE>>,
    ) -> Result<(), Violation> {
        Ok(())
    }
}

fn measure(name: &str, records: u64, simulated: Duration, took: Duration) {
    let rate = records as f64 / took.as_secs_f64() / 1e6;
    let times = simulated.as_secs_f64() / took.as_secs_f64();
    println!("{name:<24} {records:>10} records  {rate:>6.2} M records/s  {times:>8.1} simulated s/s");
}

fn world<const DURABLE: bool>(name: &str, safety: Duration) {
    let mut plan = Plan::calm(1, 5);
    plan.safety = safety;
    let mut world = World::new(plan, Pings::<DURABLE>(5)).expect("a calm plan");
    let start = Instant::now();
    let run = world.run();
    assert!(run.found.is_none() && world.view().now() > Mono::ZERO);
    measure(name, run.records, run.simulated, start.elapsed());
}

fn main() {
    world::<false>("ping, timer re-armed", Duration::from_secs(60));
    world::<true>("ping after a sync", Duration::from_secs(60));
    let swarm = Swarm::default();
    let start = Instant::now();
    let (mut records, mut simulated) = (0, Duration::ZERO);
    for seed in 0..100 {
        let run = run(swarm.plan(seed), |plan| Pings::<true>(plan.nodes)).expect("a drawn plan");
        records += run.records;
        simulated += run.simulated;
    }
    measure("100 hostile runs", records, simulated, start.elapsed());
}
