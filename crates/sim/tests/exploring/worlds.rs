//! Small worlds: each kind of action does what it says.

use std::time::Duration;

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, Ticket, View};
use synod_sim::explore::{Budgets, Explore, Observation, Report, SmallWorld};

/// Does as it is told, and remembers what came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Puppet {
    received: Vec<u8>,
    restored: Vec<u8>,
    fired: u8,
    durable: Ticket,
    drawn: Vec<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Order {
    /// Sends these to the next node.
    Send(Vec<u8>),
    /// Writes these, one write each.
    Write(Vec<u8>),
    /// Writes, and sends when it is durable; or without waiting.
    Tell { value: u8, held: bool },
    /// Arms its timer.
    Arm,
    /// Writes, and forgets everything before.
    Replace(u8),
    /// Makes choices.
    Choose,
    /// Gives up.
    Panic,
}

const N1: NodeId = NodeId(1);
const N2: NodeId = NodeId(2);

impl Machine for Puppet {
    type Message = u8;
    type Timer = ();
    type Command = Order;
    type Reply = u8;
    type Event = Never;
    type Write = u8;
    type Job = Never;
    type Done = Never;
    const NEEDS: Needs = Needs {
        fifo: true,
        reliable: true,
        bounded_delay: false,
        bounded_drift: false,
        stable_storage: true,
        wall_clock: false,
    };

    fn step(&mut self, _: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Start { saved } => self.restored = saved,
            Input::Receive { message, .. } => self.received.push(message),
            Input::Fire(()) => self.fired += 1,
            Input::Durable(ticket) => self.durable = ticket,
            Input::Command { command: Order::Send(values), .. } => {
                values.into_iter().for_each(|value| fx.send(N2, value));
            }
            Input::Command { id, command: Order::Write(values) } => {
                let last = values.into_iter().map(|value| fx.write(value)).last();
                fx.hold(last.unwrap_or_default(), |fx| fx.reply(id, 0));
            }
            Input::Command { command: Order::Tell { value, held }, .. } => {
                let ticket = fx.write(value);
                fx.hold(if held { ticket } else { Ticket(0) }, |fx| fx.send(N2, value));
            }
            Input::Command { command: Order::Arm, .. } => {
                fx.arm((), Duration::from_secs(1)..=Duration::from_secs(2));
            }
            Input::Command { command: Order::Replace(value), .. } => {
                let ticket = fx.write(value);
                fx.forget(ticket);
            }
            Input::Command { command: Order::Choose, .. } => {
                let first = fx.choose("first", 3);
                self.drawn = vec![first, if first == 1 { fx.choose("second", 2) } else { 0 }];
            }
            Input::Command { command: Order::Panic, .. } => panic!("expected an order, found a trap"),
            Input::Done(never) => match never {},
            Input::Link { .. } => {}
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("received", &self.received);
    }
}

fn world(count: usize) -> SmallWorld<Puppet> {
    SmallWorld::new(count, |_| Puppet::default())
}

fn explore(world: &SmallWorld<Puppet>) -> Report {
    let alone = Explore { threads: 1, ..Explore::default() }.run(world);
    let together = Explore { threads: 2, ..Explore::default() }.run(world);
    assert_eq!((&alone.verdict, alone.counts), (&together.verdict, together.counts));
    alone
}

/// Every state in which `see` shows something, by what it shows: `expected` are all there may be, and all must be.
fn shows(world: SmallWorld<Puppet>, see: fn(&Puppet) -> Vec<u8>, node: NodeId, expected: &[&[u8]]) {
    let all: Vec<Vec<u8>> = expected.iter().map(|shown| shown.to_vec()).collect();
    let world = world.always("nothing else", move |view| match view.machine(node).map(see) {
        Some(shown) if !all.contains(&shown) => Err(format!("found {shown:?}")),
        _ => Ok(()),
    });
    let world = expected.iter().fold(world, |world, shown| {
        let (name, shown) = (format!("{shown:?}"), shown.to_vec());
        world.sometimes(&name, move |view| view.machine(node).map(see).as_ref() == Some(&shown))
    });
    explore(&world).assert_holds();
}

fn received(puppet: &Puppet) -> Vec<u8> {
    puppet.received.clone()
}

fn restored(puppet: &Puppet) -> Vec<u8> {
    puppet.restored.clone()
}

#[test]
fn a_queue_keeps_its_order_and_a_network_does_not() {
    let sending = || world(2).command(N1, Order::Send(vec![1, 2]));
    shows(sending(), received, N2, &[&[], &[1], &[1, 2]]);
    shows(sending().unordered(), received, N2, &[&[], &[1], &[2], &[1, 2], &[2, 1]]);
    assert_eq!(sending().broken_needs(), [""; 0]);
    assert_eq!(sending().unordered().broken_needs(), ["fifo: messages of one link overtake each other"]);
}

