//! Sessions as chains, and what each read read from: the graph on which causality is defined.
//!
//! A chain is a session: its answered operations in order. A write that was never answered but is known to have
//! happened, because a read returned it, is a chain of its own that begins after what its client had done before: it
//! may have taken effect late, so nothing its client did afterwards follows it. One that nobody saw may never have
//! happened, and is left out.
//!
//! The past of an operation is a vector clock over the chains: for each chain, how many of its operations from the
//! first are in the past. So a question about order is one comparison, and a clock costs one number a chain.

use super::sources::{Grouped, INITIAL, NONE, grouped};
use super::trace::Trace;

/// How many numbers the clocks of one check may have: a gigabyte.
const CLOCK_NUMBERS_MAX: usize = 1 << 28;

/// The graph of a trace and the sources of its reads. Operations are named by their index in the trace.
pub(super) struct Graph<'t, 'h> {
    pub(super) trace: &'t Trace<'h>,
    pub(super) chains: Vec<Vec<u32>>,
    /// Of each operation; [`NONE`] if it is left out.
    pub(super) chain_of: Vec<u32>,
    /// In its chain, from 1.
    pub(super) position: Vec<u32>,
    /// What comes just before in the session.
    pub(super) parent: Vec<u32>,
    /// Of each read: a write, or [`INITIAL`]. [`NONE`] for writes.
    pub(super) source: Vec<u32>,
    /// Of each write: the pair of its key and its chain, numbered.
    pub(super) slot_of: Vec<u32>,
    /// The writes of each slot, in the order of the chain.
    slot_writes: Grouped,
    /// The slots of each key.
    slots_of_key: Grouped,
    /// The chain of each slot.
    pub(super) slot_chain: Vec<u32>,
    /// Operations that branches begin after: what their clocks begin with has to be kept.
    pub(super) is_fork: Vec<bool>,
}

impl<'t, 'h> Graph<'t, 'h> {
    /// The graph in which reads have these sources; a read whose source is [`NONE`] is left out.
    ///
    /// # Errors
    /// The clocks would need too much memory; why, as a clause.
    pub(super) fn new(trace: &'t Trace<'h>, sources: &[u32]) -> Result<Self, String> {
        let count = trace.len();
        let mut is_seen = vec![false; count];
        for &source in sources.iter().filter(|&&source| source < INITIAL) {
            is_seen[source as usize] = true;
        }
        let mut chains: Vec<Vec<u32>> = vec![Vec::new(); trace.sessions.len()];
        let mut graph = Self {
            trace,
            chains: Vec::new(),
            chain_of: vec![NONE; count],
            position: vec![0; count],
            parent: vec![NONE; count],
            source: vec![NONE; count],
            slot_of: vec![NONE; count],
            slot_writes: Grouped { starts: Vec::new(), items: Vec::new() },
            slots_of_key: Grouped { starts: Vec::new(), items: Vec::new() },
            slot_chain: Vec::new(),
            is_fork: vec![false; count],
        };
        for (index, access) in trace.accesses.iter().enumerate() {
            let session = access.session as usize;
            let parent = chains[session].last().copied().unwrap_or(NONE);
            let chain = match (access.is_write, access.returned) {
                (true, None) if is_seen[index] => {
                    chains.push(Vec::new());
                    if parent != NONE {
                        graph.is_fork[parent as usize] = true;
                    }
                    chains.len() - 1
                }
                (true, None) => continue,
                (false, _) if sources[index] == NONE => continue,
                _ => session,
            };
            chains[chain].push(index as u32);
            graph.chain_of[index] = chain as u32;
            graph.position[index] = chains[chain].len() as u32;
            graph.parent[index] = parent;
            if !access.is_write {
                graph.source[index] = sources[index];
            }
        }
        graph.chains = chains;
        if graph.width().saturating_mul(count) > CLOCK_NUMBERS_MAX {
            return Err(format!(
                "{count} operations in {} sessions need clocks of more than {CLOCK_NUMBERS_MAX} numbers",
                graph.width()
            ));
        }
        graph.number_slots();
        Ok(graph)
    }

