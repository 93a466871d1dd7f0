//! A search for an order of the versions of each key, learning from every circle.
//!
//! # How it works
//! The search holds a ranking: all points in an order that every edge known so far follows ([`ranking`]). Where the
//! writers of each key, taken in that order, explain who read whom, it is done, and there is nothing to choose: of
//! hundreds of thousands of pairs of writers nearly all are never looked at. Where a version is still to be read when the
//! next is written, the two writers are a variable: which comes first. Choosing adds the edges that follow, and the
//! ranking changes where it must. (Theories are attached to solvers like that, with what is not in conflict left open:
//! "Lazy satisfiability modulo theories", Sebastiani 2007.)
//!
//! When an edge would close a circle, the choices whose edges are in the circle cannot all be made: that is a clause, from
//! which the first unique implication point is learned, as solvers of satisfiability do (Marques-Silva and Sakallah 1999;
//! for circles Bayless et al., AAAI 2015). Variables that were in recent circles are chosen first, then those that come
//! early in the ranking; the writer that stands first in the ranking is tried first. The ranking is kept when choices are
//! taken back: it is one of fewer edges, too, and remembers what was found elsewhere.
//!
//! # What it guarantees
//! A ranking that explains all keys is an explanation of the history: between two writers that do not follow one another
//! stand others, and who read the first comes before the next. If the empty choice is refuted, there is none.
//!
//! # What it costs
//! Memory is linear in the history but for what is learned, which is bounded by forgetting long clauses. In a history
//! that nearly follows the guess the search begins with, time is that of looking at the keys near what it changes.

mod ranking;
mod versions;

use std::collections::{BinaryHeap, HashMap};
use std::hash::BuildHasherDefault;

use crate::hashing::FastHasher;

use super::Effort;
use super::facts::NONE;
use super::graph::View;
use super::search::{Question, Readers, overtime};
use ranking::{Literal, Ranking};
use versions::{Pair, Versions};

/// What came out.
pub(super) enum Outcome {
    Found,
    Impossible,
    GivenUp(String),
}

/// How many decisions pass between two looks at the clock.
const CLOCK_INTERVAL: u64 = 256;
/// Conflicts before the first restart, and what the multiples of Luby's sequence are of.
const RESTART_CONFLICTS: u64 = 64;
/// Literals in learned clauses, above which the longer half is forgotten at a restart: 64 MB.
const LEARNED_LITERALS_MAX: usize = 16 << 20;

/// Searches. `order` has all points in an order that all edges of the view follow.
pub(super) fn search(
    question: &Question<'_>,
    readers: &Readers<'_>,
    view: &View<'_>,
    order: &[u32],
    effort: &Effort<'_>,
) -> Outcome {
    let mut solver = Solver::new(Versions::new(question, readers), Ranking::new(view, order));
    let mut decisions = 0u64;
    loop {
        while let Err(conflict) = solver.propagate() {
            if !solver.learn(conflict) {
                return Outcome::Impossible;
            }
        }
        decisions += 1;
        if solver.steps + solver.ranking.steps > effort.steps_max {
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
        if solver.restarts() {
            continue;
        }
        if !solver.decide() {
            return Outcome::Found;
        }
    }
}

struct Solver<'a> {
    versions: Versions<'a>,
    ranking: Ranking,
    /// The variables: pairs of which something was concluded or is to be decided.
    pairs: Vec<Pair>,
    numbers: HashMap<Pair, u32, BuildHasherDefault<FastHasher>>,
    /// By literal: whether it holds; by variable: since which level, and the clause that made it so.
    is_true: Vec<bool>,
    level: Vec<u32>,
    reason: Vec<u32>,
    trail: Vec<Literal>,
    /// How long the trail was when each decision was made.
    levels: Vec<usize>,
    /// How much of the trail has its edges in the graph, and how much was propagated through clauses.
    edged: usize,
    propagated: usize,
    clauses: Vec<Vec<Literal>>,
    clause_literals: usize,
    /// By literal: clauses that watch for it to become false.
    watches: Vec<Vec<u32>>,
    activity: Vec<f64>,
    bump: f64,
    /// Variables that may have to be decided: activity, how early, number.
    queue: BinaryHeap<(u64, u32, u32)>,
    /// By variable: the last conflict that it had a part in; and how many conflicts there were.
    marked: Vec<u32>,
    conflicts: u32,
    /// Conflicts until the next restart, and how many restarts there were.
    restart_in: u64,
    restarts: u64,
    steps: u64,
}

