//! What is left out are transitions, never states: with and without the reduction a world comes to the same.

use std::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, Ticket, View};
use synod_sim::explore::{Budgets, Explore, Observation, Report, SmallWorld};

/// Passes a token on to a node of its choice until it is worn out, and writes down that it did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Passer {
    others: Vec<NodeId>,
    passed: u8,
    waits: Option<Ticket>,
}

impl Passer {
    fn new(me: NodeId, count: u64) -> Self {
        let others = (1..=count).map(NodeId).filter(|node| *node != me).collect();
        Passer { others, passed: 0, waits: None }
    }

    fn pass(&mut self, worn: u8, fx: &mut Effects<'_, Self>) {
        if worn == 0 {
            return fx.emit(());
        }
        let to = self.others[fx.choose("to", self.others.len() as u32) as usize];
        let ticket = fx.write(worn);
        self.waits = Some(ticket);
        fx.hold(ticket, |fx| fx.send(to, worn - 1));
        fx.arm((), Duration::from_secs(1)..=Duration::from_secs(1));
    }
}

impl Machine for Passer {
    type Message = u8;
    type Timer = ();
    type Command = u8;
    type Reply = ();
    type Event = ();
    type Write = u8;
    type Job = Never;
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
            Input::Start { saved } => self.passed = saved.len() as u8,
            Input::Receive { message, .. } => self.pass(message, fx),
            Input::Command { command, .. } => self.pass(command, fx),
            Input::Fire(()) => self.passed += 10,
            Input::Durable(ticket) => {
                self.passed += 1;
                if self.waits == Some(ticket) {
                    self.waits = None;
                }
            }
            Input::Done(never) => match never {},
            Input::Link { .. } => {}
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("passed", self.passed);
    }
}

/// Where tokens came to rest, in the order in which they did.
type Rested = Vec<NodeId>;

fn world(count: u64, tokens: &[u8], budgets: Budgets) -> SmallWorld<Passer, Rested> {
    let observe = |rested: &mut Rested, seen: Observation<'_, Passer>| {
        if let Observation::Event { node, .. } = seen {
            rested.push(node);
        }
    };
    let world =
        SmallWorld::remembering(count as usize, move |me| Passer::new(me, count), Vec::new(), observe);
    let world = (1..).zip(tokens).fold(world, |world, (node, token)| world.command(NodeId(node), *token));
    world.budgets(budgets).sometimes("a token rests", |view| !view.memory().is_empty())
}

fn both(world: &SmallWorld<Passer, Rested>) -> (Report, Report) {
    let explore = |reduce, threads| Explore { reduce, threads, ..Explore::default() }.run(world);
    let (all, reduced) = (explore(false, 1), explore(true, 1));
    let together = explore(true, 3);
    assert_eq!((&reduced.verdict, reduced.counts), (&together.verdict, together.counts));
    (all, reduced)
}

/// The same states at the same distances, with fewer transitions.
fn same_with_less(world: &SmallWorld<Passer, Rested>) {
    let (all, reduced) = both(world);
    assert_eq!(all.exit_code(), 0, "{all}");
    assert_eq!(all.verdict, reduced.verdict);
    let seen = |report: &Report| {
        let counts = report.counts;
        let steps = report.reached.iter().map(|(_, path)| path.as_ref().map(|path| path.steps()));
        (counts.states, counts.depth, counts.over, counts.cut, steps.collect::<Vec<_>>())
    };
    assert_eq!(seen(&all), seen(&reduced));
    let (before, after) = (all.counts.transitions, reduced.counts.transitions);
    assert!(all.counts.asleep == 0 && after < before, "{before} transitions, then {after}");
}

#[test]
fn no_state_is_lost_and_none_comes_later() {
    same_with_less(&world(2, &[2, 2], Budgets::NONE));
    same_with_less(&world(3, &[2, 1, 1], Budgets::NONE));
    same_with_less(&world(3, &[1, 1, 1], Budgets { losses: 1, duplicates: 1, ..Budgets::NONE }));
    same_with_less(&world(3, &[1, 1], Budgets { timeouts: 2, ..Budgets::NONE }));
    same_with_less(&world(3, &[2, 1], Budgets { timeouts: Budgets::UNLIMITED, ..Budgets::NONE }));
    same_with_less(&world(2, &[1, 1], Budgets { crashes: 2, restarts: 1, wipes: 1, ..Budgets::NONE }));
    same_with_less(&world(3, &[1, 1], Budgets { crashes: 1, ..Budgets::NONE }));
    same_with_less(&world(3, &[2, 1], Budgets::NONE).fifo());
    let timers = Budgets { timeouts: 2, ..Budgets::NONE };
    same_with_less(&world(2, &[2, 1], timers).timers_wait(true));
    same_with_less(&world(3, &[2, 2], Budgets::NONE).synchronous_disk());
}

#[test]
fn an_order_that_shows_in_the_memory_is_kept() {
    // Two tokens that come to rest at different nodes: actions that commute but for who was first.
    let world = world(4, &[1, 1], Budgets::NONE)
        .sometimes("first here", |view| *view.memory() == [NodeId(3), NodeId(4)])
        .sometimes("first there", |view| *view.memory() == [NodeId(4), NodeId(3)]);
    same_with_less(&world);
}

#[test]
fn violations_are_as_near_as_without_the_reduction() {
    for rests in 1..=4 {
        let world = world(4, &[1, 1], Budgets::NONE).always("quiet", move |view| {
            match view.memory().contains(&NodeId(rests)) {
                true => Err(format!("a token rests at n{rests}")),
                false => Ok(()),
            }
        });
        let (all, reduced) = both(&world);
        let (all, reduced) = (all.assert_violates("quiet"), reduced.assert_violates("quiet"));
        assert_eq!(all.path.steps(), reduced.path.steps());
    }
}
