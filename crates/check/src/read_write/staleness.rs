//! Bounded staleness: reads may lag, but not by more than so many versions, or so much time.
//!
//! **Versions** (k-atomicity, Aiyer, Alvisi and Bazzi 2005): there is one order of all operations that respects real
//! time, in which each read returns one of the newest k versions of its key. With k = 1 that is linearizability. It is the
//! linearizability of a register that remembers k values, and that is how it is decided: by search, exact, within limits.
//! (For k = 2 polynomial algorithms are known, Golab, Li and Shah 2011; for larger k none is.)
//!
//! **Time** (Δ-atomicity, Golab, Li and Shah 2011): the history would be linearizable if each read had been invoked Δ
//! earlier. Where values tell writes apart, that is decided by zones (Gibbons and Korach 1997, section 4): the operations
//! of one value stand together in every order, one value comes before another if any of its operations ended before any
//! of the other's began, and an order exists exactly if no two values come before each other. A sort and a sweep: time is
//! n log n. Where values repeat, the search decides.
//!
//! Both are local: keys are judged one by one. Each follows from linearizability, and from itself with a smaller bound.

use std::time::Duration;

use super::objects::{self, Recent};
use super::sources::{INITIAL, NONE, Sources, grouped};
use super::trace::Trace;
use crate::history::Event;
use crate::linearizability::{Effort, check_with};
use crate::model::{Breach, Finding, Judgement, Step};
use crate::specification::{Keyed, Register};

/// Decides linearizability.
pub(super) fn linearizable(trace: &Trace<'_>, effort: Effort<'_>) -> Finding {
    let spec = Keyed::new(Register { initial: objects::initial(trace) });
    Judgement::from(check_with(&spec, &objects::history(trace, trace.events.to_vec()), effort)).finding
}

/// Decides staleness of at most so many versions, from 1.
pub(super) fn versions(trace: &Trace<'_>, versions: u32, effort: Effort<'_>) -> Finding {
    let spec = Keyed::new(Recent { initial: objects::initial(trace), versions: versions.max(1) as usize });
    Judgement::from(check_with(&spec, &objects::history(trace, trace.events.to_vec()), effort)).finding
}

/// Decides staleness of at most so much time.
pub(super) fn time(trace: &Trace<'_>, sources: &Sources, age_max: Duration, effort: Effort<'_>) -> Finding {
    if let Some(breach) = sources.thin_air(trace) {
        return Finding::Broken(Box::new(breach));
    }
    let events = shifted(trace, age_max);
    if sources.are_settled() {
        return zones(trace, sources.settled(), &events, age_max);
    }
    let spec = Keyed::new(Register { initial: objects::initial(trace) });
    let mut finding = Judgement::from(check_with(&spec, &objects::history(trace, events), effort)).finding;
    if let Finding::Broken(breach) = &mut finding
        && !age_max.is_zero()
    {
        breach.sentence =
            format!("even if all reads are taken to begin {age_max:?} earlier, {}", breach.sentence);
    }
    finding
}

/// The events in the order that they have if reads begin earlier.
fn shifted(trace: &Trace<'_>, age_max: Duration) -> Vec<Event> {
    if age_max.is_zero() {
        return trace.events.to_vec();
    }
    let mut placed: Vec<(Duration, bool, u32)> = Vec::with_capacity(trace.events.len());
    for access in &trace.accesses {
        // What is exactly as old as it may be is allowed: at one time, reads that were moved come first.
        let at = if access.is_write { access.invoked } else { access.invoked.saturating_sub(age_max) };
        placed.push((at, access.is_write, access.invoked_rank));
        if let Some(returned) = access.returned {
            placed.push((returned, true, access.returned_rank));
        }
    }
    placed.sort_unstable();
    placed.into_iter().map(|(_, _, rank)| trace.events[rank as usize]).collect()
}

/// The operations of one value of one key.
#[derive(Clone, Copy, Debug)]
struct Zone {
    /// When the first of them ended, and which; the initial value was there before everything.
    first_end: i64,
    ended: u32,
    /// When the last of them began, and which.
    last_begin: i64,
    began: u32,
}

