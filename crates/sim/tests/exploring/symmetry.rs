//! Interchangeable nodes: fewer states with the same verdicts, and nodes that are told apart are found out.

use synod_machine::{Context, Effects, Input, Machine, Needs, Never, NodeId, Rename, View};
use synod_sim::explore::{Budgets, Explore, Report, SmallWorld};

const ASKER: NodeId = NodeId(1);

/// n1 asks the others for their votes, and remembers who gave one. They give one each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Voter {
    others: Vec<NodeId>,
    votes: Vec<NodeId>,
    asked: u8,
    /// Who counts the vote of that node twice.
    favours: Option<NodeId>,
}

impl Machine for Voter {
    type Message = u8;
    type Timer = Never;
    type Command = ();
    type Reply = Never;
    type Event = Never;
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

    fn step(&mut self, cx: &Context<'_>, input: Input<Self>, fx: &mut Effects<'_, Self>) {
        match input {
            Input::Command { .. } => self.others.iter().for_each(|other| fx.send(*other, 0)),
            Input::Receive { from, .. } if cx.me == ASKER => {
                self.votes.push(from);
                self.votes.sort_unstable();
                if self.favours == Some(from) {
                    self.votes.push(from);
                }
            }
            Input::Receive { from, .. } => {
                self.asked += 1;
                let ticket = fx.write(self.asked);
                fx.hold(ticket, |fx| fx.send(from, 1));
            }
            _ => {}
        }
    }

    fn inspect(&self, view: &mut View) {
        view.show("asked", self.asked);
    }
}

impl Rename for Voter {
    fn rename(&mut self, names: &dyn Fn(NodeId) -> NodeId) {
        let Voter { others, votes, asked: _, favours: _ } = self;
        others.rename(names);
        others.sort_unstable();
        votes.rename(names);
        votes.sort_unstable();
    }
}

fn voters(count: u64) -> impl Iterator<Item = NodeId> {
    (2..=1 + count).map(NodeId)
}

fn world(count: u64, favours: Option<NodeId>, budgets: Budgets) -> SmallWorld<Voter> {
    let boot = move |me| match me {
        ASKER => Voter { others: voters(count).collect(), favours, ..Voter::default() },
        _ => Voter::default(),
    };
    SmallWorld::new(1 + count as usize, boot)
        .command(ASKER, ())
        .budgets(budgets)
        .sometimes("everybody votes", move |view| {
            view.machine(ASKER).is_some_and(|asker| asker.votes.len() as u64 == count)
        })
        .interchangeable(voters(count))
}

fn explored(world: &SmallWorld<Voter>, symmetry: bool, threads: usize) -> Report {
    Explore { symmetry, threads, ..Explore::default() }.run(world)
}

/// The same verdict at the same distances; the fewer states stand for all.
fn same_with_less(world: &SmallWorld<Voter>) -> (u64, u64) {
    world.check_symmetry(usize::MAX).expect("names make no difference");
    let (all, less) = (explored(world, false, 1), explored(world, true, 1));
    let together = explored(world, true, 3);
    assert_eq!((&less.verdict, less.counts), (&together.verdict, together.counts));
    assert_eq!((all.exit_code(), &all.verdict), (0, &less.verdict), "{less}");
    assert_eq!((all.counts.states, all.counts.depth), (less.counts.represented, less.counts.depth));
    let steps = |report: &Report| {
        let reached = report.reached.iter();
        reached.map(|(_, path)| path.as_ref().map(|path| path.steps())).collect::<Vec<_>>()
    };
    assert_eq!(steps(&all), steps(&less));
    println!("{} states stand for {}", less.counts.states, all.counts.states);
    (less.counts.states, all.counts.states)
}

#[test]
fn fewer_states_stand_for_all_with_the_same_verdict() {
    let (less, all) = same_with_less(&world(2, None, Budgets::NONE));
    assert!(less < all && all < 2 * less);
    let (less, all) = same_with_less(&world(4, None, Budgets::NONE));
    assert!(all > 5 * less, "{less} of {all}");
    same_with_less(&world(3, None, Budgets { losses: 1, duplicates: 1, ..Budgets::NONE }));
    same_with_less(&world(3, None, Budgets { crashes: 1, restarts: 1, ..Budgets::NONE }));
    same_with_less(&world(3, None, Budgets::NONE).fifo());
}

#[test]
fn a_violation_is_as_near_and_its_path_is_a_run() {
    let few = || {
        world(3, None, Budgets::NONE).always("few", |view| {
            let votes = view.machine(ASKER).map(|asker| asker.votes.clone()).unwrap_or_default();
            if votes.len() < 2 { Ok(()) } else { Err(format!("{votes:?} voted")) }
        })
    };
    let (world, all) = (few(), explored(&few(), false, 1));
    let found = explored(&world, true, 2);
    let (found, all) = (found.assert_violates("few"), all.assert_violates("few"));
    assert_eq!(found.path.steps(), all.path.steps());
    let walk = found.path.walk(&world).expect("it is a path of the world");
    assert_eq!(walk.actions.len(), found.path.steps());
    assert!(found.sentence.ends_with("voted"), "{}", found.sentence);
}

#[test]
fn a_machine_that_tells_nodes_apart_is_found_out() {
    let why = world(2, Some(NodeId(3)), Budgets::NONE).check_symmetry(usize::MAX);
    let why = why.expect_err("n3's vote counts twice");
    assert!(why.contains("are not the"), "{why}");
    // What it would hide: with n2's vote first, n3's is not looked at.
    let twice = || {
        world(2, Some(NodeId(3)), Budgets::NONE).always("once", |view| {
            match view.machine(ASKER).is_some_and(|asker| asker.votes.len() > 2) {
                true => Err("a vote was counted twice".to_owned()),
                false => Ok(()),
            }
        })
    };
    explored(&twice(), false, 1).assert_violates("once");
}

#[test]
fn a_property_that_tells_nodes_apart_is_found_out() {
    let world = world(2, None, Budgets::NONE).sometimes("n3 votes first", |view| {
        view.machine(ASKER).is_some_and(|asker| asker.votes == [NodeId(3)])
    });
    let why = world.check_symmetry(usize::MAX).expect_err("it names n3");
    assert!(why.starts_with("n3 votes first holds of a state"), "{why}");
}

#[test]
#[should_panic(expected = "n2 is asked something")]
fn who_is_asked_something_is_not_interchangeable() {
    world(2, None, Budgets::NONE).command(NodeId(2), ()).explore();
}
