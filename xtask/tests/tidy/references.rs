//! What the documents point to: files, folders, and functions by name. A pointer to nothing is worse than none.
//!
//! In every Markdown file, a link to a file and a path in backticks must lead to something; `path::name` says that the file has a
//! function of that name. A row of `docs/guarantees.md` is a guarantee, and names at least one test that would fail without it.

use std::fs;

use crate::source::{Finding, Source, occurrences, root};

/// Folders whose names make a word in backticks a path.
const FOLDERS: &[&str] = &[".ci/", "crates/", "docs/", "fuzz/", "xtask/"];
/// The document whose rows are proven by tests.
const GUARANTEES: &str = "docs/guarantees.md";

/// Finds pointers to what is not there.
pub fn dead_references(source: &Source) -> Vec<Finding> {
    dead(source, &exists, &read)
}

/// Finds guarantees that no test stands behind.
pub fn unproven_guarantees(source: &Source) -> Vec<Finding> {
    unproven(source, &read)
}

fn exists(path: &str) -> bool {
    root().join(path).exists()
}

fn read(path: &str) -> Option<Source> {
    fs::read_to_string(root().join(path)).ok().map(|text| Source::new(path, &text))
}

fn dead(
    source: &Source,
    exists: &impl Fn(&str) -> bool,
    read: &impl Fn(&str) -> Option<Source>,
) -> Vec<Finding> {
    if !source.path.ends_with(".md") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (at, target) in links(source) {
        if !exists(&target) {
            findings.push(source.finding(at, format!("{target} does not exist: mend the link")));
        }
    }
    for (at, pointer) in pointers(&source.text) {
        let (path, name) = split(pointer);
        if !exists(path) {
            findings.push(source.finding(at, format!("{path} does not exist: say where it is now")));
        } else if let Some(name) = name
            && place_of(path, name, read).is_none()
        {
            findings
                .push(source.finding(at, format!("{path} has no function {name}: say what it is called")));
        }
    }
    findings
}

fn unproven(source: &Source, read: &impl Fn(&str) -> Option<Source>) -> Vec<Finding> {
    if source.path != GUARANTEES {
        return Vec::new();
    }
    let is_test = |(_, pointer): (usize, &str)| {
        let (path, name) = split(pointer);
        name.and_then(|name| place_of(path, name, read)).is_some_and(|(file, at)| file.is_test(at))
    };
    let mut findings = Vec::new();
    let mut begin = 0;
    let mut in_body = false;
    for line in source.text.split_inclusive('\n') {
        // A table's body begins after the line of dashes.
        in_body = line.starts_with('|') && (in_body || line.starts_with("|-") || line.starts_with("| -"));
        let is_row = in_body && !line.trim_start_matches(['|', ' ']).starts_with('-');
        if is_row && !pointers(line).into_iter().any(is_test) {
            findings.push(source.finding(begin, "a guarantee names a test that would fail without it"));
        }
        begin += line.len();
    }
    findings
}

/// Links to files, as paths from the root.
fn links(source: &Source) -> Vec<(usize, String)> {
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut links = Vec::new();
    for (at, _) in source.text.match_indices("](") {
        let target = source.text[at + 2..].split(')').next().unwrap_or_default();
        let target = target.split('#').next().unwrap_or_default();
        if target.is_empty() || target.contains("://") {
            continue;
        }
        let path = match target.strip_prefix("../") {
            Some(above) => above.to_owned(),
            None if folder.is_empty() => target.to_owned(),
            None => format!("{folder}/{target}"),
        };
        links.push((at, path));
    }
    links
}

/// Words in backticks that are paths of the repository, with an optional `::name`. Patterns and commands are none.
fn pointers(text: &str) -> Vec<(usize, &str)> {
    let mut pointers = Vec::new();
    let mut at = 0;
    for (index, part) in text.split('`').enumerate() {
        let is_path = FOLDERS.iter().any(|folder| part.starts_with(folder));
        if index % 2 == 1 && is_path && !part.contains([' ', '*', '<', '\n', '{']) {
            pointers.push((at, part));
        }
        at += part.len() + 1;
    }
    pointers
}

fn split(pointer: &str) -> (&str, Option<&str>) {
    match pointer.split_once("::") {
        Some((path, name)) => (path, Some(name)),
        None => (pointer, None),
    }
}

/// The file and the place in it at which the function `name` stands.
fn place_of(path: &str, name: &str, read: &impl Fn(&str) -> Option<Source>) -> Option<(Source, usize)> {
    let file = read(path)?;
    let of_function = |at: &usize| file.code[..*at].ends_with("fn ");
    let at = occurrences(&file.code, name).find(of_function)?;
    Some((file, at))
}

#[cfg(test)]
const SAMPLE: &str = "fn shipped() {}\n#[cfg(test)]\nmod tests { fn proven() {} }\n";

#[test]
fn dead_references_are_found() {
    let exists = |path: &str| path == "crates/a.rs" || path == "docs/b.md";
    let read = |path: &str| exists(path).then(|| Source::new(path, SAMPLE));
    let of = |path: &str, text: &str| dead(&Source::new(path, text), &exists, &read).len();
    assert_eq!(of("docs/x.md", "`crates/a.rs`, `crates/a.rs::proven`, [b](b.md), [b](../docs/b.md#c)"), 0);
    assert_eq!(of("x.md", "[b](docs/b.md) [c](https://c.example/d) `cargo test` `crates/<name>/src`"), 0);
    for dead in ["`crates/gone.rs`", "`crates/a.rs::gone`", "`crates/a.rs::prove`", "[b](gone.md)"] {
        assert_eq!(of("x.md", dead), 1, "{dead}");
        assert_eq!(of("x.rs", dead), 0, "{dead}");
    }
}

#[test]
fn unproven_guarantees_are_found() {
    let read = |path: &str| (path == "crates/a.rs").then(|| Source::new(path, SAMPLE));
    let of = |row: &str| {
        let text = format!("| guarantee | proof |\n|---|---|\n{row}\n\ntext\n");
        unproven(&Source::new(GUARANTEES, &text), &read).len()
    };
    assert_eq!(of("| It holds. | `crates/a.rs::proven` |"), 0);
    for row in
        ["| It holds. | believe it |", "| It holds. | `crates/a.rs` |", "| x | `crates/a.rs::shipped` |"]
    {
        assert_eq!(of(row), 1, "{row}");
    }
}
