//! Exports parse by the rules of the programs that they are for, and lost messages are in them.

use std::collections::BTreeMap;

use synod_lab::catalogue::entry;
use synod_lab::export::{Form, export};
use synod_lab::replay::Look;
use synod_sim::{Film, Odds};

/// A short run in which messages are lost by chance, by a partition and by a crash.
fn lossy() -> Film {
    let entry = entry("lamport-mutex").expect("the catalogue has it");
    let settings = entry.settings();
    let mut plan = entry.story(3, &settings);
    plan.break_assumptions = true;
    plan.network.loss = Odds::percent(10);
    plan.network.duplication = Odds::percent(10);
    let script = "at 20ms partition n1 | n2 n3 for 10ms\nat 40ms crash n3 for 10ms\nat 45ms pause n1 for 5ms";
    plan.faults = script.parse().expect("fault lines");
    entry.replay(plan, &settings, &Look::whole(), None).expect("the plan can be run").film
}

fn exported(form: Form) -> String {
    export(form, &lossy(), "a run with <marks> & \"quotes\"").expect("it is short enough")
}

#[test]
fn svg_is_xml_with_every_message() {
    let text = exported(Form::Svg);
    let document = roxmltree::Document::parse(&text).expect("XML");
    let classes = |class: &str| {
        document
            .descendants()
            .filter(|node| node.attribute("class") == Some(class) && node.has_tag_name("line"))
            .count()
    };
    assert_eq!(document.root_element().tag_name().name(), "svg");
    assert!(classes("message") > 5 && classes("lost") > 2, "{} {}", classes("message"), classes("lost"));
    assert!(classes("life") >= 4 && classes("down") >= 1, "a crash interrupts a line");
}

/// By the default regular expression of ShiViz, `(?<event>.*)\n(?<host>\S*) (?<clock>{.*})`, and its rules for clocks.
#[test]
fn shiviz_logs_have_lawful_clocks() {
    let text = exported(Form::Shiviz);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len() % 2, 0);
    let mut seen: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut lost = 0;
    for pair in lines.chunks(2) {
        let (host, clock) = pair[1].split_once(' ').expect("a host and a clock");
        assert!(!host.is_empty() && clock.starts_with('{') && clock.ends_with('}'), "{}", pair[1]);
        let clock: BTreeMap<String, u64> = serde_json::from_str(clock).expect("a clock is a JSON object");
        let before = seen.insert(host.to_owned(), clock.clone()).unwrap_or_default();
        assert_eq!(clock[host], before.get(host).copied().unwrap_or(0) + 1, "a host counts its own events");
        for (other, count) in &before {
            assert!(clock[other] >= *count, "a host forgets nothing");
        }
        for (other, count) in &clock {
            let known = seen.get(other).map_or(0, |clock| clock[other]);
            assert!(known >= *count, "nobody knows of events that were not yet");
        }
        lost += u64::from(pair[0].contains("lost: "));
    }
    assert!(lost > 2, "lost messages are events of their senders");
}

#[test]
fn perfetto_traces_are_json_with_flows_that_begin_and_lost_messages() {
    let text = exported(Form::Perfetto);
    let trace: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list of events");
    let count = |key: &str, value: &str| events.iter().filter(|event| event[key] == value).count();
    assert!(count("cat", "lost") > 2 && count("ph", "i") > 2 && count("ph", "X") > 20);
    for end in events.iter().filter(|event| event["ph"] == "f") {
        let begins = |event: &&serde_json::Value| event["ph"] == "s" && event["id"] == end["id"];
        assert!(events.iter().find(begins).is_some(), "a flow that ends has begun: {end}");
    }
    for event in events.iter().filter(|event| event["ph"] != "M") {
        assert!(event["ts"].is_number() && event["pid"].is_number(), "{event}");
    }
}

/// The grammar in short; `cargo xtask mermaid` asks mermaid's own parser.
#[test]
fn mermaid_diagrams_are_statements_of_its_grammar() {
    let text = exported(Form::Mermaid);
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("sequenceDiagram"));
    let mut lost = 0;
    for line in lines {
        let line = line.trim_start();
        let known =
            ["accTitle: ", "participant n", "Note over n"].iter().any(|start| line.starts_with(start));
        let arrow = ["->>", "-x", "--)"]
            .iter()
            .find(|arrow| line.split(':').next().is_some_and(|head| head.contains(**arrow)));
        assert!(known || arrow.is_some(), "{line}");
        assert!(!line.contains([';', '#', '%']), "{line}");
        lost += u64::from(arrow == Some(&"-x") && line.contains("lost: "));
    }
    assert!(lost > 2);
}

#[test]
fn what_is_too_large_is_refused_with_advice() {
    let entry = entry("lamport-mutex").expect("the catalogue has it");
    let settings = entry.settings();
    let mut plan = entry.story(3, &settings);
    plan.safety = std::time::Duration::from_secs(30);
    let film = entry.replay(plan, &settings, &Look::whole(), None).expect("the plan can be run").film;
    for form in [Form::Svg, Form::Mermaid] {
        let error = export(form, &film, "").expect_err("too large").to_string();
        assert!(error.contains("export a shorter run"), "{error}");
    }
}
