//! The lean driver, with a machine that counts.

use std::time::Duration;

use synod_lab::crowd::{Crowd, Watch};
use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, View};
use synod_sim::{Delay, Odds};

const TICK: Duration = Duration::from_secs(1);
const TENTH: Odds = Odds::percent(10);

/// Sends its neighbour a number a second.
struct Ticker {
    to: NodeId,
    ticks: u64,
}

impl Machine for Ticker {
    type Message = u64;
    type Timer = ();
    type Command = Never;
    type Reply = Never;
    type Event = u64;
    type Write = Never;
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
            Input::Start { .. } => fx.arm((), TICK..=TICK),
            Input::Fire(()) => {
                self.ticks += 1;
                fx.send(self.to, self.ticks);
                fx.arm((), TICK..=TICK);
            }
            Input::Receive { message, .. } => fx.emit(message),
            _ => {}
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("ticks", self.ticks);
    }
}

/// What arrived where and when, in whole milliseconds.
#[derive(Debug, Default, PartialEq)]
struct Arrivals(Vec<(u128, u64, u64)>);
impl Watch<Ticker> for Arrivals {
    fn told(&mut self, now: Duration, node: NodeId, event: &u64) {
        self.0.push((now.as_millis(), node.0, *event));
    }
}

fn run(seed: u64, loss: Odds, change: impl FnOnce(&mut Crowd<Ticker>)) -> Arrivals {
    let machines = [2, 1].map(|to| Ticker { to: NodeId(to), ticks: 0 });
    let delay = Delay::micros(1_000, 2_000);
    let mut crowd = Crowd::new(seed, machines, delay, loss).handling(Duration::from_millis(10));
    change(&mut crowd);
    let mut arrivals = Arrivals::default();
    crowd.start(&mut arrivals);
    crowd.run(TICK * 6, &mut arrivals);
    arrivals
}

#[test]
fn a_seed_is_a_run() {
    assert_eq!(run(7, TENTH, |_| ()), run(7, TENTH, |_| ()));
    assert_ne!(run(7, TENTH, |_| ()), run(8, TENTH, |_| ()));
}

#[test]
fn who_is_blocked_neither_sends_nor_receives_and_catches_up() {
    let blocked = run(1, Odds::NEVER, |crowd| crowd.block(NodeId(1), TICK / 2, TICK * 3));
    let at = |node| blocked.0.iter().filter(move |(_, to, _)| *to == node).map(|(ms, _, tick)| (*ms, *tick));
    let first: Vec<_> = at(1).take(4).collect();
    // Three waited, and are worked off 10 ms apart; the fourth comes in time.
    assert_eq!(first[..3], [(3_500, 1), (3_510, 2), (3_520, 3)]);
    assert!((4_001..=4_002).contains(&first[3].0));
    assert!(at(2).take(3).all(|(ms, _)| (3_501..=3_502).contains(&ms)), "what it sent left at the end");
}

#[test]
fn who_is_gone_says_nothing_more() {
    let gone = run(1, TENTH, |crowd| crowd.crash(NodeId(2), TICK * 5 / 2));
    assert!(!gone.0.is_empty() && gone.0.iter().all(|(ms, _, _)| *ms < 2_503), "{gone:?}");
}
