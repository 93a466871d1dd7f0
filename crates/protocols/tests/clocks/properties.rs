//! What each clock guarantees, on random executions against the happens-before relation.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use synod_machine::{NodeId, Observer, SendId, Stamp};
use synod_protocols::clocks::vector::precedes;
use synod_protocols::clocks::*;

use crate::random::{Act, acts, pairs, play};

const NODES: usize = 4;

fn nowhere(_: usize, _: usize) -> Duration {
    Duration::ZERO
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn vectors_tell_exactly_what_happened_before(acts in acts(NODES, 80)) {
        let told = play(NODES, &acts, false, VectorClock::new, nowhere);
        let pasts = told.execution.pasts();
        for (e, f) in pairs(&told.execution) {
            let (of_e, of_f) = (&told.readings[e.0], &told.readings[f.0]);
            let before = told.execution.happened_before(e, f);
            prop_assert_eq!(pasts.happened_before(e, f), before);
            prop_assert_eq!(told.execution.past(f).contains(e), before);
            prop_assert_eq!(of_e < of_f, before, "{} {:?} and {} {:?}", e, of_e, f, of_f);
            prop_assert_eq!(precedes(told.execution.node(e), of_e, of_f), before);
        }
    }

    #[test]
    fn lamport_never_contradicts_causality(acts in acts(NODES, 80)) {
        let told = play(NODES, &acts, false, |_| LamportClock::default(), nowhere);
        for (e, f) in pairs(&told.execution).filter(|(e, f)| told.execution.happened_before(*e, *f)) {
            prop_assert!(told.readings[e.0] < told.readings[f.0]);
        }
    }

    #[test]
    fn differences_decode_to_full_vectors(acts in acts(NODES, 120)) {
        let full = play(NODES, &acts, true, VectorClock::new, nowhere);
        let differential = play(NODES, &acts, true, DifferentialClock::new, nowhere);
        prop_assert_eq!(full.readings, differential.readings);
        let entries = |stamps: &[VersionVector]| stamps.iter().map(VersionVector::len).sum::<usize>();
        prop_assert!(entries(&differential.stamps) <= entries(&full.stamps));
    }

    #[test]
    fn hybrid_respects_causality_and_stays_near_the_wall_clock(
        acts in acts(NODES, 120),
        offsets in proptest::collection::vec(0..400_u64, NODES),
    ) {
        // Each act takes a unit at least, so that a wall clock advances between two events of its process.
        let unit = |count: u64| HybridTimestamp::new(count, 0).logical() + Duration::from_nanos(1);
        let wall = |node: usize, time: usize| unit(1_000_000 + offsets[node] + time as u64);
        let told = play(NODES, &acts, false, |_| HybridClock::default(), wall);
        let pasts = told.execution.pasts();
        for (e, f) in pairs(&told.execution).filter(|(e, f)| pasts.happened_before(*e, *f)) {
            prop_assert!(told.readings[e.0] < told.readings[f.0]);
        }
        let epsilon = 400_u64;
        for reading in &told.readings {
            let last = acts.len() as u64 + epsilon;
            prop_assert!((1_000_000..=1_000_000 + last).contains(&reading.logical_units()));
            prop_assert!(u64::from(reading.counter()) <= NODES as u64 * (epsilon + 1));
        }
    }

    #[test]
    fn the_observer_says_the_same(acts in acts(NODES, 80)) {
        let vectors = play(NODES, &acts, true, VectorClock::new, nowhere);
        let lamport = play(NODES, &acts, true, |_| LamportClock::default(), nowhere);
        let stamps = observe(&acts);
        let readings = vectors.readings.iter().zip(&lamport.readings);
        prop_assert_eq!(stamps.len(), vectors.readings.len());
        for (stamp, (vector, clock)) in stamps.iter().zip(readings) {
            let observed: VersionVector = (1..).map(NodeId).zip(stamp.vector.iter().copied()).collect();
            prop_assert_eq!(&observed, vector);
            prop_assert_eq!(stamp.lamport, *clock);
        }
    }

    #[test]
    fn a_cut_is_consistent_iff_it_is_closed_downwards(acts in acts(NODES, 40), ends in proptest::collection::vec(0..40_usize, NODES)) {
        let told = play(NODES, &acts, false, VectorClock::new, nowhere);
        let cut: BTreeMap<NodeId, EventId> = pairs_of_ends(&told.execution, &ends);
        let inside = |e: EventId| cut.get(&told.execution.node(e)).is_some_and(|last| e <= *last);
        let closed = pairs(&told.execution)
            .all(|(e, f)| !(told.execution.happened_before(e, f) && inside(f) && !inside(e)));
        prop_assert_eq!(told.execution.check_cut(&cut).is_ok(), closed);
    }
}

