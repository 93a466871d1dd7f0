//! The observer's stamps against the definition: one event happened before another iff a path of steps and messages leads there.

use proptest::prelude::*;
use synod_machine::{NodeId, Observer, SendId, Stamp};

const NODES: usize = 4;

/// An event: where, the earlier message that it receives, if any, and how many it sends.
fn events() -> impl Strategy<Value = Vec<(usize, Option<prop::sample::Index>, usize)>> {
    let cause = prop::option::weighted(0.6, any::<prop::sample::Index>());
    prop::collection::vec((0..NODES, cause, 0..3usize), 1..40)
}

proptest! {
    #[test]
    fn stamps_say_what_happened_before_what(events in events()) {
        let mut observer = Observer::new((0..NODES).map(|node| NodeId(node as u64 + 10)));
        let mut sends: Vec<usize> = Vec::new();
        let mut stamps: Vec<Stamp> = Vec::new();
        // `before[b][a]`: event a happened before event b, by the definition.
        let mut before: Vec<Vec<bool>> = Vec::new();
        let mut last = [None; NODES];
        for (number, (node, cause, count)) in events.into_iter().enumerate() {
            let cause = cause.filter(|_| !sends.is_empty()).map(|cause| cause.index(sends.len()));
            let mut past = vec![false; number];
            for parent in [last[node], cause.map(|send| sends[send])].into_iter().flatten() {
                let grand: &Vec<bool> = &before[parent];
                past[parent] = true;
                past.iter_mut().zip(grand).for_each(|(mine, theirs)| *mine |= theirs);
            }
            before.push(past);
            last[node] = Some(number);
            let first = sends.len();
            sends.extend(std::iter::repeat_n(number, count));
            let ids = (first..sends.len()).map(|id| SendId(id as u64));
            let cause = cause.map(|id| SendId(id as u64));
            stamps.push(observer.stamp(NodeId(node as u64 + 10), cause, ids));
        }
        for b in 0..stamps.len() {
            for a in 0..b {
                let (earlier, later) = (&stamps[a], &stamps[b]);
                prop_assert_eq!(earlier.happened_before(later), before[b][a], "{} and {}", a, b);
                prop_assert!(!later.happened_before(earlier));
                prop_assert_eq!(earlier.concurrent(later), !before[b][a]);
                prop_assert!(!before[b][a] || earlier.lamport < later.lamport, "Lamport's condition");
            }
        }
    }
}

#[test]
fn a_settled_message_is_forgotten() {
    let mut observer = Observer::new([NodeId(1), NodeId(2)]);
    observer.stamp(NodeId(1), None, [SendId(0)]);
    observer.settled(SendId(0));
    let stamp = observer.stamp(NodeId(2), Some(SendId(0)), []);
    assert_eq!(stamp, Stamp { lamport: 1, vector: vec![0, 1] });
}
