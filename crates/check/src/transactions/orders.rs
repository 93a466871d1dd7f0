//! A search through orders of pairs of writers, learning from every circle.
//!
//! # How it works
//! Each open pair is a variable: which of the two comes first. Choosing adds edges to a graph that must stay without
//! circles; a topological order of it is kept up to date edge by edge (Pearce and Kelly, 2007), so a circle is noticed as
//! it closes. The choices whose edges are in the circle cannot all be made: that is a clause, from which the first unique
//! implication point is learned, as solvers of satisfiability do (Marques-Silva and Sakallah 1999; for circles Bayless et
//! al., AAAI 2015). Variables that were in recent circles are chosen first, with the value that they had last, and at
//! first the one that agrees with the order that the search begins with.
//!
//! A search with hundreds of thousands of choices makes most of them again after every circle. It can do without: where what
//! was learned would lead far back, only the last level is taken back, and what was learned is concluded there all the same
//! (Nadel and Ryvchin, "Chronological backtracking", SAT 2018). It is remembered how far back it would have been known:
//! when the search goes back later, but not as far as that, it is concluded again. As it is, the search goes back as far
//! as it was led ([`BACK_MAX`]): the other way is only tried on small graphs.
//!
//! # What it guarantees
//! An order that is found has no circle. If the empty choice is refuted, there is none.

use std::collections::BinaryHeap;

use super::Effort;
use super::facts::NONE;
use super::graph::View;
use super::search::overtime;

/// A pair whose order is open: the edges between points that each order would add.
#[derive(Clone)]
pub(super) struct Choice {
    pub forth: Vec<(u32, u32)>,
    pub back: Vec<(u32, u32)>,
}

/// What came out.
pub(super) enum Outcome {
    Found,
    Impossible,
    GivenUp(String),
}

/// How many levels what was learned may lead back.
const BACK_MAX: u32 = u32::MAX;
/// How many decisions pass between two looks at the clock.
const CLOCK_INTERVAL: u64 = 1024;

/// Searches. `order` has all points in an order that all edges of the view follow; the choices that agree with it are
/// tried first.
pub(super) fn search(view: &View<'_>, order: &[u32], choices: Vec<Choice>, effort: &Effort<'_>) -> Outcome {
    solve(Solver::new(view, order, choices), effort)
}

fn solve(mut solver: Solver, effort: &Effort<'_>) -> Outcome {
    let mut decisions = 0u64;
    loop {
        while let Err(circle) = solver.propagate() {
            if !solver.learn(circle) {
                return Outcome::Impossible;
            }
        }
        decisions += 1;
        if solver.steps > effort.steps_max {
            return Outcome::GivenUp(format!(
                "the limit of {} steps was reached in the search for an order of versions",
                effort.steps_max
            ));
        }
        if decisions.is_multiple_of(CLOCK_INTERVAL) && overtime(effort) {
            return Outcome::GivenUp(
                "the time limit was reached in the search for an order of versions".into(),
            );
        }
        if !solver.decide() {
            return Outcome::Found;
        }
    }
}

/// What came of a conflict.
enum Learned {
    /// A literal was concluded.
    Concluded,
    /// These are true still and cannot be.
    Still(Vec<Literal>),
    /// They cannot be whatever is chosen.
    NothingLeft,
}

/// A literal: choice `l / 2`, forth if even and back if odd.
type Literal = u32;

