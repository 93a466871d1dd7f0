//! Causal consistency and causal convergence, by their bad patterns.
//!
//! Causality is the order of sessions and of what reads returned, closed under transitivity. Bouajjani, Enea, Guerraoui
//! and Hamza (POPL 2017, section 5) show that a differentiated history is
//!
//! - causally consistent (CC) exactly if causality has no cycle (CyclicCO), no read returns the initial value though a
//!   write of its key is in its past (WriteCOInitRead), and none returns a write that another write of the key, itself
//!   in the read's past, comes after (WriteCORead);
//! - causally convergent (CCv) exactly if besides there is no cycle (CyclicCF) of causality and of the *conflict order*:
//!   a write that is in the past of a read which returned another write of the key comes before that one.
//!
//! # What it costs
//!
//! Vector clocks in one walk in a topological order; then each session once more: for a read only the last write of
//! its key in each other session can be the worst, and as the clocks of one session only grow, finding these is a
//! cursor that only advances. So time is operations times sessions, at a nanosecond or so; memory is four bytes times
//! writes times sessions, and for convergence as much again for what is inferred. (Zennou, Bouajjani, Enea and Erradi,
//! CAV 2019, reduce the same models to Datalog, in cubic time.)

use super::argument::{Grounds, Inferred, Rule};
use super::graph::{Clocks, Graph, begin, join};
use super::sources::{INITIAL, NONE, grouped};
use crate::model::{Breach, Finding};

/// A read that does not fit its past.
struct Misread {
    read: u32,
    /// A write of its key in its past, which comes after what it returned.
    newer: u32,
}

/// Decides causal consistency, and with `convergent` causal convergence.
pub(super) fn decide(graph: &Graph<'_, '_>, convergent: bool) -> Finding {
    let order = match graph.topological(|_| true) {
        Ok(order) => order,
        Err(on_cycle) => return Finding::Broken(Box::new(cyclic(graph, on_cycle))),
    };
    let clocks = Clocks::causal(graph, &order, false);
    let mut conflicts = Vec::new();
    let misread = walk(graph, &clocks, convergent.then_some(&mut conflicts));
    if let Some(misread) = misread {
        return Finding::Broken(Box::new(stale(graph, &misread)));
    }
    match find_conflict_cycle(graph, &conflicts) {
        Some(breach) => Finding::Broken(Box::new(breach)),
        None => Finding::Kept,
    }
}

/// The breach that causality is a cycle.
pub(super) fn cyclic(graph: &Graph<'_, '_>, on_cycle: u32) -> Breach {
    let sentence = format!("{} comes before itself: causality is a cycle", graph.trace.id(on_cycle));
    Grounds::new(graph, None).cycle("CyclicCO", sentence, on_cycle)
}

/// Looks at each read with its past. Returns the misread that returned first; collects the conflict order, where it is
/// not causality already.
fn walk(
    graph: &Graph<'_, '_>,
    clocks: &Clocks,
    mut conflicts: Option<&mut Vec<Inferred>>,
) -> Option<Misread> {
    let mut worst: Option<Misread> = None;
    let mut now = vec![0; graph.width()];
    let mut cursors = Cursors::new(graph);
    for operations in &graph.chains {
        now.fill(0);
        cursors.go_back(graph);
        for &operation in operations {
            begin(graph, clocks, operation, &mut now);
            let source = graph.source[operation as usize];
            if source == NONE {
                continue;
            }
            let source_clock = (source != INITIAL).then(|| clocks.of(source));
            if let Some(clock) = source_clock {
                join(&mut now, clock);
            }
            for cursor in cursors.of_key(graph.key(operation)) {
                let chain = cursor.chain as usize;
                cursor.advance(graph, now[chain]);
                // The source itself, and what is in its past, is no newer. Nothing can be both, since causality is no cycle.
                if cursor.last == 0 || source_clock.is_some_and(|clock| cursor.last <= clock[chain]) {
                    continue;
                }
                let last = graph.writes_of_slot(cursor.slot)[cursor.taken as usize - 1];
                if source == INITIAL || graph.has(clocks.of(last), source) {
                    let returned = |read: u32| graph.trace.access(read).returned_rank;
                    if worst.as_ref().is_none_or(|worst| returned(operation) < returned(worst.read)) {
                        worst = Some(Misread { read: operation, newer: last });
                    }
                } else if let Some(conflicts) = &mut conflicts {
                    let rule = Rule::BeforeSource { read: operation };
                    conflicts.push(Inferred { before: last, after: source, rule });
                }
            }
        }
    }
    worst
}

/// How far a session has come in the writes of one slot. All numbers that a look needs stand side by side, for there are
/// sessions times reads of them.
struct Cursor {
    chain: u32,
    slot: u32,
    /// How many of the writes are in the past.
    taken: u32,
    /// The position of the last of them in its chain; 0 if there is none.
    last: u32,
    /// That of the next; the greatest number if there is none.
    next: u32,
}

impl Cursor {
    /// Takes the writes up to a position. A clock never goes back, and so nor does this.
    fn advance(&mut self, graph: &Graph<'_, '_>, seen: u32) {
        while self.next <= seen {
            self.last = self.next;
            self.taken += 1;
            self.next = graph.position_in_slot(self.slot, self.taken);
        }
    }
}