impl<'a> Solver<'a> {
    fn new(versions: Versions<'a>, ranking: Ranking) -> Self {
        Self {
            versions,
            ranking,
            pairs: Vec::new(),
            numbers: HashMap::default(),
            is_true: Vec::new(),
            level: Vec::new(),
            reason: Vec::new(),
            trail: Vec::new(),
            levels: Vec::new(),
            edged: 0,
            propagated: 0,
            clauses: Vec::new(),
            clause_literals: 0,
            watches: Vec::new(),
            activity: Vec::new(),
            bump: 1.0,
            queue: BinaryHeap::new(),
            marked: Vec::new(),
            conflicts: 0,
            restart_in: RESTART_CONFLICTS,
            restarts: 0,
            steps: 0,
        }
    }

    /// Decides on a pair of which the ranking does not explain either order; false if there is none.
    fn decide(&mut self) -> bool {
        for point in self.ranking.take_moved() {
            self.versions.touch(point);
        }
        let mut unexplained = Vec::new();
        self.steps += self.versions.unexplained(&self.ranking, |pair| unexplained.push(pair));
        for pair in unexplained {
            let variable = self.variable(pair);
            self.enqueue(variable);
        }
        while let Some((_, _, variable)) = self.queue.pop() {
            self.steps += 1;
            let forth = 2 * variable;
            if self.is_true[forth as usize] || self.is_true[forth as usize + 1] {
                continue;
            }
            let pair = self.pairs[variable as usize];
            let ranked = self.versions.as_ranked(&self.ranking, pair);
            if !self.versions.is_followed(&self.ranking, ranked) {
                self.levels.push(self.trail.len());
                self.set(forth + u32::from(ranked != pair), NONE);
                return true;
            }
        }
        false
    }

    /// The number of a pair.
    fn variable(&mut self, pair: Pair) -> u32 {
        let pair = pair.named();
        if let Some(&known) = self.numbers.get(&pair) {
            return known;
        }
        let variable = self.pairs.len() as u32;
        self.numbers.insert(pair, variable);
        self.pairs.push(pair);
        self.is_true.extend([false, false]);
        self.watches.extend([Vec::new(), Vec::new()]);
        self.level.push(0);
        self.reason.push(NONE);
        self.activity.push(0.0);
        self.marked.push(0);
        variable
    }

    /// The variable may have to be decided.
    fn enqueue(&mut self, variable: u32) {
        // Bits of non-negative floats are in the order of the floats.
        let activity = self.activity[variable as usize].to_bits();
        let pair = self.versions.as_ranked(&self.ranking, self.pairs[variable as usize]);
        let early = u32::MAX - self.ranking.rank(self.versions.commit(pair.first));
        self.queue.push((activity, early, variable));
    }

    fn edges(&self, literal: Literal) -> Vec<(u32, u32)> {
        let pair = self.pairs[literal as usize / 2];
        self.versions.edges(if literal.is_multiple_of(2) { pair } else { pair.swapped() }).collect()
    }