    fn number_slots(&mut self) {
        let mut latest = vec![(NONE, NONE); self.trace.keys_count];
        let mut slot_keys = Vec::new();
        let mut pairs = Vec::new();
        for (chain, operations) in self.chains.iter().enumerate() {
            for &operation in operations {
                let access = self.trace.access(operation);
                if !access.is_write {
                    continue;
                }
                let latest = &mut latest[access.key as usize];
                if latest.0 != chain as u32 {
                    *latest = (chain as u32, slot_keys.len() as u32);
                    slot_keys.push(access.key);
                    self.slot_chain.push(chain as u32);
                }
                self.slot_of[operation as usize] = latest.1;
                pairs.push((latest.1, operation));
            }
        }
        self.slot_writes = grouped(slot_keys.len(), pairs.iter().copied());
        let slots = slot_keys.iter().enumerate().map(|(slot, &key)| (key, slot as u32));
        self.slots_of_key = grouped(self.trace.keys_count, slots);
    }

    /// The position of a write of a slot in its chain; the greatest number beyond the last.
    pub(super) fn position_in_slot(&self, slot: u32, place: u32) -> u32 {
        let write = self.writes_of_slot(slot).get(place as usize);
        write.map_or(u32::MAX, |&write| self.position[write as usize])
    }

    /// Number of chains: of the numbers of a clock.
    pub(super) fn width(&self) -> usize {
        self.chains.len()
    }

    pub(super) fn slots(&self) -> usize {
        self.slot_chain.len()
    }

    pub(super) fn slots_of(&self, key: u32) -> &[u32] {
        self.slots_of_key.of(key)
    }

    pub(super) fn writes_of_slot(&self, slot: u32) -> &[u32] {
        self.slot_writes.of(slot)
    }

    pub(super) fn key(&self, operation: u32) -> u32 {
        self.trace.access(operation).key
    }

    pub(super) fn is_write(&self, operation: u32) -> bool {
        self.trace.access(operation).is_write
    }

    /// How far the write reaches into the slots of its key: in units of half a position, so that a write of the slot is
    /// the same or earlier in the session exactly if twice its position is no more. A write that was never answered
    /// reaches beyond what its session had written before, too.
    pub(super) fn reach(&self, write: u32) -> impl Iterator<Item = (u32, u32)> + use<> {
        let index = write as usize;
        let own = (self.slot_of[index], 2 * self.position[index]);
        let parent = self.parent[index];
        let is_branch = self.position[index] == 1 && parent != NONE;
        let of_session = is_branch.then(|| {
            let chain = self.chain_of[parent as usize];
            let mut slots = self.slots_of(self.key(write)).iter().copied();
            let slot = slots.find(|&slot| self.slot_chain[slot as usize] == chain)?;
            Some((slot, 2 * self.position[parent as usize] + 1))
        });
        [Some(own), of_session.flatten()].into_iter().flatten()
    }

    /// The write that the read returned, if it is not the initial value.
    pub(super) fn written_source(&self, read: u32) -> Option<u32> {
        Some(self.source[read as usize]).filter(|&source| source < INITIAL)
    }

    /// Whether a clock has the operation in its past.
    pub(super) fn has(&self, clock: &[u32], operation: u32) -> bool {
        clock[self.chain_of[operation as usize] as usize] >= self.position[operation as usize]
    }

    /// The last write of a slot in the past of a clock.
    pub(super) fn last_in(&self, slot: u32, clock: &[u32]) -> Option<u32> {
        let seen = clock[self.slot_chain[slot as usize] as usize];
        let writes = self.writes_of_slot(slot);
        let count = writes.partition_point(|&write| self.position[write as usize] <= seen);
        count.checked_sub(1).map(|last| writes[last])
    }

    /// All operations in an order that respects sessions, and sources of the reads that `follows` admits.
    ///
    /// # Errors
    /// There is no such order; an operation on a cycle.
    pub(super) fn topological(&self, follows: impl Fn(u32) -> bool) -> Result<Vec<u32>, u32> {
        let mut order = Vec::with_capacity(self.trace.len());
        let mut done = vec![false; self.trace.len()];
        let mut next = vec![0_usize; self.width()];
        // Chains that wait for an operation, as a linked list for each operation.
        let mut waiting = vec![NONE; self.trace.len()];
        let mut waits_with = vec![NONE; self.width()];
        let mut ready: Vec<u32> = (0..self.width() as u32).rev().collect();
        while let Some(chain) = ready.pop() {
            while let Some(&operation) = self.chains[chain as usize].get(next[chain as usize]) {
                if let Some(blocker) = self.blocker(operation, &done, &follows) {
                    waits_with[chain as usize] = waiting[blocker as usize];
                    waiting[blocker as usize] = chain;
                    break;
                }
                order.push(operation);
                done[operation as usize] = true;
                next[chain as usize] += 1;
                let mut waiter = std::mem::replace(&mut waiting[operation as usize], NONE);
                while waiter != NONE {
                    ready.push(waiter);
                    waiter = waits_with[waiter as usize];
                }
            }
        }
        let stuck = (0..self.width()).find(|&chain| next[chain] < self.chains[chain].len());
        let Some(mut chain) = stuck else { return Ok(order) };
        // Each stuck chain waits for another: after so many steps as there are chains one is on the cycle.
        for _ in 0..self.width() {
            let head = self.chains[chain][next[chain]];
            let blocker = self.blocker(head, &done, &follows).expect("a stuck chain waits");
            chain = self.chain_of[blocker as usize] as usize;
        }
        Err(self.chains[chain][next[chain]])
    }

