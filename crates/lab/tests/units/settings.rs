//! Values of parameters: checked, brought to one form, and refused with what would be right.

use std::time::Duration;

use synod_lab::catalogue::experiment;
use synod_lab::entry::{Parameter, Settings};

const PARAMETERS: &[Parameter] = &[
    Parameter::integer("nodes", 5, 2..=64, "How many."),
    Parameter::number("alpha", 5.0, 0.0..=100.0, "How much."),
    Parameter::duration(
        "delay",
        Duration::from_millis(10),
        Duration::ZERO..=Duration::from_secs(1),
        "How long.",
    ),
    Parameter::word("mode", &["push", "pull"], "Which way."),
    Parameter::switch("inquire", true, "Whether."),
];

#[test]
fn values_are_checked_and_brought_to_one_form() {
    let mut settings = Settings::of(PARAMETERS);
    assert_eq!((settings.integer("nodes"), settings.is_given("nodes")), (5, false));
    for assignment in ["nodes=7", "alpha=1e1", "delay=250000us", "mode=pull", "inquire=false"] {
        settings.set(assignment).expect(assignment);
    }
    let all: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(all, ["nodes=7", "alpha=10", "delay=0.25s", "mode=pull", "inquire=false"]);
    assert_eq!(settings.duration("delay"), Duration::from_millis(250));
    assert_eq!(settings.sizes(&[3]), [7]);
}

#[test]
fn errors_say_what_would_be_right() {
    let mut settings = Settings::of(PARAMETERS);
    for (assignment, message) in [
        ("nodes", "expected name=value, found `nodes`"),
        ("node=3", "no such parameter: node; did you mean nodes?"),
        ("nodes=1", "nodes: expected 2 to 64, found `1`"),
        ("alpha=NaN", "alpha: expected 0 to 100, found `NaN`"),
        ("delay=10", "delay: expected 0s to 1s, found `10`"),
        ("mode=both", "mode: expected push, pull, found `both`"),
    ] {
        assert_eq!(settings.set(assignment).expect_err(assignment).to_string(), message);
    }
}

#[test]
fn mixtures_of_delays_are_read_or_refused() {
    let (_, wars) = experiment("pbs-wars").expect("the catalogue has it");
    let mut settings = Settings::of(wars.parameters);
    settings.put("delay-w", "0.38 pareto(1.05,1.51) else exp(0.183)").expect("a mixture");
    for wrong in [
        "",
        "1",
        "2 pareto(1,1) else exp(1)",
        "0.5 pareto(0,1) else exp(1)",
        "0.5 pareto(1,1) else exp(-1)",
        "0.5 pareto(1) else exp(1)",
    ] {
        settings.put("delay-w", wrong).expect_err(wrong);
    }
}
