//! The graph of dependencies, how it is built in linear time, and its views.
//!
//! # How it works
//! Nodes are transactions, and *junctions*: points that many dependencies pass through, so that a thousand readers of a
//! version and a thousand transactions that replaced it need two thousand edges and not a million. Real time needs them
//! most. Where transactions complete and then others are invoked, a junction stands between them, after all that
//! completed and before all that are invoked; junctions follow one another. A transaction is before another in real time
//! if a path of junctions says so, and there are as many edges as events.
//!
//! A [`View`] chooses kinds of dependencies, and how a transaction appears. Serializability takes it as one point. Under
//! snapshot isolation it is two, its snapshot before its commit: what it depends on committed before its snapshot, and
//! who replaces what it read commits after its snapshot, so two anti-dependencies in a row say nothing (Fekete et al.
//! 2005, Cerone and Gotsman 2016). A circle in the view is a proof that the model is broken.

use super::anomaly::Dependency;
use super::facts::NONE;

/// How an edge came to be: the kind of dependency and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Label(u32);

const KEY_BITS: u32 = 28;
/// On the way out of a junction the dependency is the one that led into it.
const ONWARD: u32 = 5;

impl Label {
    pub fn new(dependency: Dependency, key: u32) -> Self {
        Self((dependency as u32) << KEY_BITS | (key & ((1 << KEY_BITS) - 1)))
    }

    pub fn onward() -> Self {
        Self(ONWARD << KEY_BITS)
    }

    fn bit(self) -> u8 {
        1 << (self.0 >> KEY_BITS)
    }

    pub fn key(self) -> u32 {
        self.0 & ((1 << KEY_BITS) - 1)
    }

    /// The kind of dependency; `None` on the way out of a junction.
    pub fn dependency(self) -> Option<Dependency> {
        match self.0 >> KEY_BITS {
            0 => Some(Dependency::WriteWrite),
            1 => Some(Dependency::WriteRead),
            2 => Some(Dependency::ReadWrite),
            3 => Some(Dependency::Process),
            4 => Some(Dependency::RealTime),
            _ => None,
        }
    }
}

/// One edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub to: u32,
    pub label: Label,
}

/// Dependencies between transactions.
pub(super) struct Graph {
    /// Transactions are numbered below this, junctions from here.
    pub transactions: u32,
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

/// Edges to be sorted into a [`Graph`].
pub(super) struct GraphBuilder {
    transactions: u32,
    nodes: u32,
    edges: Vec<(u32, Edge)>,
}

impl GraphBuilder {
    pub fn new(transactions: u32) -> Self {
        Self { transactions, nodes: transactions, edges: Vec::new() }
    }

    pub fn junction(&mut self) -> u32 {
        self.nodes += 1;
        self.nodes - 1
    }

    pub fn edge(&mut self, from: u32, to: u32, label: Label) {
        if from != to && from != NONE && to != NONE {
            self.edges.push((from, Edge { to, label }));
        }
    }

