//! Registers whose writes can be told apart, in time linear but for sorting.
//!
//! # The rule
//! Where every operation reads or writes all of the state, and no value is written twice, each value has a *cluster*: the
//! write and the reads of it. Between the first end of any of them and the last beginning of any of them (its *zone*) the
//! value must have been there, if the end is before the beginning: a *forward* zone. Otherwise all of them were under way
//! at one time, between the last beginning and the first end, and can take effect at any instant there: a *backward* zone.
//! The history is linearizable exactly if no read returns before its write is invoked, no two forward zones overlap, and
//! no backward zone lies within a forward one (Gibbons and Korach, "Testing shared memories", 1997, section 4).
//!
//! A write that was never answered and never read need not have happened; one that was read ends, at the latest, when the
//! first read of it does. A read that was never answered says nothing. The first value is a cluster whose write is over
//! before everything else.
//!
//! # What it gives
//! The verdict, and the shortest prefix that is impossible, by halving: what is impossible stays so. The search of the
//! parent module would have to keep all orders of the writes in flight, which no read has told apart yet.
//!
//! And the reason: at most four operations, the ends of the two zones that are in each other's way ([`conflict`]).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::history::{Event, History};
use crate::specification::{Access, Effect, Specification};

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An order exists.
    Linearizable,
    /// The return at this place among the events is the first that is impossible.
    Impossible(usize),
}

/// The verdict on one part of the object; nothing if it is asked more than to read and write, or some value was written
/// twice.
pub(super) fn decide<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    events: &[Event],
) -> Option<Found> {
    let accesses = Accesses::new(spec, history, events)?;
    if accesses.is_possible(events.len()) {
        return Some(Found::Linearizable);
    }
    // The prefix of `possible` events is possible, that of `impossible` is not.
    let (mut possible, mut impossible) = (0, events.len());
    while impossible - possible > 1 {
        let middle = possible.midpoint(impossible);
        *(if accesses.is_possible(middle) { &mut possible } else { &mut impossible }) = middle;
    }
    Some(Found::Impossible(possible))
}

/// The operations whose returns make the events impossible, whatever the others did: those at the ends of two zones that are
/// in each other's way, or a read that was over before its write began. Nothing if the events are possible, or not decided
/// here.
pub(super) fn conflict<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    events: &[Event],
) -> Option<Vec<usize>> {
    let accesses = Accesses::new(spec, history, events)?;
    let conflict = accesses.conflict(events.len())?;
    // A value stays in its zone's way whichever of its operations end it; one at each end is enough.
    let mut ends = Vec::new();
    for cluster in conflict {
        let mut at = |is_end: &dyn Fn(&Span) -> bool| {
            let span = accesses.spans.iter().filter(|span| span.cluster == cluster.number);
            ends.extend(
                span.filter(|span| span.returned != NEVER && is_end(span)).map(|span| span.operation).take(1),
            );
        };
        at(&|span| span.returned == cluster.first_end);
        at(&|span| span.invoked == cluster.last_begin);
    }
    ends.sort_unstable();
    ends.dedup();
    Some(ends)
}

/// The states that were possible when the last of `events` came, a return that is impossible: each that a read of that moment could
/// have returned. The newest come first; only the newest `candidates_max` that were written are looked at.
pub(super) fn possible_states<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    events: &[Event],
    candidates_max: usize,
) -> Vec<S::State> {
    let Some((_, before)) = events.split_last() else { return Vec::new() };
    let Some(mut accesses) = Accesses::new(spec, history, before) else { return Vec::new() };
    let now = events.len();
    let mut is_possible = |cluster| {
        let operation = usize::MAX;
        accesses.spans.push(Span { operation, cluster, is_write: false, invoked: now, returned: now + 1 });
        let is_possible = accesses.is_possible(now + 1);
        accesses.spans.pop();
        is_possible
    };
    let written: Vec<(S::State, u32)> = written(spec, history, before, candidates_max);
    let mut states: Vec<S::State> =
        written.into_iter().filter(|(_, cluster)| is_possible(*cluster)).map(|(state, _)| state).collect();
    if is_possible(FIRST) {
        states.push(spec.initial());
    }
    states
}

/// What was written last, the newest first, with its cluster.
fn written<S: Specification>(
    spec: &S,
    history: &History<S::Input, S::Output>,
    events: &[Event],
    count_max: usize,
) -> Vec<(S::State, u32)> {
    let mut clusters: HashMap<S::State, u32> = HashMap::from([(spec.initial(), FIRST)]);
    let mut written = Vec::new();
    for event in events {
        let Event::Invoked(index) = *event else { continue };
        let operation = &history.operations()[index];
        let (input, output) = (&operation.input, operation.output());
        if output.is_none() && spec.effect_within_partition(input, output) == Effect::ReadOnly {
            continue;
        }
        let Some(access) = spec.access(input, output) else { continue };
        let (Access::Read(value) | Access::Write(value)) = &access;
        let next = clusters.len() as u32;
        let cluster = *clusters.entry(value.clone()).or_insert(next);
        if let Access::Write(value) = access {
            written.push((value, cluster));
        }
    }
    written.reverse();
    written.truncate(count_max);
    written
}