#[test]
fn equal_messages_are_one_way_to_go_on() {
    let report = explore(&world(2).unordered().command(N1, Order::Send(vec![7, 7, 7])));
    // The beginning, then 3, 2, 1 and 0 under way.
    assert_eq!((report.counts.states, report.counts.transitions), (5, 5));
}

#[test]
fn messages_are_lost_and_duplicated_within_their_budgets() {
    let sending = || world(2).command(N1, Order::Send(vec![1, 2]));
    let lossy = sending().budgets(Budgets { losses: 1, ..Budgets::NONE });
    assert_eq!(lossy.broken_needs(), ["reliable: messages are lost"]);
    shows(lossy, received, N2, &[&[], &[1], &[2], &[1, 2]]);
    let doubling = sending().budgets(Budgets { duplicates: 1, ..Budgets::NONE });
    shows(doubling, received, N2, &[&[], &[1], &[1, 1], &[1, 2], &[1, 1, 2], &[1, 2, 2]]);
}

#[test]
fn a_crash_loses_memory_and_any_suffix_of_what_is_not_durable() {
    let writing = |restarts| {
        let budgets = Budgets { crashes: 1, restarts, ..Budgets::NONE };
        world(1).command(N1, Order::Write(vec![1, 2, 3])).budgets(budgets)
    };
    shows(writing(1), restored, N1, &[&[], &[1], &[1, 2], &[1, 2, 3]]);
    shows(writing(0), restored, N1, &[&[]]);
    // The ticket after a crash is one more than the last that survived, so that the second life may see any of these.
    let twice = writing(1).command(N1, Order::Write(vec![4]));
    let twice = twice.sometimes("a ticket is given again", |view| {
        view.machine(N1).is_some_and(|puppet| puppet.durable == Ticket(2) && puppet.restored == [1])
    });
    let twice = twice.always("tickets do not jump", |view| match view.machine(N1) {
        Some(puppet) if puppet.durable > Ticket(4) => Err(format!("found {:?}", puppet.durable)),
        _ => Ok(()),
    });
    explore(&twice).assert_holds();
}

#[test]
fn a_wiped_disk_remembers_nothing() {
    let budgets = Budgets { wipes: 1, restarts: 1, ..Budgets::NONE };
    let wiping = world(1).command(N1, Order::Write(vec![1])).budgets(budgets);
    assert_eq!(wiping.broken_needs(), ["stable storage: disks are wiped"]);
    shows(wiping, restored, N1, &[&[]]);
}

#[test]
fn what_is_forgotten_goes_when_what_replaces_it_is_durable() {
    let budgets = Budgets { crashes: 1, restarts: 1, ..Budgets::NONE };
    let replacing = world(1).command(N1, Order::Write(vec![1])).command(N1, Order::Replace(2));
    shows(replacing.budgets(budgets), restored, N1, &[&[], &[1], &[1, 2], &[2]]);
}

/// Whatever was told must be on the teller's disk.
fn telling(held: bool) -> SmallWorld<Puppet> {
    let budgets = Budgets { crashes: 1, ..Budgets::NONE };
    let world = world(2).command(N1, Order::Tell { value: 9, held }).budgets(budgets);
    world.always("told is durable", |view| {
        let told = view.under_way().map(|(_, _, value)| *value);
        let told: Vec<u8> = told.chain(view.machine(N2).into_iter().flat_map(received)).collect();
        match told.iter().find(|value| !view.durable(N1).any(|durable| durable == *value)) {
            Some(value) => Err(format!("n1 told {value}, which it may forget")),
            None => Ok(()),
        }
    })
}

#[test]
fn what_is_held_leaves_when_it_is_durable_and_not_before() {
    let world = telling(true).sometimes("it is told", |view| view.under_way().count() > 0);
    explore(&world).assert_holds();
    let report = explore(&telling(false));
    let found = report.assert_violates("told is durable");
    assert_eq!((found.path.steps(), found.sentence.as_str()), (1, "n1 told 9, which it may forget"));
    let synchronous = telling(true).synchronous_disk();
    assert!(explore(&synchronous).counts.states < explore(&telling(true)).counts.states);
}

#[test]
fn a_held_answer_is_observed_when_it_leaves() {
    let observe = |memory: &mut Vec<&'static str>, seen: Observation<'_, Puppet>| match seen {
        Observation::Command { .. } => memory.push("asked"),
        Observation::Reply { .. } => memory.push("answered"),
        Observation::Crash { .. } => memory.push("crash"),
        Observation::Restart { .. } => memory.push("restart"),
        Observation::Event { event, .. } => match *event {},
    };
    let world = SmallWorld::remembering(1, |_| Puppet::default(), Vec::new(), observe)
        .command(N1, Order::Write(vec![1, 2]))
        .budgets(Budgets { crashes: 1, restarts: 1, ..Budgets::NONE })
        .always("answered means durable", |view| {
            match view.memory().contains(&"answered") && view.durable(N1).count() < 2 {
                true => Err(format!("found {:?}", view.memory())),
                false => Ok(()),
            }
        })
        .sometimes("answered, then a crash", |view| {
            *view.memory() == ["asked", "answered", "crash", "restart"]
        })
        .sometimes("never answered", |view| *view.memory() == ["asked", "crash", "restart"]);
    world.explore().assert_holds();
}

