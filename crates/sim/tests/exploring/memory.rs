//! An exploration that meets a bound says so, and proves nothing.

use synod_sim::explore::{Explore, Model, Property, Verdict, fingerprint};

/// Counts up without end, each number in two ways.
struct Endless(Vec<Property<Self>>);

impl Model for Endless {
    type State = u64;
    type Action = bool;

    fn initial(&self) -> Vec<u64> {
        vec![1]
    }
    fn actions(&self, _: &u64, actions: &mut Vec<bool>) {
        actions.extend([false, true]);
    }
    fn apply(&self, state: &u64, action: &bool, next: &mut Vec<u64>) {
        next.push(state.wrapping_mul(2) + u64::from(*action));
    }
    fn properties(&self) -> &[Property<Self>] {
        &self.0
    }
    fn fingerprint(&self, state: &u64) -> u64 {
        fingerprint(state)
    }
}

#[test]
fn memory_is_bounded() {
    for threads in [1, 2] {
        let explore = Explore { threads, bytes_max: 200 << 20, ..Explore::default() };
        let report = explore.run(&Endless(Vec::new()));
        assert_eq!(report.exit_code(), 2);
        let Verdict::Incomplete(why) = &report.verdict else { panic!("{report}") };
        assert!(why.starts_with("it may take 200 MiB of memory and takes "), "{why}");
        assert!(report.memory_bytes.is_none_or(|most| most < 300 << 20), "{:?}", report.memory_bytes);
        assert!(report.counts.states > 100_000, "{report}");
    }
}

#[test]
fn states_are_bounded_and_come_out_the_same_for_any_number_of_threads() {
    let explore = |threads| {
        let explore = Explore { threads, states_max: 300_000, ..Explore::default() };
        let report = explore.run(&Endless(Vec::new()));
        assert_eq!(report.exit_code(), 2);
        (report.counts, report.verdict)
    };
    let alone = explore(1);
    assert_eq!(alone, explore(2));
    assert_eq!(alone, explore(5));
    assert!(alone.0.states < 500_000, "{:?}", alone.0);
}
