//! Sequential consistency of reads and writes whose values tell the writes apart.
//!
//! First by saturation: what must come before what in one order for all. Where that makes some read impossible the model
//! is broken, and the inference is the argument. Most histories that break the model break it so.
//!
//! What saturation leaves open is searched, depth first over frontiers (how far each session has come). As each read
//! has one source, four things make that narrow:
//!
//! 1. A write cannot be overwritten while a read of it is still to come. So the value of a key whose reads are still to
//!    come is the same however a frontier was reached, other values matter to nobody, and it is enough to remember
//!    which frontiers were visited.
//! 2. A read that is legal is taken at once.
//! 3. A write that nobody reads is taken as soon as it may be: it is in nobody's way.
//! 4. A write waits for all that saturation says must come before it.
//!
//! The problem is NP-complete also for such histories (Gibbons and Korach 1997), so the search has limits.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use super::causal::cyclic;
use super::graph::{Clocks, Graph};
use super::saturation::{Rules, Saturated, saturate};
use super::sources::{INITIAL, NONE};
use crate::hashing::FastHasher;
use crate::linearizability::Effort;
use crate::model::{Breach, Finding, Step};

/// What saturation alone finds: kept means that it finds nothing wrong.
pub(super) fn saturates(graph: &Graph<'_, '_>) -> Result<Option<Clocks>, Box<Breach>> {
    let order = graph.topological(|_| true).map_err(|on_cycle| Box::new(cyclic(graph, on_cycle)))?;
    match saturate(graph, &order, Rules::OneOrder, &mut 0) {
        Saturated::Open(clocks) => Ok(Some(clocks)),
        // Not everything that follows is known; the clocks that causality gives are right all the same.
        Saturated::Unknown => Ok(Some(Clocks::causal(graph, &order, true))),
        Saturated::Broken(breach) => Err(breach),
    }
}

/// Decides sequential consistency.
pub(super) fn decide(graph: &Graph<'_, '_>, effort: Effort<'_>) -> Finding {
    match saturates(graph) {
        Err(breach) => Finding::Broken(breach),
        Ok(clocks) => Search::new(graph, clocks.as_ref()).run(effort),
    }
}

/// A choice of the search, and what it takes to undo it.
struct Choice {
    /// The chains whose next operation was taken, in order: the chosen write and all that followed at once.
    taken: Vec<u32>,
    /// The keys whose writes these replaced, and by what the keys held before.
    replaced: Vec<(u32, u32)>,
    /// The chains whose writes are still to be tried here, the last first.
    untried: Vec<u32>,
}

struct Search<'g, 't, 'h> {
    graph: &'g Graph<'t, 'h>,
    clocks: Option<&'g Clocks>,
    frontier: Vec<u32>,
    /// What each key holds: a write or [`INITIAL`].
    current: Vec<u32>,
    /// Reads still to come of each write, and of each key's initial value.
    pending: Vec<u32>,
    pending_initial: Vec<u32>,
    /// Whether any read returned the write.
    is_read: Vec<bool>,
    left: usize,
    /// The fewest operations that were ever left, and the frontier then.
    best: (usize, Vec<u32>),
}

impl<'g, 't, 'h> Search<'g, 't, 'h> {
    fn new(graph: &'g Graph<'t, 'h>, clocks: Option<&'g Clocks>) -> Self {
        let mut pending = vec![0; graph.trace.len()];
        let mut pending_initial = vec![0; graph.trace.keys_count];
        for (read, &source) in graph.source.iter().enumerate() {
            match source {
                NONE => {}
                INITIAL => pending_initial[graph.key(read as u32) as usize] += 1,
                source => pending[source as usize] += 1,
            }
        }
        let left = graph.chains.iter().map(Vec::len).sum();
        Self {
            graph,
            clocks,
            frontier: vec![0; graph.width()],
            current: vec![INITIAL; graph.trace.keys_count],
            is_read: pending.iter().map(|&count| count > 0).collect(),
            pending,
            pending_initial,
            left,
            best: (left, vec![0; graph.width()]),
        }
    }

    fn run(mut self, effort: Effort<'_>) -> Finding {
        let mut been: HashSet<Box<[u32]>, BuildHasherDefault<FastHasher>> = HashSet::default();
        let total = self.left;
        let mut first = Choice { taken: Vec::new(), replaced: Vec::new(), untried: Vec::new() };
        self.settle(&mut first);
        first.untried = self.enabled();
        let mut stack = vec![first];
        let mut steps = 0_u64;
        while self.left > 0 {
            let Some(top) = stack.last_mut() else {
                return Finding::Broken(Box::new(self.stuck(total)));
            };
            let Some(chain) = top.untried.pop() else {
                let done = stack.pop().expect("there is a top");
                self.undo(&done);
                continue;
            };
            let mut choice = Choice { taken: Vec::new(), replaced: Vec::new(), untried: Vec::new() };
            self.take(chain, &mut choice);
            self.settle(&mut choice);
            steps += choice.taken.len() as u64;
            if !been.insert(self.frontier.clone().into_boxed_slice()) {
                self.undo(&choice);
                continue;
            }
            if let Some(reason) = self.limit(effort, steps, been.len(), total) {
                return Finding::Unknown { reason };
            }
            choice.untried = self.enabled();
            stack.push(choice);
        }
        Finding::Kept
    }

