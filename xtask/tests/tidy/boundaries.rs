//! What each crate must not know, read from the manifests.
//!
//! The map in ARCHITECTURE.md says it in words; a dependency that contradicts it is found here, even before it is used.

use std::collections::BTreeSet;

use crate::source::{Finding, Source};

/// Of our own crates, those that a crate may use when it ships. A crate that is not listed may use all.
const MAY_USE: &[(&str, &[&str])] = &[
    ("machine", &[]),
    ("protocols", &["machine"]),
    ("sim", &["machine"]),
    ("check", &[]),
    ("storage", &[]),
    ("transport", &[]),
    ("grpc", &[]),
    ("database", &["machine", "protocols", "storage"]),
    ("server", &["machine", "protocols", "storage", "transport", "grpc", "database"]),
    ("lab", &["machine", "protocols", "sim", "check", "storage", "database"]),
];
/// Crates that also build without the standard library: the compiler proves that they reach no clock, disk or network.
const WITHOUT_STD: &[&str] = &["machine", "protocols"];

/// Finds dependencies that break the map. Those of tests and examples only are free: nothing ships with them.
pub fn forbidden_dependencies(source: &Source) -> Vec<Finding> {
    let Some((name, may_use)) = MAY_USE.iter().find(|(name, _)| source.path == manifest(name)) else {
        return Vec::new();
    };
    let table: toml::Table = source.text.parse().unwrap_or_else(|error| panic!("{}: {error}", source.path));
    let used = ours(&table);
    let forbidden = used.iter().filter(|other| !may_use.contains(&other.as_str()));
    forbidden
        .map(|other| {
            let at = source.text.find(&format!("synod-{other}")).unwrap_or(0);
            source.finding(at, format!("{name} must not know {other}: move what it needs, or hand it in"))
        })
        .collect()
}

/// Finds pure crates that do not say `no_std`.
pub fn missing_no_std(source: &Source) -> Vec<Finding> {
    let is_root = WITHOUT_STD.iter().any(|name| source.path == format!("crates/{name}/src/lib.rs"));
    if !is_root
        || source.code.contains("#![no_std]")
        || source.code.contains("#![cfg_attr(not(test), no_std)]")
    {
        return Vec::new();
    }
    vec![
        source
            .finding(0, "this crate is #![no_std] with alloc: the compiler then proves that it does no I/O"),
    ]
}

/// Finds manifests that do not take part in the workspace's lints.
pub fn missing_lints(source: &Source) -> Vec<Finding> {
    let is_member = source.path.ends_with("/Cargo.toml") && !source.path.starts_with("fuzz/");
    if !is_member || source.text.contains("[lints]\nworkspace = true") {
        return Vec::new();
    }
    vec![source.finding(0, "a member of the workspace says `[lints] workspace = true`")]
}

fn manifest(name: &str) -> String {
    format!("crates/{name}/Cargo.toml")
}

/// Our own crates in `dependencies` and `build-dependencies`, also those of a platform alone.
fn ours(table: &toml::Table) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    for kind in ["dependencies", "build-dependencies"] {
        let names = table.get(kind).and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys);
        used.extend(names.filter_map(|name| name.strip_prefix("synod-")).map(str::to_owned));
    }
    let platforms =
        table.get("target").and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::values);
    used.extend(platforms.filter_map(toml::Value::as_table).flat_map(ours));
    used
}

#[test]
fn forbidden_dependencies_are_found() {
    let depending = |name: &str, table: &str| {
        let text = format!("[package]\nname = \"x\"\n[{table}]\nsynod-server.workspace = true\n");
        forbidden_dependencies(&Source::new(&manifest(name), &text)).len()
    };
    for (name, _) in MAY_USE {
        assert_eq!(depending(name, "dependencies"), 1, "{name}");
        assert_eq!(depending(name, "target.'cfg(unix)'.dependencies"), 1, "{name}");
        assert_eq!(depending(name, "dev-dependencies"), 0, "{name}");
    }
    assert_eq!(depending("synod", "dependencies"), 0);
}

#[test]
fn missing_no_std_is_found() {
    let of = |text| missing_no_std(&Source::new("crates/machine/src/lib.rs", text)).len();
    assert_eq!([of("//! x\n#![no_std]\n"), of("//! #![no_std]\n"), of("")], [0, 1, 1]);
}

#[test]
fn missing_lints_are_found() {
    assert_eq!(missing_lints(&Source::new("crates/a/Cargo.toml", "[package]\n")).len(), 1);
    assert_eq!(missing_lints(&Source::new("crates/a/Cargo.toml", "[lints]\nworkspace = true\n")), []);
}