#[test]
fn a_client_may_wait_for_its_answer() {
    // The answer to a write leaves when the write is durable.
    let asking = |world: SmallWorld<Puppet>| {
        let world = world.sometimes("a message, and no write is durable", |view| {
            view.under_way().count() == 1 && view.durable(N1).count() == 0
        });
        explore(&world).exit_code()
    };
    let first = || world(2).command(N1, Order::Write(vec![1]));
    assert_eq!(asking(first().command(N1, Order::Send(vec![1]))), 0);
    assert_eq!(asking(first().then(N1, Order::Send(vec![1]))), 2);
}

#[test]
fn timers_fire_within_their_budget_or_when_nothing_else_can_happen() {
    let armed = || world(2).command(N1, Order::Send(vec![1])).command(N1, Order::Arm);
    let fired = |puppet: &Puppet| vec![puppet.fired];
    shows(armed(), fired, N1, &[&[0]]);
    let budgets = Budgets { timeouts: Budgets::UNLIMITED, ..Budgets::NONE };
    shows(armed().budgets(budgets), fired, N1, &[&[0], &[1]]);
    let early = |world: SmallWorld<Puppet>| {
        let world = world.budgets(budgets).sometimes("early", |view| {
            view.under_way().count() > 0 && view.machine(N1).is_some_and(|puppet| puppet.fired == 1)
        });
        explore(&world).exit_code()
    };
    assert_eq!(early(armed()), 0);
    assert_eq!(early(armed().timers_wait(true)), 2, "no timer fires while a message is under way");
}

#[test]
fn every_choice_is_made() {
    let drawn = |puppet: &Puppet| puppet.drawn.iter().map(|option| *option as u8).collect();
    shows(world(1).command(N1, Order::Choose), drawn, N1, &[&[], &[0, 0], &[1, 0], &[1, 1], &[2, 0]]);
}

#[test]
fn a_panic_is_a_violation() {
    let report = explore(&world(1).command(N1, Order::Panic));
    let found = report.assert_violates("no panic");
    assert!(found.sentence.starts_with("n1 panicked: expected an order, found a trap"), "{}", found.sentence);
}

#[test]
fn what_is_only_cut_short_owes_nothing() {
    let owed = |timeouts| {
        let world = world(1).command(N1, Order::Arm).budgets(Budgets { timeouts, ..Budgets::NONE });
        world.eventually("fires", |view| match view.machine(N1).map(|puppet| puppet.fired) {
            Some(0) => Err("the timer never fired".to_owned()),
            _ => Ok(()),
        })
    };
    explore(&owed(1)).assert_holds();
    // Without any budget timers are not a part of the world: then it is over.
    explore(&owed(0)).assert_violates("fires");
    let bounded = owed(1).within(|view| view.machine(N1).is_none_or(|puppet| puppet.fired == 0));
    let report = explore(&bounded);
    assert_eq!((report.exit_code(), report.counts.cut), (2, 1), "{report}");
}

#[test]
fn a_counterexample_tells_what_happened_with_every_fate() {
    let budgets = Budgets { losses: 1, crashes: 1, duplicates: 1, ..Budgets::NONE };
    let world = world(3).unordered().command(N1, Order::Send(vec![1, 2, 3, 4])).budgets(budgets);
    let world = world.always("harmony", |view| {
        let silent = view.machine(N2).is_some_and(|puppet| puppet.received == [2, 2]);
        let lonely = view.down().eq([NodeId(3)]) && view.under_way().count() == 2;
        if silent && lonely { Err("all of it happened".to_owned()) } else { Ok(()) }
    });
    let report = explore(&world);
    let found = report.assert_violates("harmony");
    assert_eq!(found.path.steps(), 5);
    let lines = found.lines.join("\n");
    for part in [
        "n1 command 1 Send([1, 2, 3, 4])",
        "n1→n2 2 arrives, and is still under way",
        "is LOST",
        "n3 CRASHES",
    ] {
        assert!(lines.contains(part), "no {part} in\n{lines}");
    }
    let diagram = found.diagram.as_ref().expect("a world has a diagram");
    for sign in ['▶', '✕', '○', '#', '»'] {
        assert!(diagram.contains(sign), "no {sign} in\n{diagram}");
    }
    assert!(diagram.lines().all(|line| line.chars().count() <= 80), "{diagram}");
}