/// When something never happens.
const NEVER: usize = usize::MAX;

/// An operation, with the places of its ends among the events, counted from 1.
#[derive(Clone, Copy, Debug)]
struct Span {
    operation: usize,
    cluster: u32,
    is_write: bool,
    invoked: usize,
    returned: usize,
}

/// The operations that say something.
struct Accesses {
    spans: Vec<Span>,
    clusters: usize,
}

/// The cluster of the first value.
const FIRST: u32 = 0;

impl Accesses {
    fn new<S: Specification>(
        spec: &S,
        history: &History<S::Input, S::Output>,
        events: &[Event],
    ) -> Option<Self> {
        let mut numbers: HashMap<S::State, u32> = HashMap::from([(spec.initial(), FIRST)]);
        let mut is_written = vec![true];
        let mut spans = Vec::with_capacity(events.len() / 2);
        let mut span_of: HashMap<usize, usize> = HashMap::new();
        for (place, event) in events.iter().enumerate() {
            let index = match *event {
                Event::Invoked(index) => index,
                Event::Returned(index) => {
                    if let Some(span) = span_of.remove(&index) {
                        let span: &mut Span = &mut spans[span];
                        span.returned = place + 1;
                    }
                    continue;
                }
            };
            let operation = &history.operations()[index];
            let (input, output) = (&operation.input, operation.output());
            if output.is_none() && spec.effect_within_partition(input, output) == Effect::ReadOnly {
                continue;
            }
            let (value, is_write) = match spec.access(input, output)? {
                Access::Read(value) => (value, false),
                Access::Write(value) => (value, true),
            };
            let cluster = match numbers.entry(value) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(vacant) => {
                    is_written.push(false);
                    *vacant.insert(is_written.len() as u32 - 1)
                }
            };
            if is_write && std::mem::replace(&mut is_written[cluster as usize], true) {
                return None;
            }
            span_of.insert(index, spans.len());
            spans.push(Span { operation: index, cluster, is_write, invoked: place + 1, returned: NEVER });
        }
        Some(Self { spans, clusters: is_written.len() })
    }

    /// Whether the first `len` events are possible.
    fn is_possible(&self, len: usize) -> bool {
        self.conflict(len).is_none()
    }

    /// The values that make the first `len` events impossible: one whose read was over before its write began, or two
    /// whose zones are in each other's way.
    fn conflict(&self, len: usize) -> Option<Vec<Cluster>> {
        let clusters = self.clusters(len);
        if let Some(cluster) = clusters.iter().find(|cluster| cluster.first_end < cluster.written) {
            return Some(vec![*cluster]);
        }
        let (mut forward, backward): (Vec<Cluster>, Vec<Cluster>) =
            clusters.into_iter().partition(|cluster| cluster.first_end < cluster.last_begin);
        forward.sort_unstable_by_key(|cluster| cluster.first_end);
        if let Some(pair) = forward.windows(2).find(|pair| pair[0].last_begin > pair[1].first_end) {
            return Some(pair.to_vec());
        }
        backward.iter().find_map(|cluster| {
            let after = forward.partition_point(|other| other.first_end < cluster.last_begin);
            let around = forward[..after].last().filter(|other| cluster.first_end <= other.last_begin)?;
            Some(vec![*around, *cluster])
        })
    }

    /// The values that were certainly there some time within the first `len` events.
    fn clusters(&self, len: usize) -> Vec<Cluster> {
        let mut clusters: Vec<Cluster> = (0..self.clusters as u32).map(Cluster::new).collect();
        clusters[FIRST as usize] = Cluster { number: FIRST, written: 0, first_end: 0, last_begin: 0 };
        for span in self.spans.iter().take_while(|span| span.invoked <= len) {
            let cluster = &mut clusters[span.cluster as usize];
            let has_returned = span.returned <= len;
            if span.is_write {
                cluster.written = span.invoked;
            }
            if has_returned {
                cluster.first_end = cluster.first_end.min(span.returned);
            }
            if has_returned || span.is_write {
                cluster.last_begin = cluster.last_begin.max(span.invoked);
            }
        }
        // What has no end was not seen: it may never have happened.
        clusters.retain(|cluster| cluster.first_end != NEVER);
        clusters
    }
}

/// One value: when its write was invoked, the first end of its operations, and their last beginning.
#[derive(Clone, Copy, Debug)]
struct Cluster {
    number: u32,
    written: usize,
    first_end: usize,
    last_begin: usize,
}

