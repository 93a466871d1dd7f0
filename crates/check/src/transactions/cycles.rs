//! Short cycles as witnesses, and their names.
//!
//! # How it works
//! A cycle lies within one strongly connected component, and of a history with few anomalies these are small. For each
//! class of anomalies a cycle must have an edge of one kind and otherwise edges of some kinds: from each edge of the
//! first kind a breadth-first search goes over the others back to where the edge began. The shortest cycle under each
//! name is kept, first without any order beyond the data, then with that of sessions, then with real time.
//!
//! # Costs
//! A search visits the component once, so work is bounded by a number of edges visited in all. When it is used up, the
//! witnesses found stand; that there is a cycle at all was decided before, in linear time.

use std::collections::{BTreeMap, VecDeque};

use super::anomaly::{Anomaly, Dependency, Order};
use super::facts::NONE;
use super::graph::{Edge, Graph, Kinds, Label, Points, View};
use super::history::{History, Stored};
use super::operation::Kind;
use crate::model::Model;

/// Edges that may be visited in search of short cycles.
const VISITS_MAX: usize = 20_000_000;

/// A cycle: each transaction, and how and by which key it is before the next.
pub(super) type Cycle = Vec<(u32, Dependency, u32)>;

/// What a cycle is called, and the weakest model that forbids it.
pub(super) type Class = (Anomaly, Order, Model);

/// The shortest cycle found under each name. `names` are the transactions behind the graph's.
pub(super) fn find(history: &History, graph: &Graph, names: &[u32]) -> BTreeMap<Class, Cycle> {
    let mut search = Search::new(graph);
    let mut found: BTreeMap<Class, Cycle> = BTreeMap::new();
    let (ww, wr, rw) = (Kinds::WRITES, Kinds::READS, Kinds::ANTI);
    let mut orders = Kinds::NO_ORDER;
    for order in [None, Some(Kinds::PROCESS), Some(Kinds::REAL_TIME)] {
        orders = order.map_or(orders, |order| orders.and(order));
        let patterns = [
            (ww, ww, Points::One),
            (wr, ww.and(wr), Points::One),
            (rw, ww.and(wr), Points::One),
            (rw, Kinds::DATA, Points::Two),
            (rw, Kinds::DATA, Points::One),
        ];
        for (first, rest, points) in patterns {
            let view = View { graph, kinds: rest.and(orders), points };
            for from in 0..graph.transactions {
                for edge in leading(graph, from, first) {
                    if search.visits > VISITS_MAX {
                        return found;
                    }
                    let Some(mut cycle) = search.cycle(&view, from, edge) else { continue };
                    cycle.iter_mut().for_each(|step| step.0 = names[step.0 as usize]);
                    let class = classify(history, &cycle);
                    let known = found.entry(class).or_default();
                    if known.is_empty() || cycle.len() < known.len() {
                        *known = cycle;
                    }
                }
            }
        }
    }
    keep_weakest_order(&mut found);
    found
}

/// One cycle of a view, whichever is found first: for when nothing shorter was found in time.
pub(super) fn any(view: &View<'_>, names: &[u32]) -> Option<Cycle> {
    let mut search = Search::new(view.graph);
    for from in 0..view.graph.transactions {
        for edge in leading(view.graph, from, view.kinds) {
            if let Some(mut cycle) = search.cycle(view, from, edge) {
                cycle.iter_mut().for_each(|step| step.0 = names[step.0 as usize]);
                return Some(cycle);
            }
        }
    }
    None
}

/// An anomaly that shows without an order need not be shown with one.
fn keep_weakest_order(found: &mut BTreeMap<Class, Cycle>) {
    let classes: Vec<Class> = found.keys().copied().collect();
    found.retain(|(anomaly, order, _), _| {
        !classes.iter().any(|(other, weaker, _)| other == anomaly && weaker < order)
    });
}

fn leading(graph: &Graph, from: u32, kinds: Kinds) -> Vec<Edge> {
    let edges = graph.edges_of(from).iter().copied();
    edges.filter(|edge| kinds.has(edge.label) && edge.label.dependency().is_some()).collect()
}

/// Breadth-first searches over one graph.
pub(super) struct Search<'a> {
    graph: &'a Graph,
    /// By point: in which round it was reached, in how many steps, from where, by which edge.
    reached: Vec<(u32, u32)>,
    parents: Vec<(u32, Label)>,
    round: u32,
    queue: VecDeque<u32>,
    visits: usize,
}

