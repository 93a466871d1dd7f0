//! What must come before what, inferred until nothing new follows.
//!
//! Some reads observe; each of them returned the last write of its key before it. So a write of the key that comes
//! before the read, and is not what it returned, comes before what it returned (rule 1). Where there is to be one order
//! for all, also the other half holds: a write that comes after what a read returned comes after the read (rule 2).
//! Both make more come before, until nothing changes, or a read turns out to be impossible: what it returned was
//! overwritten before it.
//!
//! With the reads of one session observing, rule 1 alone is complete: taking the reads in their order, and before each
//! what must come before it, makes an order in which each is right. That is the argument behind CyclicHB and
//! WriteHBInitRead of Bouajjani and others (POPL 2017); it needs of the base order only that it holds for everyone.
//!
//! A pass walks all operations in a topological order of what was known first, and raises their vector clocks; what is
//! inferred against that order arrives in the next pass. Passes go on until nothing changes. Mostly that is a handful;
//! there are histories that need as many as they have writes, so passes have a limit.

use super::argument::{Grounds, Inferred, Rule};
use super::graph::{Clocks, Graph, begin, join};
use super::sources::{Grouped, NONE, grouped};
use crate::model::Breach;

/// How many times all operations are walked.
const PASSES_MAX: usize = 1_000;

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// The observers are the reads of a chain, in its order. Only rule 1 holds.
    View {
        /// Whether the sources of all reads come before them (causal memory), or of the observers only (PRAM).
        causal: bool,
        /// Which chain.
        chain: u32,
    },
    /// All reads observe, and there is one order for all: both rules hold.
    OneOrder,
}

/// What saturation comes to.
pub(super) enum Saturated {
    /// Nothing more follows; the clocks say what must come before each write (with one order: before each operation).
    Open(Clocks),
    /// Some read is impossible.
    Broken(Box<Breach>),
    /// The limit on passes was reached.
    Unknown,
}

/// Infers all that follows. `order` is topological for the sources followed.
pub(super) fn saturate(graph: &Graph<'_, '_>, order: &[u32], rules: Rules, passes: &mut usize) -> Saturated {
    let observer = match rules {
        Rules::View { causal: false, chain } => Some(chain),
        Rules::View { causal: true, .. } | Rules::OneOrder => None,
    };
    let one_order = rules == Rules::OneOrder;
    let last_readers = one_order.then(|| LastReaders::new(graph));
    let mut saturation = Saturation {
        graph,
        rules,
        clocks: Clocks::new(graph, one_order),
        grounds: Grounds::new(graph, observer),
        rolling: vec![0; graph.width() * graph.width()],
        now: vec![0; graph.width()],
        last_readers,
    };
    for pass in 0..PASSES_MAX {
        *passes += 1;
        match saturation.pass(order, pass == 0) {
            Err(breach) => return Saturated::Broken(breach),
            Ok(false) => return Saturated::Open(saturation.clocks),
            Ok(true) => {}
        }
    }
    Saturated::Unknown
}

struct Saturation<'g, 't, 'h> {
    graph: &'g Graph<'t, 'h>,
    rules: Rules,
    clocks: Clocks,
    grounds: Grounds<'g, 't, 'h>,
    /// The clock that each chain has reached.
    rolling: Vec<u32>,
    /// The clock of the operation that is looked at.
    now: Vec<u32>,
    last_readers: Option<LastReaders>,
}

