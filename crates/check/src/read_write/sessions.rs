//! The session guarantees but one: read your writes, monotonic reads, monotonic writes.
//!
//! Terry, Demers, Petersen, Spreitzer, Theimer and Welch (1994) define the guarantees by what servers hold. A history
//! shows no server, so here they are statements about reads. One thing is taken for granted, without which no history
//! could break any of them: versions of one key that one session wrote are in that session's order. An operation is
//! *older* than a write if it is the initial value, or an earlier write of the key by the same session.
//!
//! - **Read your writes**: no read returns something older than a write of its key by its session before it.
//! - **Monotonic reads**: none returns something older than what its session has read of the key before.
//! - **Monotonic writes**: after a session has read a write, it reads nothing older than what the writer had written to
//!   *other* keys before it. (Of the same key that is monotonic reads.)
//!
//! A write that was never answered follows what its session wrote before, and nothing that came later follows it. All
//! three follow from PRAM and from causal consistency, and none from another. Each takes one walk over the sessions;
//! a read of an initial value looks at all sessions that wrote its key.

use super::argument::Grounds;
use super::graph::Graph;
use super::sources::{INITIAL, NONE};
use crate::model::{Breach, Finding};

/// Decides read your writes.
pub(super) fn read_your_writes(graph: &Graph<'_, '_>) -> Finding {
    let mut own_write = PerSession::new(graph.trace.keys_count);
    first_broken(graph, |chain, operation| {
        let key = graph.key(operation);
        if graph.is_write(operation) {
            own_write.set(chain, key, operation);
            return None;
        }
        let own = own_write.get(chain, key)?;
        let is_older = match graph.written_source(operation) {
            None => true,
            Some(source) => is_earlier_in_slot(graph, source, own),
        };
        is_older.then(|| older(operation, "its session had written", own, &[(own, operation)]))
    })
}

/// Decides monotonic reads.
pub(super) fn monotonic_reads(graph: &Graph<'_, '_>) -> Finding {
    let mut seen_of_key = PerSession::new(graph.trace.keys_count);
    let mut latest_of_slot = PerSession::new(graph.slots());
    first_broken(graph, |chain, read| {
        if graph.is_write(read) {
            return None;
        }
        let Some(source) = graph.written_source(read) else {
            let before: u32 = seen_of_key.get(chain, graph.key(read))?;
            let newer = graph.source[before as usize];
            return Some(older(read, "its session had read", newer, &[(newer, before), (before, read)]));
        };
        seen_of_key.set(chain, graph.key(read), read);
        let slot = graph.slot_of[source as usize];
        if let Some((reached, before)) = latest_of_slot.get(chain, slot)
            && 2 * graph.position[source as usize] < reached
        {
            let newer = graph.source[before as usize];
            let paths = [(source, newer), (newer, before), (before, read)];
            return Some(older(read, "its session had read", newer, &paths));
        }
        for (slot, reached) in graph.reach(source) {
            if latest_of_slot.get(chain, slot).is_none_or(|(furthest, _): (u32, u32)| furthest < reached) {
                latest_of_slot.set(chain, slot, (reached, read));
            }
        }
        None
    })
}

/// Decides monotonic writes.
pub(super) fn monotonic_writes(graph: &Graph<'_, '_>) -> Finding {
    let mut horizons = PerSession::new(graph.width());
    first_broken(graph, |chain, read| {
        if graph.is_write(read) {
            return None;
        }
        let key = graph.key(read);
        let source = graph.source[read as usize];
        let behind = |slot: u32, horizons: &PerSession<Horizon>| {
            let horizon = horizons.get(chain, graph.slot_chain[slot as usize])?;
            let (count, before) = horizon.besides(key)?;
            let writes = graph.writes_of_slot(slot);
            let next = match source {
                INITIAL => 0,
                source => writes.partition_point(|&write| {
                    graph.position[write as usize] <= graph.position[source as usize]
                }),
            };
            let newer = *writes.get(next)?;
            (graph.position[newer as usize] <= count).then_some((newer, before))
        };
        let found = match source {
            INITIAL => graph.slots_of(key).iter().find_map(|&slot| behind(slot, &horizons)),
            source => behind(graph.slot_of[source as usize], &horizons),
        };
        if let Some((newer, before)) = found {
            let seen = graph.source[before as usize];
            let mut paths = vec![(newer, seen), (seen, before), (before, read)];
            if source != INITIAL {
                paths.insert(0, (source, newer));
            }
            return Some(older(
                read,
                "the writer of something its session had read had written",
                newer,
                &paths,
            ));
        }
        if let Some(seen) = graph.written_source(read)
            && let Some((writer, count)) = written_before(graph, seen)
        {
            let mut horizon = horizons.get(chain, writer).unwrap_or_default();
            horizon.extend(count, key, read);
            horizons.set(chain, writer, horizon);
        }
        None
    })
}

