//! Writes follow reads, the fourth session guarantee.
//!
//! A write *follows* what its session had read before it, and what those reads' sources follow in turn. Whoever sees a
//! write has seen what it follows. As in the module `sessions`, versions of one key that one session wrote are in that
//! session's order. So the guarantee is broken if
//!
//! - writes follow each other in a circle (then causality is one, and the other way round: a cycle of causality enters
//!   a session by a read and leaves it by a later write), or
//! - a read returns the initial value of a key, though another session's read of that key that returned a write is in
//!   its past (of sessions and of what reads returned), or
//! - a read returns a write that is older than, or that is followed by, what some read of the key in its past returned.
//!
//! What a session's own earlier reads returned counts only for what they follow: the rest is monotonic reads. The guarantee
//! follows from causal consistency.
//!
//! # What it costs
//!
//! For each write and each session that wrote its key, a search for each session that read it: operations times the
//! square of the sessions times a logarithm, in time. Where one session writes a key, as in many systems, much less.

use super::argument::Grounds;
use super::causal::cyclic;
use super::graph::{Clocks, Graph, begin, join};
use super::sources::{Grouped, INITIAL, NONE, grouped};
use crate::model::{Breach, Finding};

/// How many entries the lists of what follows what may have.
const ENTRIES_MAX: usize = 1 << 27;

/// Decides writes follow reads.
pub(super) fn decide(graph: &Graph<'_, '_>) -> Finding {
    let order = match graph.topological(|_| true) {
        Ok(order) => order,
        Err(on_cycle) => return Finding::Broken(Box::new(cyclic(graph, on_cycle))),
    };
    let clocks = Clocks::causal(graph, &order, false);
    let reads = Reads::new(graph);
    let exposed = Exposed::new(graph);
    let Some(followed) = Followed::new(graph, &clocks, &exposed) else {
        let reason =
            "too many writes of one key by too many sessions: what follows what does not fit in memory";
        return Finding::Unknown { reason: reason.to_owned() };
    };
    let mut now = vec![0; graph.width()];
    for (chain, operations) in graph.chains.iter().enumerate() {
        now.fill(0);
        for &read in operations {
            begin(graph, &clocks, read, &mut now);
            let source = graph.source[read as usize];
            if source == NONE {
                continue;
            }
            if source == INITIAL {
                if let Some(before) = reads.first_written(graph, read, &now, chain as u32) {
                    return Finding::Broken(Box::new(breach(graph, read, None, before)));
                }
                continue;
            }
            join(&mut now, clocks.of(source));
            let (slot, position) = (graph.slot_of[source as usize], 2 * graph.position[source as usize]);
            if let Some((best, before)) = exposed.furthest(slot, &now, Some(chain as u32))
                && best > position
            {
                return Finding::Broken(Box::new(breach(graph, read, None, before)));
            }
            if let Some((best, before)) = followed.0.furthest(slot, &now, None)
                && best >= position
            {
                let write = graph.source[before as usize];
                let (_, by) = exposed.furthest(slot, clocks.of(write), None).expect("it was found before");
                return Finding::Broken(Box::new(breach(graph, read, Some(by), before)));
            }
        }
    }
    Finding::Kept
}

/// `read` returned something older than what `before` did; `by` is the read by which that is known, if not by session.
fn breach(graph: &Graph<'_, '_>, read: u32, by: Option<u32>, before: u32) -> Breach {
    let trace = graph.trace;
    let newer = graph.source[before as usize];
    let sentence = format!(
        "{} returned {}{}, older than {}, which {} had returned in its past",
        trace.id(read),
        trace.value_text(trace.access(read).value),
        trace.of_key(graph.key(read)),
        trace.id(newer),
        trace.id(before)
    );
    let mut paths = Vec::new();
    if let Some(source) = graph.written_source(read) {
        match by {
            Some(by) => paths.extend([(source, by), (by, newer)]),
            None => paths.push((source, newer)),
        }
    }
    paths.extend([(newer, before), (before, read)]);
    Grounds::new(graph, None).breach(None, sentence, &paths)
}

/// For each key, the first read in each session that returned a write.
struct Reads {
    first: Grouped,
}

impl Reads {
    fn new(graph: &Graph<'_, '_>) -> Self {
        let mut seen = vec![NONE; graph.trace.keys_count];
        let mut pairs = Vec::new();
        for (chain, operations) in graph.chains.iter().enumerate() {
            for &read in operations {
                let key = graph.key(read);
                if graph.written_source(read).is_some() && seen[key as usize] != chain as u32 {
                    seen[key as usize] = chain as u32;
                    pairs.push((key, read));
                }
            }
        }
        Self { first: grouped(graph.trace.keys_count, pairs.iter().copied()) }
    }