/// Decides by zones whether the events, in this order, are those of linearizable registers.
fn zones(trace: &Trace<'_>, sources: &[u32], events: &[Event], age_max: Duration) -> Finding {
    let mut begins = vec![i64::MAX; trace.len()];
    let mut ends = vec![i64::MAX; trace.len()];
    for (place, event) in events.iter().enumerate() {
        match *event {
            Event::Invoked(index) => begins[index] = place as i64,
            Event::Returned(index) => ends[index] = place as i64,
        }
    }
    let begin = |index: u32| begins[trace.id(index).0 as usize];
    let end = |index: u32| ends[trace.id(index).0 as usize];
    let reads = || (0..trace.len() as u32).filter(|&read| sources[read as usize] != NONE);
    for read in reads().filter(|&read| sources[read as usize] < INITIAL) {
        let write = sources[read as usize];
        if end(read) < begin(write) {
            return Finding::Broken(Box::new(from_the_future(trace, read, write)));
        }
    }
    let mut zone_of = vec![NONE; trace.len()];
    let mut zones: Vec<(u32, Zone)> = Vec::new();
    for key in 0..trace.keys_count as u32 {
        zones.push((key, Zone { first_end: -1, ended: NONE, last_begin: -1, began: NONE }));
    }
    for write in (0..trace.len() as u32).filter(|&index| trace.access(index).is_write) {
        zone_of[write as usize] = zones.len() as u32;
        let zone = Zone { first_end: end(write), ended: write, last_begin: begin(write), began: write };
        zones.push((trace.access(write).key, zone));
    }
    for read in reads() {
        let place = match sources[read as usize] {
            INITIAL => trace.access(read).key,
            write => zone_of[write as usize],
        };
        let zone = &mut zones[place as usize].1;
        if end(read) < zone.first_end {
            (zone.first_end, zone.ended) = (end(read), read);
        }
        if begin(read) > zone.last_begin {
            (zone.last_begin, zone.began) = (begin(read), read);
        }
    }
    let by_key =
        grouped(trace.keys_count, zones.iter().enumerate().map(|(place, (key, _))| (*key, place as u32)));
    for key in 0..trace.keys_count as u32 {
        let of_key = by_key.of(key).iter().map(|&place| zones[place as usize].1).collect();
        if let Some((one, other)) = entangled(of_key) {
            return Finding::Broken(Box::new(both_before(trace, one, other, age_max)));
        }
    }
    Finding::Kept
}

/// Two zones of which each comes before the other.
fn entangled(mut zones: Vec<Zone>) -> Option<(Zone, Zone)> {
    zones.sort_unstable_by_key(|zone| zone.first_end);
    let is_forward = |zone: &Zone| zone.first_end < zone.last_begin;
    let forward: Vec<Zone> = zones.iter().copied().filter(is_forward).collect();
    if let Some(pair) = forward.windows(2).find(|pair| pair[1].first_end < pair[0].last_begin) {
        return Some((pair[0], pair[1]));
    }
    // Forward zones do not overlap, so only the last that begins before a backward zone can contain it.
    zones.into_iter().filter(|zone| !is_forward(zone)).find_map(|zone| {
        let before = forward.partition_point(|other| other.first_end < zone.last_begin);
        let other = forward[before.checked_sub(1)?];
        (zone.first_end < other.last_begin).then_some((other, zone))
    })
}

fn from_the_future(trace: &Trace<'_>, read: u32, write: u32) -> Breach {
    let text = format!("{} had ended before {} began.", trace.id(read), trace.id(write));
    Breach {
        anomaly: None,
        sentence: format!(
            "{} returned {} before {} had begun to write it",
            trace.id(read),
            trace.value_text(trace.access(read).value),
            trace.id(write)
        ),
        witness: vec![trace.summary(read), trace.summary(write)],
        steps: vec![Step { text, operations: vec![trace.id(read), trace.id(write)] }],
    }
}

fn both_before(trace: &Trace<'_>, one: Zone, other: Zone, age_max: Duration) -> Breach {
    let value = |zone: &Zone| trace.value_text(trace.access(zone.began).value);
    let key = trace.access(one.began).key;
    let moved = match age_max.is_zero() {
        true => String::new(),
        false => format!(", even if reads are taken to begin {age_max:?} earlier"),
    };
    let sentence = format!(
        "of the values {} and {}{} each has to come before the other{moved}",
        value(&one),
        value(&other),
        trace.of_key(key)
    );
    let step = |before: &Zone, after: &Zone| {
        let (value, later) = (value(before), value(after));
        if before.ended == NONE {
            let text = format!("{value} was there at first: so {value} comes before {later}.");
            return Step { text, operations: Vec::new() };
        }
        let earlier = match trace.access(after.began).is_write || age_max.is_zero() {
            true => String::new(),
            false => format!(" (taken {age_max:?} earlier)"),
        };
        let text = format!(
            "{} of {value} had ended before {}{earlier} of {later} began: so {value} comes before {later}.",
            trace.id(before.ended),
            trace.id(after.began)
        );
        Step { text, operations: vec![trace.id(before.ended), trace.id(after.began)] }
    };
    let mut witness: Vec<u32> = [one.ended, one.began, other.ended, other.began].to_vec();
    witness.retain(|&operation| operation != NONE);
    witness.sort_unstable();
    witness.dedup();
    Breach {
        anomaly: None,
        sentence,
        witness: witness.into_iter().map(|operation| trace.summary(operation)).collect(),
        steps: vec![step(&one, &other), step(&other, &one)],
    }
}