impl Saturation<'_, '_, '_> {
    /// Walks all operations once; whether anything changed that an operation earlier in the order has to hear of. The
    /// first time clocks only arrive at what is known.
    fn pass(&mut self, order: &[u32], is_first: bool) -> Result<bool, Box<Breach>> {
        let mut changed = false;
        self.rolling.fill(0);
        let width = self.graph.width();
        for &operation in order {
            let chain = self.graph.chain_of[operation as usize] as usize;
            let place = chain * width..(chain + 1) * width;
            self.now.copy_from_slice(&self.rolling[place.clone()]);
            begin(self.graph, &self.clocks, operation, &mut self.now);
            if let Some(source) =
                self.graph.written_source(operation).filter(|_| self.grounds.follows(operation))
            {
                join(&mut self.now, self.clocks.of(source));
            }
            if self.clocks.has(operation) {
                // What was inferred before has been joined into the clock itself, and has grown since.
                for before in self.grounds.inferred_before(operation) {
                    join(&mut self.now, self.clocks.of(before));
                }
                changed |= self.clocks.raise(operation, &self.now) && !is_first;
            }
            if self.observes(operation) {
                changed |= self.observe(operation)?;
            }
            if self.last_readers.is_some() && self.graph.is_write(operation) {
                changed |= self.overwrite(operation);
                self.now.copy_from_slice(self.clocks.of(operation));
            }
            self.rolling[place].copy_from_slice(&self.now);
        }
        Ok(changed)
    }

    fn observes(&self, operation: u32) -> bool {
        let index = operation as usize;
        self.graph.source[index] != NONE
            && match self.rules {
                Rules::View { chain, .. } => self.graph.chain_of[index] == chain,
                Rules::OneOrder => true,
            }
    }

    /// Rule 1, for a read whose past is `now`.
    fn observe(&mut self, read: u32) -> Result<bool, Box<Breach>> {
        let graph = self.graph;
        let source = graph.written_source(read);
        let mut changed = false;
        for &slot in graph.slots_of(graph.key(read)) {
            let Some(last) = graph.last_in(slot, &self.now).filter(|&last| Some(last) != source) else {
                continue;
            };
            let Some(source) = source else { return Err(Box::new(self.initial_overwritten(read, last))) };
            if graph.has(self.clocks.of(last), source) {
                return Err(Box::new(self.overwritten(read, source, last)));
            }
            if !graph.has(self.clocks.of(source), last) {
                let rule = Rule::BeforeSource { read };
                self.grounds.infer(Inferred { before: last, after: source, rule });
                self.clocks.raise_to(source, last);
                changed = true;
            }
        }
        Ok(changed)
    }

    /// Rule 2, for a write: readers of what it overwrites come before it.
    fn overwrite(&mut self, write: u32) -> bool {
        let graph = self.graph;
        let readers = self.last_readers.as_ref().expect("only with one order");
        let mut before: Vec<u32> = readers.of_initial.of(graph.key(write)).to_vec();
        let mut past = self.clocks.of(write).to_vec();
        // The write itself is the last of its own slot.
        past[graph.chain_of[write as usize] as usize] -= 1;
        for &slot in graph.slots_of(graph.key(write)) {
            if let Some(last) = graph.last_in(slot, &past) {
                before.extend_from_slice(readers.of_write.of(last));
            }
        }
        let mut changed = false;
        for read in before {
            // A read that comes after the write will be found to be impossible by rule 1.
            if !graph.has(self.clocks.of(write), read) && !graph.has(self.clocks.of(read), write) {
                self.grounds.infer(Inferred { before: read, after: write, rule: Rule::BeforeOverwrite });
                self.clocks.raise_to(write, read);
                changed = true;
            }
        }
        changed
    }

    fn who(&self) -> String {
        match self.rules {
            Rules::OneOrder => "in one order for all".to_owned(),
            Rules::View { chain, .. } => {
                let trace = self.graph.trace;
                let first = self.graph.chains[chain as usize][0];
                format!("in any order for {}", trace.sessions[trace.access(first).session as usize])
            }
        }
    }

    fn initial_overwritten(&self, read: u32, newer: u32) -> Breach {
        let trace = self.graph.trace;
        let sentence = format!(
            "{} returned the first value{}, {}, but {}, {} comes before it",
            trace.id(read),
            trace.of_key(self.graph.key(read)),
            trace.value_text(trace.access(read).value),
            self.who(),
            trace.id(newer)
        );
        self.grounds.breach("WriteHBInitRead", sentence, &[(newer, read)])
    }

    fn overwritten(&self, read: u32, source: u32, newer: u32) -> Breach {
        let trace = self.graph.trace;
        let sentence = format!(
            "{} returned {}{}, which {} wrote, but {}, {} comes between the two",
            trace.id(read),
            trace.value_text(trace.access(read).value),
            trace.of_key(self.graph.key(read)),
            trace.id(source),
            self.who(),
            trace.id(newer)
        );
        self.grounds.breach("CyclicHB", sentence, &[(source, newer), (newer, read)])
    }
}

/// The last reader of each write, and of each key's initial value, in each chain: the others come before it.
struct LastReaders {
    of_write: Grouped,
    of_initial: Grouped,
}

impl LastReaders {
    fn new(graph: &Graph<'_, '_>) -> Self {
        let (mut of_write, mut of_initial) = (Vec::new(), Vec::new());
        let mut is_taken = std::collections::BTreeSet::new();
        for (chain, operations) in graph.chains.iter().enumerate() {
            for &read in operations.iter().rev().filter(|&&read| graph.source[read as usize] != NONE) {
                let group = graph
                    .written_source(read)
                    .map_or_else(|| (false, graph.key(read)), |source| (true, source));
                if !is_taken.insert((chain, group)) {
                    continue;
                }
                if group.0 { of_write.push((group.1, read)) } else { of_initial.push((group.1, read)) }
            }
        }
        Self {
            of_write: grouped(graph.trace.len(), of_write.into_iter()),
            of_initial: grouped(graph.trace.keys_count, of_initial.into_iter()),
        }
    }
}