    pub fn finish(self) -> Graph {
        let mut starts = vec![0u32; self.nodes as usize + 1];
        for (from, _) in &self.edges {
            starts[*from as usize + 1] += 1;
        }
        for node in 0..self.nodes as usize {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let mut edges = vec![Edge { to: 0, label: Label(0) }; self.edges.len()];
        for (from, edge) in self.edges {
            let place = &mut next[from as usize];
            edges[*place as usize] = edge;
            *place += 1;
        }
        Graph { transactions: self.transactions, starts, edges }
    }
}

impl Graph {
    pub fn nodes(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    pub fn edges_of(&self, node: u32) -> &[Edge] {
        &self.edges[self.starts[node as usize] as usize..self.starts[node as usize + 1] as usize]
    }

    /// The nodes in question with all edges among them, and what each was called before.
    ///
    /// Transactions keep to come first: their new numbers are in the order of the old.
    pub fn restricted(&self, nodes: &[u32]) -> (Graph, Vec<u32>) {
        let mut old: Vec<u32> = nodes.to_vec();
        old.sort_unstable();
        let transactions = old.partition_point(|&node| node < self.transactions) as u32;
        let mut builder = GraphBuilder { transactions, nodes: old.len() as u32, edges: Vec::new() };
        for (from, &node) in old.iter().enumerate() {
            for edge in self.edges_of(node) {
                if let Ok(to) = old.binary_search(&edge.to) {
                    builder.edge(from as u32, to as u32, edge.label);
                }
            }
        }
        (builder.finish(), old)
    }
}

/// Kinds of dependencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    pub const WRITES: Self = Self(1 << Dependency::WriteWrite as u8);
    pub const READS: Self = Self(1 << Dependency::WriteRead as u8);
    pub const ANTI: Self = Self(1 << Dependency::ReadWrite as u8);
    pub const PROCESS: Self = Self(1 << Dependency::Process as u8);
    pub const REAL_TIME: Self = Self(1 << Dependency::RealTime as u8);
    /// What transactions read and wrote.
    pub const DATA: Self = Self::WRITES.and(Self::READS).and(Self::ANTI);

    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub const NO_ORDER: Self = Self(0);

    pub fn has(self, label: Label) -> bool {
        (self.0 | 1 << ONWARD) & label.bit() != 0
    }
}

/// How transactions appear in a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Points {
    /// As one point: point `node` is node `node`.
    One,
    /// As a snapshot, point `2 * node`, and a commit after it, point `2 * node + 1`.
    Two,
}

/// A graph as a model sees it. Points are numbered from 0.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub graph: &'a Graph,
    pub kinds: Kinds,
    pub points: Points,
}

impl View<'_> {
    pub fn len(&self) -> usize {
        self.graph.nodes() as usize * if self.points == Points::One { 1 } else { 2 }
    }

    pub fn node(&self, point: u32) -> u32 {
        if self.points == Points::One { point } else { point / 2 }
    }

    /// The next point that an edge leads to from here, looking from edge `cursor` on; and where to look afterwards.
    pub fn next(&self, point: u32, cursor: u32) -> Option<(u32, Label, u32)> {
        let node = self.node(point);
        let edges = self.graph.edges_of(node);
        if self.points == Points::One {
            let found = edges
                .iter()
                .enumerate()
                .skip(cursor as usize)
                .find(|(_, edge)| self.kinds.has(edge.label))?;
            return Some((found.1.to, found.1.label, found.0 as u32 + 1));
        }
        let (is_commit, is_junction) = (point & 1, node >= self.graph.transactions);
        if cursor == 0 && is_commit == 0 && !is_junction {
            return Some((point + 1, Label::onward(), 1));
        }
        // For snapshots, edge `index` is looked at under cursor `index + 1`, for 0 leads to the commit.
        let shift = u32::from(is_commit == 0 && !is_junction);
        for (index, edge) in edges.iter().enumerate().skip((cursor - shift.min(cursor)) as usize) {
            if !self.kinds.has(edge.label) {
                continue;
            }
            let to = match edge.label.dependency() {
                None => is_commit,
                // From the snapshot of a reader to the commit of whoever replaces what it read.
                Some(Dependency::ReadWrite) if is_commit == 0 => 1,
                Some(Dependency::ReadWrite) => continue,
                // From a commit to a snapshot.
                Some(_) if is_commit == 1 => 0,
                Some(_) => continue,
            };
            return Some((2 * edge.to + to, edge.label, index as u32 + 1 + shift));
        }
        None
    }
}

