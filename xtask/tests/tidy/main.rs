//! The tidy test: what must hold of every line of the repository, as ordinary tests.
//!
//! A rule is a function from a file to its findings, with a test of its own that shows it catching a planted sample. Here
//! the rules are put to the repository itself; a failure names file and line, and says what to do.

mod boundaries;
mod essays;
mod leftovers;
mod lengths;
mod licences;
mod purity;
mod readme;
mod references;
mod source;

use source::{Finding, Source};

#[test]
fn files_and_functions_are_short() {
    apply(&[lengths::files, lengths::functions]);
}

#[test]
fn pure_code_is_pure() {
    apply(&[purity::banned_calls]);
}

#[test]
fn nothing_is_left_for_later() {
    apply(&[leftovers::markers, leftovers::ignored_tests, leftovers::unwraps]);
}

#[test]
fn tests_do_not_sleep() {
    apply(&[leftovers::sleeping_tests]);
}

#[test]
fn no_machine_is_special() {
    apply(&[leftovers::machine_paths]);
}

#[test]
fn modules_say_what_they_are() {
    apply(&[essays::missing_heads]);
}

#[test]
fn mechanisms_open_with_their_essay() {
    apply(&[essays::missing_sections]);
}

#[test]
fn crates_keep_to_their_boundaries() {
    apply(&[boundaries::forbidden_dependencies, boundaries::missing_no_std, boundaries::missing_lints]);
}

#[test]
fn the_readme_promises_two_commands() {
    apply(&[readme::setup_commands]);
    assert!(source::root().join("README.md").exists(), "README.md: write it");
}

#[test]
fn documents_point_to_what_exists() {
    apply(&[references::dead_references]);
}

#[test]
fn guarantees_are_proven_by_tests() {
    apply(&[references::unproven_guarantees]);
    assert!(source::root().join("docs/guarantees.md").exists(), "docs/guarantees.md: write it");
}

#[test]
fn dependencies_are_free_to_use() {
    judge(licences::forbidden_licences(&licences::metadata()));
}

fn apply(rules: &[fn(&Source) -> Vec<Finding>]) {
    let sources = source::repository();
    judge(rules.iter().flat_map(|rule| sources.iter().flat_map(rule)).collect());
}

fn judge(mut findings: Vec<Finding>) {
    findings.sort();
    let lines: Vec<String> =
        findings.iter().map(|Finding { place, advice }| format!("{place}: {advice}")).collect();
    assert!(lines.is_empty(), "{} findings\n{}\n", lines.len(), lines.join("\n"));
}