impl<'a> Search<'a> {
    pub fn new(graph: &'a Graph) -> Self {
        let points = 2 * graph.nodes() as usize;
        let parents = vec![(NONE, Label::onward()); points];
        Self { graph, reached: vec![(0, 0); points], parents, round: 0, queue: VecDeque::new(), visits: 0 }
    }

    /// The shortest cycle that begins with this edge and goes on in the view.
    pub fn cycle(&mut self, view: &View<'_>, from: u32, edge: Edge) -> Option<Cycle> {
        let dependency = edge.label.dependency()?;
        let is_anti = dependency == Dependency::ReadWrite;
        let (begin, end) = match view.points {
            Points::One => (edge.to, from),
            Points::Two => (2 * edge.to + u32::from(is_anti), 2 * from + u32::from(!is_anti)),
        };
        self.round += 1;
        self.queue.clear();
        self.queue.push_back(begin);
        self.reached[begin as usize] = (self.round, 0);
        while let Some(point) = self.queue.pop_front() {
            if point == end {
                return Some(self.trace(view, (from, edge), begin, end));
            }
            let mut cursor = 0;
            while let Some((to, label, next)) = view.next(point, cursor) {
                cursor = next;
                self.visits += 1;
                // Passing a junction is no step.
                let is_step = label.dependency().is_some();
                let steps = self.reached[point as usize].1 + u32::from(is_step);
                if self.reached[to as usize].0 == self.round && self.reached[to as usize].1 <= steps {
                    continue;
                }
                self.reached[to as usize] = (self.round, steps);
                self.parents[to as usize] = (point, label);
                if is_step {
                    self.queue.push_back(to);
                } else {
                    self.queue.push_front(to);
                }
            }
        }
        None
    }

    fn trace(&self, view: &View<'_>, (from, edge): (u32, Edge), begin: u32, end: u32) -> Cycle {
        let mut steps = Vec::new();
        let mut point = end;
        while point != begin {
            let (parent, label) = self.parents[point as usize];
            steps.push((view.node(parent), label));
            point = parent;
        }
        steps.push((from, edge.label));
        steps.reverse();
        let mut cycle = Cycle::new();
        for (node, label) in steps {
            if let Some(dependency) = label.dependency()
                && node < self.graph.transactions
            {
                cycle.push((node, dependency, label.key()));
            }
        }
        cycle
    }
}

/// Names a cycle.
pub(super) fn classify(history: &History, cycle: &Cycle) -> Class {
    let has = |kind| cycle.iter().any(|(_, dependency, _)| *dependency == kind);
    let order = if has(Dependency::RealTime) {
        Order::RealTime
    } else if has(Dependency::Process) {
        Order::Process
    } else {
        Order::Data
    };
    let anti = cycle.iter().filter(|(_, dependency, _)| *dependency == Dependency::ReadWrite).count();
    let (anomaly, breaks) = match anti {
        0 => (acyclic_information(history, cycle), Model::ReadCommitted),
        1 => single(cycle),
        _ => several(history, cycle),
    };
    // With the order of sessions, the weakest model that forbids it is the weakest that speaks of sessions.
    let breaks = match (order, breaks) {
        (Order::Data, model) => model,
        (Order::RealTime, _) => Model::StrictSerializable,
        (Order::Process, Model::ReadCommitted | Model::ReadAtomic | Model::TransactionalCausal) => {
            Model::TransactionalCausal
        }
        (Order::Process, Model::SnapshotIsolation) => Model::StrongSessionSnapshotIsolation,
        (Order::Process, _) => Model::StrongSessionSerializable,
    };
    (anomaly, order, breaks)
}

fn acyclic_information(history: &History, cycle: &Cycle) -> Anomaly {
    let (_, _, key) = cycle[0];
    let writes = |transaction: u32| {
        let stored = history.stored(transaction as usize).iter();
        stored
            .into_iter()
            .any(|operation| matches!(*operation, Stored::Write { key: written, .. } if written == key))
    };
    let of_versions = |&(transaction, dependency, other): &(u32, Dependency, u32)| {
        dependency == Dependency::WriteRead && other == key && writes(transaction)
    };
    if cycle.iter().all(of_versions) {
        Anomaly::CyclicVersions
    } else if cycle.iter().any(|(_, dependency, _)| *dependency == Dependency::WriteRead) {
        Anomaly::G1c
    } else {
        Anomaly::G0
    }
}