    fn limit(&self, effort: Effort<'_>, steps: u64, frontiers: usize, total: usize) -> Option<String> {
        let so_far = format!("after {} of {total} operations had been explained", total - self.best.0);
        let limits = effort.limits;
        if steps > limits.steps_max {
            return Some(format!("the limit of {} steps was reached {so_far}", limits.steps_max));
        }
        if frontiers > limits.configurations_max {
            return Some(format!(
                "more than {} frontiers had to be visited {so_far}",
                limits.configurations_max
            ));
        }
        let time = effort.time.filter(|_| frontiers.is_multiple_of(1024))?;
        ((time.elapsed)() > time.time_max)
            .then(|| format!("the time limit of {:?} was reached {so_far}", time.time_max))
    }

    /// The next operation of a chain, if there is one.
    fn head(&self, chain: u32) -> Option<u32> {
        self.graph.chains[chain as usize].get(self.frontier[chain as usize] as usize).copied()
    }

    /// Whether the operation may be next.
    fn is_enabled(&self, operation: u32) -> bool {
        let key = self.graph.key(operation) as usize;
        let source = self.graph.source[operation as usize];
        if source != NONE {
            return self.current[key] == source;
        }
        let to_come = match self.current[key] {
            INITIAL => self.pending_initial[key],
            write => self.pending[write as usize],
        };
        to_come == 0 && self.has_come(operation)
    }

    /// Whether all that must come before the write has.
    fn has_come(&self, write: u32) -> bool {
        let parent = self.graph.parent[write as usize];
        if parent != NONE && !self.graph.has(&self.frontier, parent) {
            return false;
        }
        let Some(clocks) = self.clocks else { return true };
        let own = self.graph.chain_of[write as usize] as usize;
        let due = clocks.of(write).iter().zip(&self.frontier).enumerate();
        due.into_iter().all(|(chain, (due, reached))| due <= reached || chain == own)
    }

    fn take(&mut self, chain: u32, choice: &mut Choice) {
        let operation = self.head(chain).expect("the chain is not at its end");
        let key = self.graph.key(operation) as usize;
        match self.graph.source[operation as usize] {
            NONE => {
                choice.replaced.push((key as u32, self.current[key]));
                self.current[key] = operation;
            }
            INITIAL => self.pending_initial[key] -= 1,
            source => self.pending[source as usize] -= 1,
        }
        self.frontier[chain as usize] += 1;
        self.left -= 1;
        choice.taken.push(chain);
    }

    /// Takes all reads that are legal and all writes that nobody reads, until there are none.
    fn settle(&mut self, choice: &mut Choice) {
        let mut idle = 0;
        let width = self.graph.width();
        let mut chain = 0;
        while idle < width {
            idle += 1;
            while let Some(operation) = self.head(chain as u32) {
                if self.is_read[operation as usize] || !self.is_enabled(operation) {
                    break;
                }
                self.take(chain as u32, choice);
                idle = 0;
            }
            chain = (chain + 1) % width;
        }
        if self.left < self.best.0 {
            self.best = (self.left, self.frontier.clone());
        }
    }

    fn undo(&mut self, choice: &Choice) {
        let mut replaced = choice.replaced.iter().rev();
        for &chain in choice.taken.iter().rev() {
            self.frontier[chain as usize] -= 1;
            self.left += 1;
            let operation = self.head(chain).expect("it was taken");
            match self.graph.source[operation as usize] {
                NONE => {
                    let &(key, before) = replaced.next().expect("each write replaced something");
                    self.current[key as usize] = before;
                }
                INITIAL => self.pending_initial[self.graph.key(operation) as usize] += 1,
                source => self.pending[source as usize] += 1,
            }
        }
    }

    /// The chains whose writes may be next, the one that was invoked first at the end.
    fn enabled(&self) -> Vec<u32> {
        let heads = (0..self.graph.width() as u32).filter_map(|chain| Some((self.head(chain)?, chain)));
        let mut writes: Vec<(u32, u32)> = heads
            .filter(|&(operation, _)| self.graph.is_write(operation) && self.is_enabled(operation))
            .collect();
        // Operations are numbered in the order of their invocation.
        writes.sort_unstable_by(|a, b| b.cmp(a));
        writes.into_iter().map(|(_, chain)| chain).collect()
    }

    /// The longest order that worked, and what stands in the way of a longer one.
    fn stuck(&self, total: usize) -> Breach {
        let graph = self.graph;
        let trace = graph.trace;
        let explained = total - self.best.0;
        let mut breach = Breach {
            anomaly: None,
            sentence: format!(
                "no order of all operations respects every session; the longest that works explains {explained} of \
                 {total}"
            ),
            witness: Vec::new(),
            steps: Vec::new(),
        };
        for (chain, &count) in graph.chains.iter().zip(&self.best.1) {
            let Some(&operation) = chain.get(count as usize) else { continue };
            breach.witness.push(trace.summary(operation));
            let id = trace.id(operation);
            let mut operations = vec![id];
            let text = match graph.source[operation as usize] {
                NONE => format!("{id} would overwrite what is still to be read."),
                INITIAL => format!("{id} returned the first value, which has been overwritten."),
                source => {
                    operations.push(trace.id(source));
                    format!("{id} needs the value of {}, which is not there.", trace.id(source))
                }
            };
            breach.steps.push(Step { text, operations });
        }
        breach
    }
}