    fn blocker(&self, operation: u32, done: &[bool], follows: &impl Fn(u32) -> bool) -> Option<u32> {
        let undone = |&before: &u32| !done[before as usize];
        let parent = Some(self.parent[operation as usize]).filter(|&parent| parent != NONE).filter(undone);
        let source = || self.written_source(operation).filter(|_| follows(operation)).filter(undone);
        parent.or_else(source)
    }
}

/// Vector clocks of some operations.
#[derive(Clone)]
pub(super) struct Clocks {
    width: usize,
    /// Where the clock of each operation is, in multiples of the width; [`NONE`] if it has none.
    row_of: Vec<u32>,
    numbers: Vec<u32>,
}

impl Clocks {
    /// Room for the clocks of writes, and of what branches begin after; of all operations if `all`.
    pub(super) fn new(graph: &Graph<'_, '_>, all: bool) -> Self {
        let mut rows = 0;
        let row_of = (0..graph.trace.len() as u32).map(|operation| {
            let index = operation as usize;
            let is_kept = all || graph.is_write(operation) || graph.is_fork[index];
            if graph.chain_of[index] == NONE || !is_kept {
                return NONE;
            }
            rows += 1;
            rows - 1
        });
        let row_of = row_of.collect();
        Self { width: graph.width(), row_of, numbers: vec![0; rows as usize * graph.width()] }
    }

    pub(super) fn of(&self, operation: u32) -> &[u32] {
        let from = self.row_of[operation as usize] as usize * self.width;
        &self.numbers[from..from + self.width]
    }

    pub(super) fn has(&self, operation: u32) -> bool {
        self.row_of[operation as usize] != NONE
    }

    /// Raises a clock to another; whether that changed it.
    pub(super) fn raise(&mut self, operation: u32, to: &[u32]) -> bool {
        let from = self.row_of[operation as usize] as usize * self.width;
        join(&mut self.numbers[from..from + self.width], to)
    }

    /// Raises a clock to that of another operation; whether that changed it.
    pub(super) fn raise_to(&mut self, operation: u32, other: u32) -> bool {
        let (to, from) = (
            self.row_of[operation as usize] as usize * self.width,
            self.row_of[other as usize] as usize * self.width,
        );
        let mut changed = false;
        for index in 0..self.width {
            let number = self.numbers[from + index];
            let own = &mut self.numbers[to + index];
            changed |= *own < number;
            *own = (*own).max(number);
        }
        changed
    }

    /// The clocks of causality: sessions and all sources, in a topological order of both.
    pub(super) fn causal(graph: &Graph<'_, '_>, order: &[u32], all: bool) -> Self {
        let mut clocks = Self::new(graph, all);
        let width = graph.width();
        let mut rolling = vec![0; width * width];
        for &operation in order {
            let chain = graph.chain_of[operation as usize] as usize;
            let now = &mut rolling[chain * width..(chain + 1) * width];
            begin(graph, &clocks, operation, now);
            if let Some(source) = graph.written_source(operation) {
                join(now, clocks.of(source));
            }
            if clocks.has(operation) {
                clocks.raise(operation, now);
            }
        }
        clocks
    }
}

/// Counts the operation itself into the clock of its chain, after what a branch begins with.
pub(super) fn begin(graph: &Graph<'_, '_>, clocks: &Clocks, operation: u32, now: &mut [u32]) {
    let index = operation as usize;
    let parent = graph.parent[index];
    if graph.position[index] == 1 && parent != NONE {
        now.copy_from_slice(clocks.of(parent));
    }
    now[graph.chain_of[index] as usize] = graph.position[index];
}

/// The least clock that is not before either; whether that changed the first.
pub(super) fn join(clock: &mut [u32], other: &[u32]) -> bool {
    let mut changed = false;
    for (own, &number) in clock.iter_mut().zip(other) {
        changed |= *own < number;
        *own = (*own).max(number);
    }
    changed
}