struct Solver {
    choices: Vec<Choice>,
    /// By point: edges out and in, each with the literal that it depends on ([`NONE`] if none).
    outgoing: Vec<Vec<(u32, Literal)>>,
    incoming: Vec<Vec<(u32, Literal)>>,
    /// By point: its place in a topological order.
    rank: Vec<u32>,
    /// By literal: whether it was chosen, when that happened, and the clause that made it so.
    is_true: Vec<bool>,
    level: Vec<u32>,
    /// By choice: the level at which its clause made it so, if that is an earlier one.
    known_at: Vec<u32>,
    reason: Vec<u32>,
    trail: Vec<Literal>,
    /// How long the trail was when each decision was made, and how many of its edges are in the graph.
    levels: Vec<usize>,
    /// How much of the trail has its edges in the graph, and how much was propagated through clauses.
    edged: usize,
    propagated: usize,
    clauses: Vec<Vec<Literal>>,
    /// By literal: clauses that watch for it to become false.
    watches: Vec<Vec<u32>>,
    phase: Vec<bool>,
    activity: Vec<f64>,
    bump: f64,
    queue: BinaryHeap<(u64, u32)>,
    /// By point: the search that visited it last, and from where.
    visited: Vec<u32>,
    parent: Vec<(u32, Literal)>,
    round: u32,
    /// By choice: the last conflict that it had a part in; and how many conflicts there were.
    marked: Vec<u32>,
    conflicts: u32,
    steps: u64,
    /// How many levels what was learned may lead back.
    back_max: u32,
}

impl Solver {
    fn new(view: &View<'_>, order: &[u32], choices: Vec<Choice>) -> Self {
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
        let count = choices.len();
        let phase = choices
            .iter()
            .map(|choice| rank[choice.forth[0].0 as usize] < rank[choice.back[0].0 as usize])
            .collect();
        Self {
            choices,
            outgoing,
            incoming,
            rank,
            is_true: vec![false; 2 * count],
            level: vec![0; count],
            known_at: vec![0; count],
            reason: vec![NONE; count],
            trail: Vec::new(),
            levels: Vec::new(),
            edged: 0,
            propagated: 0,
            clauses: Vec::new(),
            watches: vec![Vec::new(); 2 * count],
            phase,
            activity: vec![0.0; count],
            bump: 1.0,
            queue: (0..count as u32).map(|choice| (0, choice)).collect(),
            visited: vec![0; points],
            parent: vec![(NONE, NONE); points],
            round: 0,
            marked: vec![0; count],
            conflicts: 0,
            steps: 0,
            back_max: BACK_MAX,
        }
    }

    /// Makes the next open choice; false when none is open.
    fn decide(&mut self) -> bool {
        while let Some((_, choice)) = self.queue.pop() {
            let forth = 2 * choice;
            if self.is_true[forth as usize] || self.is_true[forth as usize + 1] {
                continue;
            }
            self.levels.push(self.trail.len());
            let level = self.levels.len() as u32;
            self.set(forth + u32::from(!self.phase[choice as usize]), NONE, level);
            return true;
        }
        false
    }

    fn set(&mut self, literal: Literal, reason: u32, known_at: u32) {
        let choice = literal as usize / 2;
        self.known_at[choice] = known_at;
        self.is_true[literal as usize] = true;
        self.level[choice] = self.levels.len() as u32;
        self.reason[choice] = reason;
        self.trail.push(literal);
    }

    /// Draws all conclusions; or literals that are all true and cannot be.
    fn propagate(&mut self) -> Result<(), Vec<Literal>> {
        loop {
            if self.propagated < self.trail.len() {
                let literal = self.trail[self.propagated];
                self.propagated += 1;
                self.visit_clauses(literal ^ 1)?;
            } else if self.edged < self.trail.len() {
                let literal = self.trail[self.edged];
                self.add_edges(literal)?;
                self.edged += 1;
            } else {
                return Ok(());
            }
        }
    }

    /// A literal has become false: the clauses that watch it watch another, or conclude their last.
    fn visit_clauses(&mut self, falsified: Literal) -> Result<(), Vec<Literal>> {
        let mut watching = std::mem::take(&mut self.watches[falsified as usize]);
        let mut index = 0;
        while index < watching.len() {
            self.steps += 1;
            let number = watching[index];
            let clause = &mut self.clauses[number as usize];
            if clause[0] == falsified {
                clause.swap(0, 1);
            }
            let first = clause[0];
            if self.is_true[first as usize] {
                index += 1;
                continue;
            }
            let other = (2..clause.len()).find(|&place| !self.is_true[(clause[place] ^ 1) as usize]);
            if let Some(place) = other {
                clause.swap(1, place);
                self.watches[clause[1] as usize].push(number);
                watching.swap_remove(index);
            } else if self.is_true[(first ^ 1) as usize] {
                let conflict = clause.iter().map(|literal| literal ^ 1).collect();
                self.watches[falsified as usize].extend(watching);
                return Err(conflict);
            } else {
                let level = self.levels.len() as u32;
                self.set(first, number, level);
                index += 1;
            }
        }
        self.watches[falsified as usize].extend(watching);
        Ok(())
    }