impl Cluster {
    fn new(number: u32) -> Self {
        Self { number, written: NEVER, first_end: NEVER, last_begin: 0 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::broadening::Course;
    use super::super::search::Scope;
    use super::super::{Limits, brute_force, check};
    use super::*;
    use crate::generate::Random;
    use crate::history::{Client, Operation};
    use crate::specification::{Register, RegisterInput, RegisterOutput};

    /// Any operations at any times: most of them make no sense.
    fn chaos(random: &mut Random) -> History<RegisterInput<u64>, RegisterOutput<u64>> {
        let clients = 2 + random.below(3);
        let mut free_at = vec![0; clients as usize];
        let writes = 1 + random.below(3);
        let operations = (0..3 + random.below(5)).map(|number| {
            let client = random.below(clients);
            let from = free_at[client as usize] + random.below(6);
            let to = from + 1 + random.below(10);
            free_at[client as usize] = to + 1;
            let at = |tick| Duration::from_micros(tick * 10 + client);
            let input = if number < writes { RegisterInput::Write(number + 1) } else { RegisterInput::Read };
            if random.below(6) == 0 {
                return Operation::open(Client(client), at(from), input);
            }
            let output = match input {
                RegisterInput::Write(_) => RegisterOutput::Written,
                // Now and then, what nobody wrote.
                RegisterInput::Read => RegisterOutput::Value(random.below(writes + 1 + number % 2)),
            };
            Operation::returned(Client(client), at(from), at(to), input, output)
        });
        History::from_operations(operations.collect()).expect("a client waits for its answer")
    }

    #[test]
    fn the_zones_say_what_the_definition_says_and_find_the_return_that_the_search_finds() {
        let spec = Register { initial: 0 };
        let mut random = Random::new(1);
        let (mut kept, mut broken) = (0, 0);
        for number in 0..100_000 {
            let history = chaos(&mut random);
            let found = decide(&spec, &history, history.events());
            let found = found.expect("no value is written twice");
            let is_kept = found == Found::Linearizable;
            assert_eq!(is_kept, brute_force::is_linearizable(&spec, &history), "{number}: {history:?}");
            *(if is_kept { &mut kept } else { &mut broken }) += 1;
            if number % 10 == 0 {
                let course = Course::new(&spec, &history, Limits::default(), None);
                let searched = course.search(history.events(), &Scope::Whole);
                let verdict = check(&spec, &history);
                assert_eq!(verdict.is_linearizable(), searched.is_linearizable(), "{number}: {history:?}");
                if let Some(searched) = searched.violation().filter(|found| !found.even_if_repeated) {
                    assert_eq!(verdict.violation(), Some(searched), "{number}: {history:?}");
                }
            }
        }
        assert!(kept > 10_000 && broken > 10_000, "both must be exercised: {kept} kept, {broken} broken");
    }

    /// The history up to a return, which is left out, with a read of `value` after everything else.
    fn with_a_read_at_the_end(
        history: &History<RegisterInput<u64>, RegisterOutput<u64>>,
        place: usize,
        value: u64,
    ) -> History<RegisterInput<u64>, RegisterOutput<u64>> {
        let Event::Returned(target) = history.events()[place] else { panic!("a return is impossible") };
        let before = &history.events()[..place];
        let mut operations = Vec::new();
        for event in before {
            let Event::Invoked(index) = *event else { continue };
            let operation = &history.operations()[index];
            if index == target {
                continue;
            }
            let has_returned = before.contains(&Event::Returned(index));
            operations.push(match has_returned {
                true => operation.clone(),
                false => Operation::open(operation.client, operation.invoked, operation.input),
            });
        }
        let late = |seconds| Duration::from_secs(seconds);
        operations.push(Operation::returned(
            Client(99),
            late(1),
            late(2),
            RegisterInput::Read,
            RegisterOutput::Value(value),
        ));
        History::from_operations(operations).expect("a part of a history is one")
    }

    #[test]
    fn the_states_that_are_told_are_those_that_a_read_could_have_returned() {
        let spec = Register { initial: 0 };
        let mut random = Random::new(2);
        let mut told = 0;
        for number in 0..5_000 {
            let history = chaos(&mut random);
            let Some(Found::Impossible(place)) = decide(&spec, &history, history.events()) else { continue };
            let states = possible_states(&spec, &history, &history.events()[..=place], 8);
            told += states.len();
            for value in 0..5 {
                let with_read = with_a_read_at_the_end(&history, place, value);
                let is_possible = brute_force::is_linearizable(&spec, &with_read);
                assert_eq!(states.contains(&value), is_possible, "{number}: {value} in {history:?}");
            }
        }
        assert!(told > 2_000, "{told} states were told");
    }

    #[test]
    fn a_value_that_is_written_twice_is_left_to_the_search() {
        let write = |client, from, value| {
            let at = Duration::from_micros;
            Operation::returned(
                Client(client),
                at(from),
                at(from + 5),
                RegisterInput::Write(value),
                RegisterOutput::Written,
            )
        };
        for (values, is_decided) in [([1, 2], true), ([1, 1], false), ([1, 0], false)] {
            let operations = vec![write(1, 0, values[0]), write(2, 1, values[1])];
            let history = History::from_operations(operations).unwrap();
            let found = decide(&Register { initial: 0 }, &history, history.events());
            assert_eq!(found.is_some(), is_decided, "{values:?}");
        }
    }
}
