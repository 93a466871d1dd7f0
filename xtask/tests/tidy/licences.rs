//! Every dependency may be used in a program under MIT or Apache-2.0.

use std::process::Command;

use serde_json::Value;

use crate::source::{Finding, root};

/// Licences that ask for no more than a notice.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Finds dependencies under other licences, or under none.
pub fn forbidden_licences(metadata: &Value) -> Vec<Finding> {
    let packages = metadata["packages"].as_array().expect("cargo lists packages");
    let is_forbidden = |package: &&Value| !package["license"].as_str().is_some_and(is_allowed);
    let finding = |package: &Value| Finding {
        place: format!("{} {}", package["name"], package["version"]).replace('"', ""),
        advice: format!("its licence, {}, is not one of the allowed: do without it", package["license"]),
    };
    packages.iter().filter(is_forbidden).map(finding).collect()
}

/// Whether an SPDX expression can be met: each side of an AND, one side of an OR.
fn is_allowed(expression: &str) -> bool {
    // Before SPDX expressions a slash meant OR.
    let expression = expression.replace('/', " OR ").replace("  ", " ");
    if let Some((left, right)) = split_outside(&expression, " AND ") {
        return is_allowed(left) && is_allowed(right);
    }
    if let Some((left, right)) = split_outside(&expression, " OR ") {
        return is_allowed(left) || is_allowed(right);
    }
    let inner = expression.trim();
    match inner.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => is_allowed(inner),
        None => ALLOWED.contains(&inner),
    }
}

/// The parts before and after the first `word` that stands in no parentheses. AND is asked for first: asking more is safe.
fn split_outside<'a>(text: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let outside = |at: &usize| text[..*at].matches('(').count() == text[..*at].matches(')').count();
    let at = text.match_indices(word).map(|(at, _)| at).find(outside)?;
    Some((&text[..at], &text[at + word.len()..]))
}

/// What cargo knows of the workspace and its dependencies on this platform, which a build has fetched already.
pub fn metadata() -> Value {
    let arguments =
        ["metadata", "--format-version=1", "--offline", "--filter-platform=x86_64-unknown-linux-gnu"];
    let output =
        Command::new(env!("CARGO")).args(arguments).current_dir(root()).output().expect("cargo runs");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo writes JSON")
}

#[test]
fn both_lists_of_licences_are_the_same() {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml is there");
    let table: toml::Table = text.parse().expect("deny.toml is TOML");
    let listed = table["licenses"]["allow"].as_array().expect("it lists what is allowed");
    assert_eq!(listed.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>(), ALLOWED);
}

#[test]
fn expressions_are_understood() {
    for allowed in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "ISC AND (Apache-2.0 OR ISC)",
    ] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for forbidden in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND AGPL-3.0", "", "MPL-2.0"] {
        assert!(!is_allowed(forbidden), "{forbidden}");
    }
}

#[test]
fn forbidden_licences_are_found() {
    let metadata = serde_json::json!({ "packages": [
        { "name": "a", "version": "1", "license": "MIT" },
        { "name": "b", "version": "2", "license": "AGPL-3.0" },
        { "name": "c", "version": "3", "license": null },
    ] });
    let places: Vec<String> =
        forbidden_licences(&metadata).into_iter().map(|finding| finding.place).collect();
    assert_eq!(places, ["b 2", "c 3"]);
}
