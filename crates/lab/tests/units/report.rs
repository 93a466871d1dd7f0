//! Figures and violations in words.

use std::time::Duration;

use proptest::prelude::*;
use synod_lab::report::{COLUMNS_MAX, exercised, fold, number, rate, time, violation};
use synod_machine::{Mono, NodeId};
use synod_sim::{Exercised, Found, Phase, Run, Violation};

#[test]
fn numbers_and_times_are_readable() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(number), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([0.26, 9.94, 10.4, 1_234.5].map(rate), ["0.3", "9.9", "10", "1,235"]);
    let times = [1, 61, 3_661, 90_000].map(|seconds| time(Duration::from_secs(seconds)));
    assert_eq!(times, ["1.0 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
}

#[test]
fn counts_are_grouped_in_columns() {
    let mut counts = Exercised::default();
    for (name, count) in [
        ("fault.crash", 12),
        ("note.lease expired", 3),
        ("lease.lives", 4_000),
        ("note.raft.snapshot_sent", 1_000_000),
        ("note.raft.election", 7),
        ("note.forward to a node that does not lead", 50),
    ] {
        counts.add(name, count);
    }
    let text = "\
leases         4,000 lives                           3 expired
consensus          7 election                1,000,000 snapshot sent
database          50 forward to a node that does not lead
faults            12 crash
";
    assert_eq!(exercised(&counts), text);
}

#[test]
fn a_violation_is_told_in_full() {
    let violation_ =
        Violation::new("linearizability", [NodeId(2)], "n2 answered ".to_owned() + &"x".repeat(100));
    let found = Found {
        violation: violation_,
        time: Mono::from_start(Duration::from_millis(1_500)),
        record: 1_234,
        phase: Phase::Heal,
    };
    let run = Run {
        seed: 7,
        found: None,
        vacuous: None,
        exercised: Exercised::default(),
        records: 0,
        simulated: Duration::ZERO,
        fingerprint: 0,
        broken_needs: Vec::new(),
    };
    let text = "\
✗ linearizability violated at n2
  seed 7: 3 nodes; after the faults, at 1500.000 ms, after record 1,234
  n2 answered
";
    let shown = violation(&run, &found, 3);
    assert!(shown.starts_with(text), "{shown}");
}

proptest! {
    #[test]
    fn folded_text_fits_and_loses_no_word(text in "([a-zé]{1,9} ){0,60}[a-z]{0,200}", indent in 0_usize..9) {
        let folded = fold(&text, indent);
        prop_assert!(folded.lines().all(|line| line.chars().count() <= COLUMNS_MAX));
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        prop_assert_eq!(squeeze(&folded), squeeze(&text));
    }
}