/// The last event of each process that is not later than the drawn end.
fn pairs_of_ends(execution: &Execution, ends: &[usize]) -> BTreeMap<NodeId, EventId> {
    let mut cut = BTreeMap::new();
    for event in (0..execution.len()).map(EventId) {
        let node = execution.node(event);
        if event.0 <= ends[node.0 as usize - 1] {
            cut.insert(node, event);
        }
    }
    cut
}

/// The acts as records that an observer stamps.
fn observe(acts: &[Act]) -> Vec<Stamp> {
    let mut observer = Observer::new((1..=NODES as u64).map(NodeId));
    let mut channels: BTreeMap<(usize, usize), Vec<SendId>> = BTreeMap::new();
    let (mut stamps, mut next) = (Vec::new(), 0);
    for act in acts {
        match *act {
            Act::Local { node } => stamps.push(observer.stamp(NodeId(node as u64 + 1), None, [])),
            Act::Send { node, to } if node != to => {
                next += 1;
                stamps.push(observer.stamp(NodeId(node as u64 + 1), None, [SendId(next)]));
                channels.entry((node, to)).or_default().push(SendId(next));
            }
            Act::Receive { node, from, .. } => {
                let Some(waiting) = channels.get_mut(&(from, node)).filter(|w| !w.is_empty()) else {
                    continue;
                };
                stamps.push(observer.stamp(NodeId(node as u64 + 1), Some(waiting.remove(0)), []));
            }
            Act::Send { .. } => {}
        }
    }
    stamps
}

#[test]
fn lamports_converse_fails() {
    // Two processes that never talk: one is busier.
    let acts = [Act::Local { node: 0 }, Act::Local { node: 1 }, Act::Local { node: 1 }];
    let told = play(2, &acts, false, |_| LamportClock::default(), nowhere);
    assert!(told.readings[0] < told.readings[2]);
    assert!(told.execution.concurrent(EventId(0), EventId(2)));
}

#[test]
fn differences_need_fifo() {
    // The second message overtakes the first, which had the news of p3.
    let acts = [
        Act::Send { node: 2, to: 0 },
        Act::Receive { node: 0, from: 2, place: 0 },
        Act::Send { node: 0, to: 1 },
        Act::Send { node: 0, to: 1 },
        Act::Receive { node: 1, from: 0, place: 1 },
    ];
    let full = play(3, &acts, false, VectorClock::new, nowhere);
    let differential = play(3, &acts, false, DifferentialClock::new, nowhere);
    assert!(differential.readings[4] < full.readings[4], "an entry is missing");
}

#[test]
fn hybrid_timestamps_pack_and_refuse() {
    let (wall, most) = (Duration::new(1_700_000_000, 999_999_999), Duration::from_millis(250));
    let mut clock = HybridClock::default();
    let now = clock.tick(wall);
    assert_eq!((now.counter(), HybridTimestamp::from_bits(now.bits())), (0, now));
    assert!(wall - now.logical() < Duration::from_micros(16), "a unit is 15.26 µs");
    // A wall clock that jumps back changes nothing but the counter.
    assert_eq!(clock.tick(wall - Duration::from_secs(10)).counter(), 1);
    let broken = HybridTimestamp::new(now.logical_units() + 65_536, 0);
    let error = clock.receive(broken, wall, most).expect_err("a second ahead");
    assert!(error.to_string().contains("check the sender's clock"), "{error}");
    assert_eq!(clock.now().counter(), 1, "what was refused changed nothing");
    // An overflowing counter carries.
    let mut full = HybridClock::at(HybridTimestamp::new(7, u16::MAX));
    assert_eq!(full.tick(Duration::ZERO), HybridTimestamp::new(8, 0));
}