/// What a session has seen of another's writes: how many of its operations came before a write that was read. The
/// furthest, and the furthest by a read of another key than that.
#[derive(Clone, Copy, Default)]
struct Horizon {
    /// How many operations, the key that was read, and the read; none if 0.
    furthest: (u32, u32, u32),
    of_another_key: (u32, u32, u32),
}

impl Horizon {
    fn extend(&mut self, count: u32, key: u32, read: u32) {
        let new = (count, key, read);
        if self.furthest.0 == 0 || self.furthest.1 == key {
            if count > self.furthest.0 {
                self.furthest = new;
            }
        } else if count > self.furthest.0 {
            self.of_another_key = self.furthest;
            self.furthest = new;
        } else if count > self.of_another_key.0 {
            self.of_another_key = new;
        }
    }

    fn besides(&self, key: u32) -> Option<(u32, u32)> {
        let of_another = [self.furthest, self.of_another_key]
            .into_iter()
            .find(|&(count, other, _)| count > 0 && other != key);
        of_another.map(|(count, _, read)| (count, read))
    }
}

/// The session chain that a write belongs to, and how many of its operations came before it.
fn written_before(graph: &Graph<'_, '_>, write: u32) -> Option<(u32, u32)> {
    let parent = graph.parent[write as usize];
    (parent != NONE).then(|| (graph.chain_of[parent as usize], graph.position[parent as usize]))
}

fn is_earlier_in_slot(graph: &Graph<'_, '_>, write: u32, than: u32) -> bool {
    graph.slot_of[write as usize] == graph.slot_of[than as usize]
        && graph.position[write as usize] < graph.position[than as usize]
}

/// Walks all sessions; of the breaches found (one a session at most) that of the read that returned first.
fn first_broken(graph: &Graph<'_, '_>, mut look: impl FnMut(u32, u32) -> Option<Older>) -> Finding {
    let mut first: Option<Older> = None;
    for (chain, operations) in graph.chains.iter().enumerate() {
        let found = operations.iter().find_map(|&operation| look(chain as u32, operation));
        let returned = |older: &Older| graph.trace.access(older.read).returned_rank;
        if let Some(found) = found
            && first.as_ref().is_none_or(|first| returned(&found) < returned(first))
        {
            first = Some(found);
        }
    }
    first.map_or(Finding::Kept, |older| Finding::Broken(Box::new(older.breach(graph))))
}

/// A read of something too old.
struct Older {
    read: u32,
    /// Who knew of the newer write.
    known: &'static str,
    newer: u32,
    paths: Vec<(u32, u32)>,
}

fn older(read: u32, known: &'static str, newer: u32, paths: &[(u32, u32)]) -> Older {
    Older { read, known, newer, paths: paths.to_vec() }
}

impl Older {
    fn breach(&self, graph: &Graph<'_, '_>) -> Breach {
        let trace = graph.trace;
        let value = trace.value_text(trace.access(self.read).value);
        let sentence = format!(
            "{} returned {value}{}, older than {}, which {} before",
            trace.id(self.read),
            trace.of_key(graph.key(self.read)),
            trace.id(self.newer),
            self.known
        );
        let mut paths = self.paths.clone();
        if let Some(source) = graph.written_source(self.read)
            && paths[0].0 != source
        {
            paths.insert(0, (source, self.newer));
        }
        Grounds::new(graph, None).breach(None, sentence, &paths)
    }
}

/// Something known for each of many things, forgotten at the beginning of each session without touching all of it.
struct PerSession<T> {
    known: Vec<(u32, T)>,
}

impl<T: Copy + Default> PerSession<T> {
    fn new(count: usize) -> Self {
        Self { known: vec![(NONE, T::default()); count] }
    }

    fn set(&mut self, session: u32, thing: u32, value: T) {
        self.known[thing as usize] = (session, value);
    }

    fn get(&self, session: u32, thing: u32) -> Option<T> {
        let (of, value) = self.known[thing as usize];
        (of == session).then_some(value)
    }
}
