//! Every order in which ordered channels may deliver: exclusion, no deadlock, fairness, and what an entry costs. Without the handling of circular waits the same
//! orders find the deadlock.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;
use synod_machine::*;
use synod_protocols::mutex::Command;
use synod_protocols::mutex::maekawa::*;

/// Things that happen a wish, at most: where all wait for each other there will be no more wishes.
const TRIES_A_WISH: u64 = 100;

/// Processes on ordered channels; `draw` decides which channel delivers next, or who wishes or leaves.
struct Bench {
    processes: BTreeMap<NodeId, Maekawa>,
    channels: BTreeMap<(NodeId, NodeId), VecDeque<Message>>,
    fairness: invariants::Fairness,
    wishes: u64,
    sent: u64,
    entries: u64,
    /// Whether to stop where somebody is left in the dark, before anything comes of it.
    demands_told: bool,
}

impl Bench {
    fn new(coterie: &Coterie, handling: Handling) -> Self {
        let process = |node| Maekawa::new(node, Config { handling, ..Config::of(coterie, node) });
        Bench {
            processes: coterie.iter().map(|(node, _)| (node, process(node))).collect(),
            channels: BTreeMap::new(),
            fairness: invariants::Fairness::default(),
            wishes: 0,
            sent: 0,
            entries: 0,
            demands_told: true,
        }
    }

    fn step(&mut self, node: NodeId, input: Input<Maekawa>) -> Result<(), String> {
        let mut buffer = Buffer::new(First, Ticket(1));
        let process = self.processes.get_mut(&node).expect("a process");
        process.step(&Context::at(node, Mono::ZERO), input, &mut buffer.effects());
        for effect in buffer.effects {
            match effect {
                Effect::Send { to, message, .. } => {
                    assert_ne!(to, node, "what concerns only itself needs no message");
                    self.sent += 1;
                    self.channels.entry((node, to)).or_default().push_back(message);
                }
                Effect::Emit(Event::Entered(_)) => self.entries += 1,
                _ => {}
            }
        }
        let views: BTreeMap<NodeId, &Maekawa> =
            self.processes.iter().map(|(id, process)| (*id, process)).collect();
        invariants::exclusion(views.iter().map(|(id, process)| (*id, *process)))?;
        if self.demands_told {
            invariants::the_overtaken_know(views.iter().map(|(id, process)| (*id, *process)))?;
        }
        self.fairness.observe(&views)
    }

    /// One thing happens; false if nothing can.
    fn happen(&mut self, draw: u64, wish: Option<NodeId>) -> Result<bool, String> {
        let inside: Vec<NodeId> =
            self.processes.iter().filter(|(_, process)| process.is_inside()).map(|(id, _)| *id).collect();
        let open: Vec<(NodeId, NodeId)> =
            self.channels.iter().filter(|(_, queue)| !queue.is_empty()).map(|(ends, _)| *ends).collect();
        let options = open.len() + inside.len() + usize::from(wish.is_some());
        if options == 0 {
            return Ok(false);
        }
        let choice = (draw % options as u64) as usize;
        if let Some(ends) = open.get(choice) {
            let message = self.channels.get_mut(ends).and_then(VecDeque::pop_front).expect("it is open");
            self.step(ends.1, Input::Receive { from: ends.0, message })?;
        } else if let Some(node) = inside.get(choice - open.len()) {
            self.step(*node, Input::Command { id: RequestId(0), command: Command::Leave })?;
        } else if let Some(node) = wish {
            self.wishes += u64::from(self.processes[&node].attempt().is_none());
            self.step(node, Input::Command { id: RequestId(self.wishes), command: Command::Enter })?;
        }
        Ok(true)
    }

    /// `wishes` wishes, then until nothing moves. Whoever still waits then waits in vain.
    fn run(&mut self, seed: u64, wishes: u64) -> Result<(), String> {
        let (mut draw, count) = (Draw(seed), self.processes.len() as u64);
        for _ in 0..wishes * TRIES_A_WISH {
            if self.wishes == wishes {
                break;
            }
            let wish = NodeId(draw.next() % count + 1);
            self.happen(draw.next(), Some(wish))?;
        }
        while self.happen(draw.next(), None)? {}
        let views: BTreeMap<NodeId, &Maekawa> =
            self.processes.iter().map(|(id, process)| (*id, process)).collect();
        invariants::no_deadlock(&views)
    }
}

/// SplitMix64.
struct Draw(u64);
impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn coteries() -> impl Strategy<Value = Coterie> {
    let plane = (1u32..=4).prop_map(|order| Coterie::plane(order).expect("a prime power"));
    let folded = (1u32..=24).prop_map(|count| Coterie::folded_plane(count).expect("some processes"));
    let grid = (1u32..=16).prop_map(|count| Coterie::grid(count).expect("some processes"));
    prop_oneof![plane, folded, grid]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn whoever_wishes_enters_alone_and_in_turn(coterie in coteries(), seed: u64, wishes in 1u64..80) {
        let mut bench = Bench::new(&coterie, Handling::Full);
        bench.run(seed, wishes).map_err(TestCaseError::fail)?;
        prop_assert_eq!(bench.entries, bench.wishes);
        let most = cost::messages_most(coterie.largest_set() as u64);
        prop_assert!(bench.sent <= most * bench.wishes, "{} messages for {wishes} entries, at most {most} each", bench.sent);
    }

    #[test]
    fn alone_an_entry_costs_three_messages_a_member(order in 1u32..=5, node: prop::sample::Index) {
        let coterie = Coterie::plane(order).expect("a prime power");
        let mut bench = Bench::new(&coterie, Handling::Full);
        let node = NodeId(node.index(coterie.processes()) as u64 + 1);
        bench.step(node, Input::Command { id: RequestId(1), command: Command::Enter }).expect("nothing wrong");
        bench.run(0, 0).expect("nothing wrong");
        prop_assert_eq!((bench.entries, bench.sent), (1, cost::messages_uncontended(u64::from(order) + 1)));
    }
}

/// How many of the first seeds end in a violation of that kind.
fn found(handling: Handling, demands_told: bool, words: &str) -> usize {
    let plane = Coterie::plane(2).expect("a prime power");
    let bench = || Bench { demands_told, ..Bench::new(&plane, handling) };
    let outcomes = (0..2_000).map(|seed| bench().run(seed, 12));
    outcomes.filter(|outcome| outcome.as_ref().is_err_and(|sentence| sentence.contains(words))).count()
}

#[test]
fn without_handling_the_circular_wait_is_found() {
    assert!(found(Handling::None, true, "a circular wait") > 100);
    assert_eq!(found(Handling::Full, true, ""), 0);
}

#[test]
fn as_published_the_overtaken_are_left_in_the_dark_and_wait_for_ever() {
    assert!(found(Handling::AsPublished, true, "expected n") > 20);
    assert!(found(Handling::AsPublished, false, "a circular wait") > 0);
}
