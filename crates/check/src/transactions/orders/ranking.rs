//! A graph that stays without circles, and an order of its points that all edges follow.
//!
//! The order is kept up to date edge by edge (Pearce and Kelly, "A dynamic topological sort algorithm for directed acyclic
//! graphs", 2007): an edge that points forward changes nothing, one that points back moves only what stands between its
//! ends. Edges that are taken back leave the order as it is, for it is one of the smaller graph, too.

use super::super::facts::NONE;
use super::super::graph::View;

/// What an edge depends on: pair `l / 2`, in the order that it is named in if even, in the other if odd.
pub(super) type Literal = u32;

/// The graph and the order.
pub(super) struct Ranking {
    /// By point: edges out and in, each with the literal that it depends on ([`NONE`] if none).
    outgoing: Vec<Vec<(u32, Literal)>>,
    incoming: Vec<Vec<(u32, Literal)>>,
    /// By point: its place in the order.
    rank: Vec<u32>,
    /// Points that have moved since [`take_moved`](Self::take_moved).
    moved: Vec<u32>,
    /// By point: the search that visited it last, and from where.
    visited: Vec<u32>,
    parent: Vec<(u32, Literal)>,
    round: u32,
    /// Edges that were looked at.
    pub steps: u64,
}

impl Ranking {
    /// The points of a view, in an order that all its edges follow.
    pub fn new(view: &View<'_>, order: &[u32]) -> Self {
        let points = view.len();
        let mut rank = vec![0; points];
        order.iter().enumerate().for_each(|(place, point)| rank[*point as usize] = place as u32);
        let (mut outgoing, mut incoming) = (vec![Vec::new(); points], vec![Vec::new(); points]);
        for point in 0..points as u32 {
            let mut cursor = 0;
            while let Some((to, _, next)) = view.next(point, cursor) {
                cursor = next;
                outgoing[point as usize].push((to, NONE));
                incoming[to as usize].push((point, NONE));
            }
        }
        Self {
            outgoing,
            incoming,
            rank,
            moved: Vec::new(),
            visited: vec![0; points],
            parent: vec![(NONE, NONE); points],
            round: 0,
            steps: 0,
        }
    }

    /// The place of a point.
    pub fn rank(&self, point: u32) -> u32 {
        self.rank[point as usize]
    }

    pub fn is_before(&self, one: u32, two: u32) -> bool {
        self.rank(one) < self.rank(two)
    }

    /// Points that have moved since this was asked last, some of them more than once.
    pub fn take_moved(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.moved)
    }

    /// Adds an edge; or, if it would close a circle, the literals of the others in the circle.
    pub fn add(&mut self, from: u32, to: u32, literal: Literal) -> Result<(), Vec<Literal>> {
        self.make_room(from, to)?;
        self.outgoing[from as usize].push((to, literal));
        self.incoming[to as usize].push((from, literal));
        Ok(())
    }

    /// Takes back the edge that was added last of those that are left.
    pub fn take_back(&mut self, from: u32, to: u32) {
        self.outgoing[from as usize].pop();
        self.incoming[to as usize].pop();
    }

    /// Changes ranks so that `from` comes before `to`; or the literals of a path back.
    fn make_room(&mut self, from: u32, to: u32) -> Result<(), Vec<Literal>> {
        let (low, high) = (self.rank(to), self.rank(from));
        if high < low {
            return Ok(());
        }
        let mut after = self.reached_from(to, from, high)?;
        let mut before = self.reaching(from, low);
        before.sort_unstable_by_key(|point| self.rank(*point));
        after.sort_unstable_by_key(|point| self.rank(*point));
        let mut ranks: Vec<u32> = before.iter().chain(&after).map(|point| self.rank(*point)).collect();
        ranks.sort_unstable();
        for (&point, rank) in before.iter().chain(&after).zip(ranks) {
            self.rank[point as usize] = rank;
            self.moved.push(point);
        }
        Ok(())
    }

    /// What `begin` reaches up to a rank; or the literals of a path to `end`.
    fn reached_from(&mut self, begin: u32, end: u32, high: u32) -> Result<Vec<u32>, Vec<Literal>> {
        self.round += 1;
        let mut found = vec![begin];
        self.visited[begin as usize] = self.round;
        let mut next = 0;
        while let Some(&point) = found.get(next) {
            next += 1;
            if point == end {
                return Err(self.path(begin, end));
            }
            for &(target, literal) in &self.outgoing[point as usize] {
                self.steps += 1;
                if self.rank[target as usize] <= high && self.visited[target as usize] != self.round {
                    self.visited[target as usize] = self.round;
                    self.parent[target as usize] = (point, literal);
                    found.push(target);
                }
            }
        }
        Ok(found)
    }

    /// What reaches `end` from a rank on.
    fn reaching(&mut self, end: u32, low: u32) -> Vec<u32> {
        let mut found = vec![end];
        self.visited[end as usize] = self.round;
        let mut next = 0;
        while let Some(&point) = found.get(next) {
            next += 1;
            for &(source, _) in &self.incoming[point as usize] {
                self.steps += 1;
                if self.rank[source as usize] >= low && self.visited[source as usize] != self.round {
                    self.visited[source as usize] = self.round;
                    found.push(source);
                }
            }
        }
        found
    }

    fn path(&self, begin: u32, end: u32) -> Vec<Literal> {
        let mut literals = Vec::new();
        let mut point = end;
        while point != begin {
            let (parent, literal) = self.parent[point as usize];
            if literal != NONE {
                literals.push(literal);
            }
            point = parent;
        }
        literals
    }
}