/// The cursors of all slots, those of one key side by side.
struct Cursors {
    /// Where those of each key begin.
    starts: Vec<usize>,
    cursors: Vec<Cursor>,
}

impl Cursors {
    fn new(graph: &Graph<'_, '_>) -> Self {
        let mut all = Self { starts: vec![0], cursors: Vec::with_capacity(graph.slots()) };
        for key in 0..graph.trace.keys_count as u32 {
            let cursor = |&slot: &u32| {
                let chain = graph.slot_chain[slot as usize];
                Cursor { chain, slot, taken: 0, last: 0, next: 0 }
            };
            all.cursors.extend(graph.slots_of(key).iter().map(cursor));
            all.starts.push(all.cursors.len());
        }
        all
    }

    /// To where nothing is in the past.
    fn go_back(&mut self, graph: &Graph<'_, '_>) {
        for cursor in &mut self.cursors {
            (cursor.taken, cursor.last) = (0, 0);
            cursor.next = graph.position_in_slot(cursor.slot, 0);
        }
    }

    fn of_key(&mut self, key: u32) -> &mut [Cursor] {
        &mut self.cursors[self.starts[key as usize]..self.starts[key as usize + 1]]
    }
}

fn stale(graph: &Graph<'_, '_>, misread: &Misread) -> Breach {
    let Misread { read, newer } = *misread;
    let trace = graph.trace;
    let (id, newer_id, of_key) = (trace.id(read), trace.id(newer), trace.of_key(graph.key(read)));
    let value = trace.value_text(trace.access(read).value);
    let grounds = Grounds::new(graph, None);
    match graph.written_source(read) {
        None => {
            let sentence =
                format!("{id} returned the first value{of_key}, {value}, though {newer_id} is in its past");
            grounds.breach("WriteCOInitRead", sentence, &[(newer, read)])
        }
        Some(source) => {
            let sentence = format!(
                "{id} returned {value}{of_key}, which {} wrote, though {newer_id}, which comes after that, is in its \
                 past",
                trace.id(source)
            );
            grounds.breach("WriteCORead", sentence, &[(source, newer), (newer, read)])
        }
    }
}

/// A cycle of causality and conflicts, by taking away what nothing comes before until only cycles are left.
fn find_conflict_cycle(graph: &Graph<'_, '_>, conflicts: &[Inferred]) -> Option<Breach> {
    if conflicts.is_empty() {
        return None;
    }
    let count = graph.trace.len();
    let after = grouped(count, conflicts.iter().map(|edge| (edge.before, edge.after)));
    let readers = grouped(count, readers(graph));
    let mut before = vec![0_u32; count];
    for edge in conflicts {
        before[edge.after as usize] += 1;
    }
    let children = grouped(count, children(graph));
    for (_, operation) in children_and_readers(graph) {
        before[operation as usize] += 1;
    }
    let all = || (0..count as u32).filter(|&operation| graph.chain_of[operation as usize] != NONE);
    let mut free: Vec<u32> = all().filter(|&operation| before[operation as usize] == 0).collect();
    while let Some(operation) = free.pop() {
        let next = [children.of(operation), readers.of(operation), after.of(operation)];
        for &other in next.into_iter().flatten() {
            before[other as usize] -= 1;
            if before[other as usize] == 0 {
                free.push(other);
            }
        }
    }
    // What is left is on a cycle, or behind one; conflicts between what is left are enough for an argument.
    let is_left = |operation: u32| before[operation as usize] > 0;
    let mut grounds = Grounds::new(graph, None);
    for &edge in conflicts.iter().filter(|edge| is_left(edge.before) && is_left(edge.after)) {
        grounds.infer(edge);
    }
    let on_cycle = find_on_cycle(&grounds, all().find(|&operation| is_left(operation))?, is_left)?;
    let sentence = format!(
        "no one order settles all conflicts: {} would have to come before itself",
        graph.trace.id(on_cycle)
    );
    Some(grounds.cycle("CyclicCF", sentence, on_cycle))
}

/// Walks back from an operation that is left until one comes again: that is on a cycle.
fn find_on_cycle(grounds: &Grounds<'_, '_, '_>, start: u32, is_left: impl Fn(u32) -> bool) -> Option<u32> {
    let graph = grounds.graph;
    let mut seen = vec![false; graph.trace.len()];
    let mut at = start;
    while !std::mem::replace(&mut seen[at as usize], true) {
        let parent = Some(graph.parent[at as usize]).filter(|&parent| parent != NONE);
        let causes = parent.into_iter().chain(graph.written_source(at));
        at = causes.chain(grounds.inferred_before(at)).find(|&before| is_left(before))?;
    }
    // A write with a conflict says more than a read on the same cycle.
    Some(at)
}

fn readers(graph: &Graph<'_, '_>) -> impl Iterator<Item = (u32, u32)> + Clone {
    (0..graph.trace.len() as u32).filter_map(|read| Some((graph.written_source(read)?, read)))
}

fn children(graph: &Graph<'_, '_>) -> impl Iterator<Item = (u32, u32)> + Clone {
    let parent = |operation: u32| graph.parent[operation as usize];
    (0..graph.trace.len() as u32)
        .filter(move |&operation| parent(operation) != NONE)
        .map(move |operation| (parent(operation), operation))
}

fn children_and_readers(graph: &Graph<'_, '_>) -> impl Iterator<Item = (u32, u32)> {
    children(graph).chain(readers(graph))
}
