//! Experiments in words, as JSON and as a page.

use serde_json::{Value, json};
use synod_lab::entry::{Measured, Tolerance};
use synod_lab::measure::{Expectation, Judged, Measurement};
use synod_lab::report::measure;

#[test]
fn a_figure_says_what_was_expected_or_nothing() {
    let expected = Expectation { value: 12.0, tolerance: Tolerance::Relative(0.01), source: "Lamport 1978" };
    let measurement = Measurement {
        experiment: "lamport-mutex-cost",
        settings: vec![("nodes", "5".to_owned()), ("delay", "0.001s".to_owned())],
        runs: 5,
        seed: 7,
        figures: vec![
            Judged {
                measured: Measured::sampled("messages an entry", 12.04, 0.01),
                expected: Some(expected),
            },
            Judged { measured: Measured::exact("rate", 0.25), expected: None },
        ],
    };
    let text = measure::measurement(&measurement);
    assert!(text.contains("✓ messages an entry"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let json = measure::json(&measurement);
    assert_eq!(json["params"]["nodes"], 5);
    assert_eq!((&json["figures"][0]["ok"], &json["figures"][1]["expected"]), (&json!(true), &Value::Null));
    let page = measure::markdown(&[measurement]);
    assert!(page.contains("1 of 1 rows hold."), "{page}");
    assert!(page.contains("| ✓ | messages an entry |") && !page.contains("| rate |"), "{page}");
}
