//! Scenarios as files: what is written reads back, and slips are named.

use std::time::Duration;

use proptest::prelude::*;
use synod_lab::catalogue::ENTRIES;
use synod_lab::scenario::Scenario;
use synod_sim::{Delay, Odds};

#[test]
fn drawn_plans_of_every_entry_read_back() {
    for entry in ENTRIES {
        for seed in 0..20 {
            let mut settings = entry.settings();
            if let Some(weakness) = entry.about().weaknesses.get(seed as usize % 3) {
                settings = settings.showing(weakness);
            }
            let mut scenario = Scenario::new(*entry, settings.clone(), entry.plan(seed, &settings));
            scenario.plan.commands_lost = [2, 5].into();
            let read: Scenario =
                scenario.to_string().parse().unwrap_or_else(|error| panic!("{error}\n{scenario}"));
            assert_eq!(read.plan, scenario.plan, "{scenario}");
            assert_eq!(read.to_string(), scenario.to_string());
        }
    }
}

#[test]
fn a_short_file_is_enough_and_slips_are_named() {
    let short = "mechanism = \"lamport-mutex\"\nfaults = [\"at 0.01s slow n1 -> n2 x20\"]\n";
    let scenario: Scenario = short.parse().expect("a scenario");
    assert_eq!((scenario.plan.seed, scenario.plan.nodes, scenario.plan.faults.faults.len()), (1, 3, 1));
    for (text, message) in [
        ("", "mechanism: expected the name of a mechanism, found none"),
        (
            "mechanism = \"lamport-mutx\"",
            "mechanism: no such mechanism: lamport-mutx; did you mean lamport-mutex?",
        ),
        ("mechanism = \"lamport-mutex\"\nfault = []", "no such key: fault; did you mean faults?"),
        (
            "mechanism = \"lamport-mutex\"\n[network]\nlos = \"1%\"",
            "network: no such key: los; did you mean loss?",
        ),
        (
            "mechanism = \"lamport-mutex\"\n[network]\nloss = \"1\"",
            "network.loss: expected odds such as 12.5%, found `1`",
        ),
        (
            "mechanism = \"lamport-mutex\"\nfaults = [\"at 1s burn n1\"]",
            "faults: `at 1s burn n1`: line 1: expected a fault's name, found `burn`",
        ),
        (
            "mechanism = \"lamport-mutex\"\n[settings]\nhol = \"1s\"",
            "settings: no such parameter: hol; did you mean hold?",
        ),
    ] {
        assert_eq!(text.parse::<Scenario>().expect_err(text).to_string(), message);
    }
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "(mechanism = \"lamport-mutex\"\n)?([a-z]{1,9} = (\"\\PC{0,9}\"|[0-9]{1,3})\n|\\PC{0,20}\n){0,4}") {
        let _ = text.parse::<Scenario>();
    }
}

fn calm() -> Scenario {
    "mechanism = \"lamport-mutex\"\n".parse().expect("a scenario")
}

#[test]
fn every_distribution_of_delays_reads_back() {
    let ms = Duration::from_millis;
    for delay in [
        Delay::Constant(ms(1)),
        Delay::micros(200, 1_000),
        Delay::Exponential { least: ms(1), mean: ms(2), most: ms(200) },
        Delay::Pareto { least: ms(1), shape: 1.3, most: ms(2_000) },
        Delay::LogNormal { median: ms(5), sigma: 0.8, most: ms(500) },
    ] {
        let mut scenario = calm();
        scenario.plan.network.delay = delay.clone();
        let read: Scenario =
            scenario.to_string().parse().unwrap_or_else(|error| panic!("{error}\n{scenario}"));
        assert_eq!(read.plan.network.delay, delay);
    }
    for text in ["", "constant", "uniform 2ms to 1ms", "pareto 1ms shape 0 most 1s", "normal 1ms"] {
        refused("delay", text);
    }
}

#[test]
fn odds_read_back_to_the_last_digit() {
    for parts in [0, 1, 12_500, 999_999, 1_000_000] {
        let mut scenario = calm();
        scenario.plan.network.loss = Odds::per_million(parts);
        let read: Scenario =
            scenario.to_string().parse().unwrap_or_else(|error| panic!("{error}\n{scenario}"));
        assert_eq!(read.plan.network.loss, Odds::per_million(parts));
    }
    for text in ["101%", "%", "5"] {
        refused("loss", text);
    }
}

#[track_caller]
fn refused(key: &str, text: &str) {
    let file = format!("mechanism = \"lamport-mutex\"\n[network]\n{key} = \"{text}\"\n");
    let error = file.parse::<Scenario>().expect_err(text).to_string();
    assert!(error.starts_with(&format!("network.{key}: expected ")), "{error}");
}