    fn set(&mut self, literal: Literal, reason: u32) {
        let variable = literal as usize / 2;
        self.is_true[literal as usize] = true;
        self.level[variable] = self.levels.len() as u32;
        self.reason[variable] = reason;
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
                self.set(first, number);
                index += 1;
            }
        }
        self.watches[falsified as usize].extend(watching);
        Ok(())
    }

    fn add_edges(&mut self, literal: Literal) -> Result<(), Vec<Literal>> {
        let edges = self.edges(literal);
        for (added, &(from, to)) in edges.iter().enumerate() {
            if let Err(mut circle) = self.ranking.add(from, to, literal) {
                circle.push(literal);
                circle.sort_unstable();
                circle.dedup();
                edges[..added].iter().rev().for_each(|&(from, to)| self.ranking.take_back(from, to));
                return Err(circle);
            }
        }
        Ok(())
    }

    /// Learns from literals that cannot all be true, and goes back to where that matters; false if nothing is left.
    fn learn(&mut self, conflict: Vec<Literal>) -> bool {
        let deepest = conflict.iter().map(|literal| self.level_of(*literal)).max().unwrap_or(0);
        if deepest == 0 {
            return false;
        }
        // What was chosen later has no part in it.
        self.undo_to(deepest as usize);
        self.conflicts += 1;
        self.restart_in = self.restart_in.saturating_sub(1);
        let mut learned: Vec<Literal> = vec![NONE];
        let mut open = 0;
        let mut pending = conflict;
        let mut place = self.trail.len();
        let point = loop {
            for literal in pending.drain(..) {
                let variable = literal as usize / 2;
                if self.marked[variable] == self.conflicts || self.level[variable] == 0 {
                    continue;
                }
                self.marked[variable] = self.conflicts;
                self.raise(variable);
                if self.level[variable] == deepest {
                    open += 1;
                } else {
                    learned.push(literal ^ 1);
                }
            }
            let literal = loop {
                place -= 1;
                let literal = self.trail[place];
                if self.marked[literal as usize / 2] == self.conflicts {
                    break literal;
                }
            };
            open -= 1;
            if open == 0 {
                break literal;
            }
            let clause = &self.clauses[self.reason[literal as usize / 2] as usize];
            pending.extend(clause.iter().filter(|other| **other != literal).map(|other| other ^ 1));
        };
        self.bump /= 0.95;
        // The literal that is concluded first, then one of the level gone back to.
        learned[0] = point ^ 1;
        learned[1..].sort_unstable_by_key(|literal| std::cmp::Reverse(self.level[*literal as usize / 2]));
        let back_to = learned.get(1).map_or(0, |literal| self.level_of(*literal));
        self.undo_to(back_to as usize);
        self.conclude(learned);
        true
    }

    fn level_of(&self, literal: Literal) -> u32 {
        self.level[literal as usize / 2]
    }

    /// Keeps a clause, and sets its first literal, which is all that is left of it.
    fn conclude(&mut self, learned: Vec<Literal>) {
        let asserted = learned[0];
        self.keep(learned);
        self.set(asserted, self.clauses.len() as u32 - 1);
    }

    fn keep(&mut self, clause: Vec<Literal>) {
        let number = self.clauses.len() as u32;
        if let [first, second, ..] = clause[..] {
            self.watches[first as usize].push(number);
            self.watches[second as usize].push(number);
        }
        self.clause_literals += clause.len();
        self.clauses.push(clause);
    }

    fn raise(&mut self, variable: usize) {
        self.activity[variable] += self.bump;
        if self.activity[variable] > 1e100 {
            self.activity.iter_mut().for_each(|activity| *activity *= 1e-100);
            self.bump *= 1e-100;
        }
    }

    /// Takes back all choices above a level. What is still unexplained then may have to be decided again.
    fn undo_to(&mut self, level: usize) {
        if self.levels.len() <= level {
            return;
        }
        let length = self.levels[level];
        self.levels.truncate(level);
        while self.trail.len() > length {
            let literal = self.trail.pop().expect("the trail is longer than that");
            if self.trail.len() < self.edged {
                for (from, to) in self.edges(literal).into_iter().rev() {
                    self.ranking.take_back(from, to);
                }
                self.edged = self.trail.len();
            }
            self.is_true[literal as usize] = false;
            self.enqueue(literal / 2);
        }
        self.propagated = self.propagated.min(length);
    }

    /// Now and then all choices are taken back, to begin with what was learned to matter; whether that happened.
    fn restarts(&mut self) -> bool {
        if self.restart_in > 0 {
            return false;
        }
        self.restarts += 1;
        self.restart_in = RESTART_CONFLICTS * luby(self.restarts);
        self.undo_to(0);
        self.queue.clear();
        (0..self.pairs.len() as u32).for_each(|variable| self.enqueue(variable));
        if self.clause_literals > LEARNED_LITERALS_MAX {
            self.forget_clauses();
        }
        true
    }

    /// Forgets the longer half of the clauses, at a time when none is a reason that will be asked for. Those that are left
    /// watch again from the start: with all that holds for certain taken out of them.
    fn forget_clauses(&mut self) {
        let mut clauses = std::mem::take(&mut self.clauses);
        self.clause_literals = 0;
        self.watches.iter_mut().for_each(Vec::clear);
        clauses.sort_by_key(Vec::len);
        let (mut kept, mut seen) = (0, 0);
        let half = clauses.iter().map(Vec::len).sum::<usize>() / 2;
        while seen < half {
            seen += clauses[kept].len();
            kept += 1;
        }
        for mut clause in clauses.into_iter().take(kept) {
            let holds = clause.iter().any(|literal| self.is_true[*literal as usize]);
            clause.retain(|literal| !self.is_true[(*literal ^ 1) as usize]);
            if !holds && clause.len() > 1 {
                self.keep(clause);
            }
        }
    }
}

/// The sequence 1, 1, 2, 1, 1, 2, 4, ... from index 1 (Luby, Sinclair and Zuckerman 1993).
fn luby(mut index: u64) -> u64 {
    loop {
        let power = (index + 1).next_power_of_two();
        if power == index + 1 {
            return power / 2;
        }
        index -= power / 2 - 1;
    }
}

#[cfg(test)]
mod tests;
