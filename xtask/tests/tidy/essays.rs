//! Words at the head of modules: what problem is solved here, by which rules, with which guarantees.

use crate::source::{Finding, Source};

/// Shortest head of a module, in characters: a sentence.
const HEAD_CHARACTERS_MIN: usize = 20;
/// What a mechanism's essay must speak of, each by a heading that contains one of the words.
const SECTIONS: &[(&str, &[&str])] = &[
    ("the rules", &["rule", "how it works", "algorithm"]),
    ("what is guaranteed", &["guarantee", "promise"]),
    ("what is assumed", &["assume", "assumption", "needs"]),
    ("what it costs", &["cost"]),
    ("what is left out", &["left out", "limits"]),
];

/// Finds modules that do not say what they are.
pub fn missing_heads(source: &Source) -> Vec<Finding> {
    if !source.is_rust() || head(source).chars().count() >= HEAD_CHARACTERS_MIN {
        return Vec::new();
    }
    vec![source.finding(0, "no `//!` at the head: say what problem this module solves, by which rules")]
}

/// Finds mechanisms, the folders and files of a family in the crate of protocols, whose essay leaves out what a reader needs.
pub fn missing_sections(source: &Source) -> Vec<Finding> {
    if !is_mechanism(&source.path) {
        return Vec::new();
    }
    let headings: Vec<String> = head(source)
        .lines()
        .filter(|line| line.trim_start().starts_with('#'))
        .map(str::to_lowercase)
        .collect();
    let is_missing =
        |words: &[&str]| !words.iter().any(|word| headings.iter().any(|line| line.contains(word)));
    let missing: Vec<&str> =
        SECTIONS.iter().filter(|(_, words)| is_missing(words)).map(|(section, _)| *section).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let advice =
        format!("the essay of a mechanism has a heading each for what it says of: {}", missing.join(", "));
    vec![source.finding(0, advice)]
}

/// `crates/protocols/src/<family>/<mechanism>/mod.rs`, or `<mechanism>.rs` directly in a family.
fn is_mechanism(path: &str) -> bool {
    let Some(inner) = path.strip_prefix("crates/protocols/src/") else { return false };
    match inner.split('/').collect::<Vec<_>>()[..] {
        [_family, file] => file != "mod.rs",
        [_family, _mechanism, file] => file == "mod.rs",
        _ => false,
    }
}

/// The text of the `//!` lines that a file opens with.
fn head(source: &Source) -> String {
    let lines = source.text.lines().map_while(|line| line.strip_prefix("//!"));
    lines.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n")
}

#[test]
fn missing_heads_are_found() {
    for text in ["fn a() {}", "//! Stub.\n", "/// Of the item.\nfn a() {}"] {
        assert_eq!(missing_heads(&Source::new("a.rs", text)).len(), 1, "{text}");
    }
    assert_eq!(missing_heads(&Source::new("a.rs", "//! What is done here, and why.\n")), []);
    assert_eq!(missing_heads(&Source::new("a.md", "anything")), []);
}

#[test]
fn missing_sections_are_found() {
    let path = "crates/protocols/src/consensus/raft/mod.rs";
    let complete =
        "//! Order.\n//! # Rules\n//! # Guarantees\n//! # Assumptions\n//! # Costs\n//! # Left out\n";
    assert_eq!(missing_sections(&Source::new(path, complete)), []);
    for line in complete.lines().skip(1) {
        assert_eq!(missing_sections(&Source::new(path, &complete.replace(line, "//!"))).len(), 1, "{line}");
    }
    assert_eq!(missing_sections(&Source::new("crates/protocols/src/consensus/raft/log.rs", "//! x")), []);
    assert_eq!(missing_sections(&Source::new("crates/protocols/src/clocks/lamport.rs", "//! x")).len(), 1);
}