/// The components of a view that contain a circle (Tarjan 1972), each as its points; linear time, no recursion.
pub(super) fn components(view: &View<'_>) -> Vec<Vec<u32>> {
    const UNSEEN: u32 = 0;
    const DONE: u32 = u32::MAX;
    let count = view.len();
    // Numbers are given from 1 in the order of discovery; a point whose component is known is DONE.
    let mut low = vec![UNSEEN; count];
    let mut found = Vec::new();
    let mut stack: Vec<u32> = Vec::new();
    // The path of the search: point, cursor, own number.
    let mut path: Vec<(u32, u32, u32)> = Vec::new();
    let mut number = 0;
    for root in 0..count as u32 {
        if low[root as usize] != UNSEEN {
            continue;
        }
        number += 1;
        low[root as usize] = number;
        stack.push(root);
        path.push((root, 0, number));
        while let Some((point, cursor, own)) = path.last_mut() {
            if let Some((to, _, next)) = view.next(*point, *cursor) {
                *cursor = next;
                match low[to as usize] {
                    UNSEEN => {
                        number += 1;
                        low[to as usize] = number;
                        stack.push(to);
                        path.push((to, 0, number));
                    }
                    DONE => {}
                    lower => low[*point as usize] = low[*point as usize].min(lower),
                }
                continue;
            }
            let (point, own) = (*point, *own);
            path.pop();
            let lowest = low[point as usize];
            if let Some((parent, _, _)) = path.last() {
                low[*parent as usize] = low[*parent as usize].min(lowest);
            }
            if lowest == own {
                let begin =
                    stack.iter().rposition(|&member| member == point).expect("a root is on the stack");
                for &member in &stack[begin..] {
                    low[member as usize] = DONE;
                }
                if stack.len() - begin > 1 {
                    found.push(stack[begin..].to_vec());
                }
                stack.truncate(begin);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(transactions: u32, edges: &[(u32, u32, Dependency)]) -> Graph {
        let mut builder = GraphBuilder::new(transactions);
        for &(from, to, dependency) in edges {
            builder.edge(from, to, Label::new(dependency, 0));
        }
        builder.finish()
    }

    fn has_circle(graph: &Graph, kinds: Kinds, points: Points) -> bool {
        !components(&View { graph, kinds, points }).is_empty()
    }

    #[test]
    fn two_anti_dependencies_in_a_row_are_no_circle_of_snapshots() {
        use Dependency::{ReadWrite, WriteRead};
        let skew = graph(2, &[(0, 1, ReadWrite), (1, 0, ReadWrite)]);
        assert!(has_circle(&skew, Kinds::DATA, Points::One));
        assert!(!has_circle(&skew, Kinds::DATA, Points::Two));
        let single = graph(2, &[(0, 1, ReadWrite), (1, 0, WriteRead)]);
        assert!(has_circle(&single, Kinds::DATA, Points::Two));
        assert!(!has_circle(&single, Kinds::READS, Points::Two));
        let fork = graph(4, &[(0, 1, ReadWrite), (1, 2, WriteRead), (2, 3, ReadWrite), (3, 0, WriteRead)]);
        assert!(has_circle(&fork, Kinds::DATA, Points::Two));
        let three = graph(3, &[(0, 1, ReadWrite), (1, 2, WriteRead), (2, 0, ReadWrite)]);
        assert!(has_circle(&three, Kinds::DATA, Points::One));
        assert!(!has_circle(&three, Kinds::DATA, Points::Two));
    }

    #[test]
    fn components_are_told_apart() {
        use Dependency::WriteWrite;
        let two = graph(
            6,
            &[
                (0, 1, WriteWrite),
                (1, 0, WriteWrite),
                (1, 2, WriteWrite),
                (2, 3, WriteWrite),
                (4, 5, WriteWrite),
                (5, 4, WriteWrite),
                (3, 4, WriteWrite),
            ],
        );
        let view = View { graph: &two, kinds: Kinds::DATA, points: Points::One };
        let mut found = components(&view);
        found.iter_mut().for_each(|component| component.sort_unstable());
        found.sort();
        assert_eq!(found, [vec![0, 1], vec![4, 5]]);
    }
}