    /// A read of the same key in the past, by another session, that returned a write.
    fn first_written(&self, graph: &Graph<'_, '_>, read: u32, now: &[u32], but: u32) -> Option<u32> {
        let of_key = self.first.of(graph.key(read)).iter().copied();
        of_key.into_iter().find(|&other| graph.chain_of[other as usize] != but && graph.has(now, other))
    }
}

/// For each slot and each session: reads, and how far into the slot's session something reached by then.
struct Lists {
    /// Stretches of the other lists, in the order of slots; each is of one session.
    stretches: Vec<Stretch>,
    /// Where the stretches of each slot begin.
    starts: Vec<u32>,
    /// The place of a read in its session.
    positions: Vec<u32>,
    /// The furthest position that was reached up to it, and by which read.
    furthest: Vec<(u32, u32)>,
}

struct Stretch {
    chain: u32,
    from: u32,
    to: u32,
}

impl Lists {
    /// Entries are (slot, position reached, read), sorted by slot, then by the read's session and place in it.
    fn new(graph: &Graph<'_, '_>, entries: impl Iterator<Item = (u32, u32, u32)>) -> Self {
        let mut lists =
            Self { stretches: Vec::new(), starts: vec![0], positions: Vec::new(), furthest: Vec::new() };
        let mut slot_now = 0;
        for (slot, reached, read) in entries {
            let chain = graph.chain_of[read as usize];
            let count = lists.positions.len() as u32;
            let is_new =
                slot != slot_now || lists.stretches.last().is_none_or(|stretch| stretch.chain != chain);
            while slot_now < slot {
                slot_now += 1;
                lists.starts.push(lists.stretches.len() as u32);
            }
            if is_new {
                lists.stretches.push(Stretch { chain, from: count, to: count });
            }
            let stretch = lists.stretches.last_mut().expect("there is one now");
            // Only what reaches further than all before it in its session says anything.
            if !is_new && lists.furthest.last().is_some_and(|&(furthest, _)| furthest >= reached) {
                continue;
            }
            lists.positions.push(graph.position[read as usize]);
            lists.furthest.push((reached, read));
            stretch.to += 1;
        }
        lists.starts.resize(graph.slots() + 1, lists.stretches.len() as u32);
        lists
    }

    /// The furthest that reads in the past of a clock reached, without those of one session.
    fn furthest(&self, slot: u32, now: &[u32], but: Option<u32>) -> Option<(u32, u32)> {
        let stretches =
            &self.stretches[self.starts[slot as usize] as usize..self.starts[slot as usize + 1] as usize];
        let of_stretch = |stretch: &Stretch| {
            let places = stretch.from as usize..stretch.to as usize;
            let seen = now[stretch.chain as usize];
            let count = self.positions[places.clone()].partition_point(|&position| position <= seen);
            count.checked_sub(1).map(|last| self.furthest[places][last])
        };
        stretches.iter().filter(|stretch| Some(stretch.chain) != but).filter_map(of_stretch).max()
    }
}

/// Which writes of a slot have been read, by whom and when.
struct Exposed(Lists);

impl Exposed {
    fn new(graph: &Graph<'_, '_>) -> Self {
        let reads = graph.chains.iter().flatten().copied();
        let reached = reads.filter_map(|read| Some((graph.written_source(read)?, read)));
        let mut entries: Vec<(u32, u32, u32)> = reached
            .flat_map(|(source, read)| graph.reach(source).map(move |(slot, reached)| (slot, reached, read)))
            .collect();
        // Stable: within a slot the order of sessions, and in each that of the session, stays.
        entries.sort_by_key(|entry| entry.0);
        Self(Lists::new(graph, entries.into_iter()))
    }

    fn furthest(&self, slot: u32, now: &[u32], but: Option<u32>) -> Option<(u32, u32)> {
        self.0.furthest(slot, now, but)
    }
}

/// For reads of a key, and each slot of the key: how far into the slot what they returned follows.
struct Followed(Lists);

impl Followed {
    fn new(graph: &Graph<'_, '_>, clocks: &Clocks, exposed: &Exposed) -> Option<Self> {
        // What each write follows, slot by slot of its key.
        let mut reached: Vec<(u32, u32, u32)> = Vec::new();
        for &read in graph.chains.iter().flatten() {
            let Some(source) = graph.written_source(read) else { continue };
            for &slot in graph.slots_of(graph.key(read)) {
                if let Some((best, _)) = exposed.furthest(slot, clocks.of(source), None) {
                    reached.push((slot, best, read));
                }
            }
            if reached.len() > ENTRIES_MAX {
                return None;
            }
        }
        reached.sort_by_key(|entry| entry.0);
        Some(Self(Lists::new(graph, reached.into_iter())))
    }
}