fn single(cycle: &Cycle) -> (Anomaly, Model) {
    let begin = cycle.iter().position(|(_, dependency, _)| *dependency == Dependency::ReadWrite).unwrap_or(0);
    let steps: Vec<(Dependency, u32)> = (0..cycle.len())
        .map(|index| cycle[(begin + index) % cycle.len()])
        .map(|(_, d, key)| (d, key))
        .collect();
    let (_, key) = steps[0];
    if steps.len() == 2 && steps[1] == (Dependency::WriteWrite, key) {
        return (Anomaly::LostUpdate, Model::SnapshotIsolation);
    }
    // Later versions of the same key, then a path of what was seen: the reader had seen a newer version's writer.
    let seen: Vec<Dependency> = steps[1..]
        .iter()
        .skip_while(|step| **step == (Dependency::WriteWrite, key))
        .map(|(dependency, _)| *dependency)
        .collect();
    let is_seen = |dependency: &Dependency| matches!(dependency, Dependency::WriteRead | Dependency::Process);
    if seen == [Dependency::WriteRead] {
        (Anomaly::FracturedRead, Model::ReadAtomic)
    } else if !seen.is_empty() && seen.iter().all(is_seen) {
        (Anomaly::GSingle, Model::TransactionalCausal)
    } else {
        (Anomaly::GSingle, Model::SnapshotIsolation)
    }
}

fn several(history: &History, cycle: &Cycle) -> (Anomaly, Model) {
    let anti = |index: usize| cycle[index % cycle.len()].1 == Dependency::ReadWrite;
    let in_a_row = (0..cycle.len()).any(|index| anti(index) && anti(index + 1));
    if cycle.len() == 2 && in_a_row && cycle[0].2 == cycle[1].2 {
        // Each replaced what the other read of one key: whichever came second, the first's update was lost.
        return (Anomaly::LostUpdate, Model::SnapshotIsolation);
    }
    if in_a_row {
        let anomaly = if cycle.len() == 2 { Anomaly::WriteSkew } else { Anomaly::G2Item };
        return (anomaly, Model::Serializable);
    }
    let anomaly = if is_long_fork(history, cycle) { Anomaly::LongFork } else { Anomaly::GNonadjacent };
    (anomaly, Model::SnapshotIsolation)
}

/// Whether what was read tells all orders of versions on a cycle, so that none had to be inferred.
pub(super) fn is_certain(history: &History, cycle: &Cycle) -> bool {
    let of_key = |transaction: u32, key: u32| {
        let stored = history.stored(transaction as usize).iter();
        stored.copied().filter(move |operation| operation.key() == key)
    };
    // What a transaction read before it wrote.
    let seen = |transaction, key| {
        let first = of_key(transaction, key).next();
        first.filter(|operation| matches!(operation, Stored::Value { .. } | Stored::Nil { .. }))
    };
    let wrote = |transaction, key| {
        let mut writes = of_key(transaction, key).filter_map(|operation| match operation {
            Stored::Write { key, value } => Some(Stored::Value { key, value }),
            _ => None,
        });
        writes.next_back()
    };
    let is_told = |index: usize| {
        let (from, dependency, key) = cycle[index];
        let (to, ..) = cycle[(index + 1) % cycle.len()];
        match (dependency, seen(from, key)) {
            (Dependency::WriteWrite, _) => seen(to, key) == wrote(from, key),
            (Dependency::ReadWrite, version) => {
                matches!(version, Some(Stored::Nil { .. })) || seen(to, key) == version
            }
            _ => true,
        }
    };
    history.kind() != Some(Kind::Register) || (0..cycle.len()).all(is_told)
}

/// Whether two transactions that only read saw two writes of two others, of different keys, in opposite orders.
fn is_long_fork(history: &History, cycle: &Cycle) -> bool {
    let [one, two, three, four] = cycle.as_slice() else { return false };
    let is_fork = |[from_writer, from_reader, other_writer, other_reader]: [&(u32, Dependency, u32); 4]| {
        let is = |steps: [&(u32, Dependency, u32); 2], kind| steps.iter().all(|(_, found, _)| *found == kind);
        let only_reads = |reader: &(u32, Dependency, u32)| {
            let mut stored = history.stored(reader.0 as usize).iter();
            !stored.any(|operation| matches!(operation, Stored::Write { .. }))
        };
        is([from_writer, other_writer], Dependency::WriteRead)
            && is([from_reader, other_reader], Dependency::ReadWrite)
            // What the one saw is what the other missed.
            && (from_writer.2, other_writer.2) == (other_reader.2, from_reader.2)
            && from_writer.2 != other_writer.2
            && only_reads(from_reader)
            && only_reads(other_reader)
    };
    is_fork([one, two, three, four]) || is_fork([two, three, four, one])
}