    fn add_edges(&mut self, literal: Literal) -> Result<(), Vec<Literal>> {
        let choice = &self.choices[literal as usize / 2];
        let edges = if literal.is_multiple_of(2) { choice.forth.clone() } else { choice.back.clone() };
        for (added, &(from, to)) in edges.iter().enumerate() {
            if let Err(mut circle) = self.make_room(from, to) {
                circle.push(literal);
                circle.sort_unstable();
                circle.dedup();
                for &(from, to) in edges[..added].iter().rev() {
                    self.outgoing[from as usize].pop();
                    self.incoming[to as usize].pop();
                }
                return Err(circle);
            }
            self.outgoing[from as usize].push((to, literal));
            self.incoming[to as usize].push((from, literal));
        }
        Ok(())
    }

    /// Changes ranks so that `from` comes before `to` (Pearce and Kelly 2007); or the literals of a path back.
    fn make_room(&mut self, from: u32, to: u32) -> Result<(), Vec<Literal>> {
        let (low, high) = (self.rank[to as usize], self.rank[from as usize]);
        if high < low {
            return Ok(());
        }
        self.round += 1;
        let mut after = vec![to];
        self.visited[to as usize] = self.round;
        let mut next = 0;
        while let Some(&point) = after.get(next) {
            next += 1;
            if point == from {
                return Err(self.path(to, from));
            }
            for &(target, literal) in &self.outgoing[point as usize] {
                self.steps += 1;
                if self.rank[target as usize] <= high && self.visited[target as usize] != self.round {
                    self.visited[target as usize] = self.round;
                    self.parent[target as usize] = (point, literal);
                    after.push(target);
                }
            }
        }
        let mut before = vec![from];
        self.visited[from as usize] = self.round;
        let mut next = 0;
        while let Some(&point) = before.get(next) {
            next += 1;
            for &(source, _) in &self.incoming[point as usize] {
                self.steps += 1;
                if self.rank[source as usize] >= low && self.visited[source as usize] != self.round {
                    self.visited[source as usize] = self.round;
                    before.push(source);
                }
            }
        }
        before.sort_unstable_by_key(|point| self.rank[*point as usize]);
        after.sort_unstable_by_key(|point| self.rank[*point as usize]);
        let mut ranks: Vec<u32> =
            before.iter().chain(&after).map(|point| self.rank[*point as usize]).collect();
        ranks.sort_unstable();
        for (point, rank) in before.iter().chain(&after).zip(ranks) {
            self.rank[*point as usize] = rank;
        }
        Ok(())
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

    /// Learns from literals that cannot all be true, and goes back to where that matters; false if nothing is left.
    fn learn(&mut self, mut conflict: Vec<Literal>) -> bool {
        loop {
            match self.learn_once(conflict) {
                Learned::Concluded => return true,
                Learned::Still(other) => conflict = other,
                Learned::NothingLeft => return false,
            }
        }
    }

    fn learn_once(&mut self, conflict: Vec<Literal>) -> Learned {
        let level_of = |solver: &Self, literal: Literal| solver.level[literal as usize / 2];
        let deepest = conflict.iter().map(|literal| level_of(self, *literal)).max().unwrap_or(0);
        if deepest == 0 {
            return Learned::NothingLeft;
        }
        self.undo_to(deepest as usize);
        self.conflicts += 1;
        let mut learned: Vec<Literal> = Vec::new();
        let mut open = 0;
        let mut pending = conflict;
        let mut place = self.trail.len();
        let point = loop {
            for literal in pending.drain(..) {
                let choice = literal as usize / 2;
                if self.marked[choice] == self.conflicts || self.level[choice] == 0 {
                    continue;
                }
                self.marked[choice] = self.conflicts;
                self.raise(choice);
                if self.level[choice] == deepest {
                    open += 1;
                } else {
                    learned.push(literal ^ 1);
                }
            }
            let literal = loop {
                place -= 1;
                let literal = self.trail[place];
                if self.marked[literal as usize / 2] == self.conflicts && level_of(self, literal) == deepest {
                    break literal;
                }
            };
            open -= 1;
            if open == 0 {
                break literal;
            }
            let reason = self.reason[literal as usize / 2];
            let clause = &self.clauses[reason as usize];
            pending.extend(clause.iter().filter(|other| **other != literal).map(|other| other ^ 1));
        };
        self.bump /= 0.95;
        let back_to = learned.iter().map(|literal| level_of(self, *literal)).max().unwrap_or(0);
        // The asserting literal first, then one of the level gone back to.
        learned.sort_unstable_by_key(|literal| std::cmp::Reverse(level_of(self, *literal)));
        learned.insert(0, point ^ 1);
        let is_far = deepest - back_to > self.back_max;
        self.undo_to(if is_far { deepest - 1 } else { back_to } as usize);
        if self.is_true[point as usize] {
            // It was known further back than it had been concluded, and so the literals meet there, too.
            return Learned::Still(learned.into_iter().map(|literal| literal ^ 1).collect());
        }
        self.set_learned(learned, back_to);
        Learned::Concluded
    }

    fn set_learned(&mut self, learned: Vec<Literal>, known_at: u32) {
        let asserted = learned[0];
        let number = self.clauses.len() as u32;
        if let [first, second, ..] = learned[..] {
            self.watches[first as usize].push(number);
            self.watches[second as usize].push(number);
        }
        self.clauses.push(learned);
        self.set(asserted, number, known_at);
    }

    fn raise(&mut self, choice: usize) {
        self.activity[choice] += self.bump;
        if self.activity[choice] > 1e100 {
            self.activity.iter_mut().for_each(|activity| *activity *= 1e-100);
            self.bump *= 1e-100;
        }
        // Bits of non-negative floats are in the order of the floats.
        self.queue.push((self.activity[choice].to_bits(), choice as u32));
    }

    /// Takes back all choices above a level, but for what is known at that level.
    fn undo_to(&mut self, level: usize) {
        if self.levels.len() <= level {
            return;
        }
        let length = self.levels[level];
        self.levels.truncate(level);
        let mut still_known = Vec::new();
        while self.trail.len() > length {
            let literal = self.trail.pop().expect("the trail is longer than that");
            let choice = literal as usize / 2;
            if self.trail.len() < self.edged {
                let choice = &self.choices[choice];
                let edges = if literal.is_multiple_of(2) { &choice.forth } else { &choice.back };
                for &(from, to) in edges.iter().rev() {
                    self.outgoing[from as usize].pop();
                    self.incoming[to as usize].pop();
                }
                self.edged = self.trail.len();
            }
            self.is_true[literal as usize] = false;
            self.phase[choice] = literal.is_multiple_of(2);
            if self.known_at[choice] as usize <= level {
                still_known.push(literal);
            } else {
                self.queue.push((self.activity[choice].to_bits(), choice as u32));
            }
        }
        self.propagated = self.propagated.min(length);
        for literal in still_known.into_iter().rev() {
            let choice = literal as usize / 2;
            self.set(literal, self.reason[choice], self.known_at[choice]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::anomaly::Dependency;
    use super::super::graph::{Graph, GraphBuilder, Kinds, Label, Points, components};
    use super::*;
    use crate::generate::Random;

    const POINTS: u64 = 9;

    fn graph(edges: &[(u32, u32)]) -> Graph {
        let mut builder = GraphBuilder::new(POINTS as u32);
        for &(from, to) in edges {
            builder.edge(from, to, Label::new(Dependency::WriteWrite, 0));
        }
        builder.finish()
    }

    fn view(graph: &Graph) -> View<'_> {
        View { graph, kinds: Kinds::DATA, points: Points::One }
    }

    fn random_edge(random: &mut Random) -> (u32, u32) {
        let from = random.below(POINTS);
        (from as u32, ((from + 1 + random.below(POINTS - 1)) % POINTS) as u32)
    }

    /// The points in an order that all edges follow, or `None` if there is none (Kahn 1962).
    fn topological(view: &View<'_>) -> Option<Vec<u32>> {
        let mut incoming = vec![0u32; view.len()];
        let each = |point: u32, with: &mut dyn FnMut(u32)| {
            let mut cursor = 0;
            while let Some((to, _, next)) = view.next(point, cursor) {
                cursor = next;
                with(to);
            }
        };
        (0..view.len() as u32).for_each(|point| each(point, &mut |to| incoming[to as usize] += 1));
        let mut order: Vec<u32> =
            (0..view.len() as u32).filter(|point| incoming[*point as usize] == 0).collect();
        let mut done = 0;
        while let Some(&point) = order.get(done) {
            done += 1;
            each(point, &mut |to| {
                incoming[to as usize] -= 1;
                if incoming[to as usize] == 0 {
                    order.push(to);
                }
            });
        }
        (order.len() == view.len()).then_some(order)
    }

    #[test]
    fn a_search_agrees_with_trying_everything() {
        let mut random = Random::new(11);
        let (mut found, mut refuted) = (0, 0);
        for _ in 0..12_000 {
            let known: Vec<(u32, u32)> = (0..random.below(4)).map(|_| random_edge(&mut random)).collect();
            let pairs: Vec<[Vec<(u32, u32)>; 2]> = (0..1 + random.below(9))
                .map(|_| [0, 1].map(|_| (0..1 + random.below(3)).map(|_| random_edge(&mut random)).collect()))
                .collect();
            let is_possible = (0..1u32 << pairs.len()).any(|chosen| {
                let mut edges = known.clone();
                for (index, pair) in pairs.iter().enumerate() {
                    edges.extend(&pair[(chosen >> index & 1) as usize]);
                }
                components(&view(&graph(&edges))).is_empty()
            });
            let choices =
                pairs.iter().map(|[forth, back]| Choice { forth: forth.clone(), back: back.clone() });
            let known_graph = graph(&known);
            let known_view = view(&known_graph);
            let choices: Vec<Choice> = choices.collect();
            let order = topological(&known_view);
            for back_max in [BACK_MAX, 1, 0] {
                let outcome = match &order {
                    Some(order) => {
                        let solver = Solver::new(&known_view, order, choices.clone());
                        solve(Solver { back_max, ..solver }, &Effort::default())
                    }
                    None => Outcome::Impossible,
                };
                match outcome {
                    Outcome::Found => found += 1,
                    Outcome::Impossible => refuted += 1,
                    Outcome::GivenUp(reason) => panic!("expected an answer, found {reason}"),
                }
                assert_eq!(matches!(outcome, Outcome::Found), is_possible, "{known:?}, {pairs:?}");
            }
        }
        assert!(found > 1_000 && refuted > 1_000, "expected both often: {found} found, {refuted} refuted");
    }

    #[test]
    fn a_limit_is_no_answer() {
        let effort = Effort { steps_max: 0, time: None };
        // The order that is tried first is a circle in itself: finding that out takes more than no step.
        let costly = Choice { forth: vec![(0, 1), (1, 0)], back: vec![(2, 3)] };
        let free = Choice { forth: vec![(4, 5)], back: vec![(5, 4)] };
        let outcome = search(&view(&graph(&[])), &[0, 1, 2, 3, 4, 5, 6, 7, 8], vec![costly, free], &effort);
        assert!(matches!(outcome, Outcome::GivenUp(_)));
    }
}
