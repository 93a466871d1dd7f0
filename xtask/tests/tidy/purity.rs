//! Pure code: no clock, no disk, no network, no thread, no chance, no order that differs from run to run.
//!
//! The same compiled mechanisms run in the simulator and in the server; one call to the world outside would make a run
//! that cannot be repeated. Tests of pure code may use what they like.

use crate::source::{Finding, Source, occurrences};

/// Where code is pure: folders, and the parts of crates that also touch the world.
const PURE: &[&str] = &[
    "crates/machine/src/",
    "crates/protocols/src/",
    "crates/database/src/",
    "crates/storage/src/mvcc/",
    "crates/storage/src/wal/exercise.rs",
    "crates/storage/src/wal/format.rs",
    "crates/storage/src/wal/scan.rs",
];

/// What pure code does without, and what it does instead.
const BANNED: &[(&str, &str)] = &[
    ("Instant", "the time is in the context that a step is given"),
    ("SystemTime", "the time is in the context that a step is given"),
    ("std::net", "messages are effects"),
    ("std::fs", "writes are effects"),
    ("std::io", "writes are effects"),
    ("std::thread", "a machine is stepped, it does not run"),
    ("Mutex", "a machine is stepped by one caller at a time"),
    ("RwLock", "a machine is stepped by one caller at a time"),
    ("mpsc", "what leaves a machine is an effect"),
    ("std::process", "a machine does not end its process"),
    ("std::env", "what a machine is told stands in its configuration"),
    ("tokio", "a machine is stepped, it does not run"),
    ("rand", "choices are effects"),
    ("getrandom", "choices are effects"),
    ("HashMap", "take a BTreeMap: its order is the same in every run"),
    ("HashSet", "take a BTreeSet: its order is the same in every run"),
];

/// Finds what pure code must not use.
pub fn banned_calls(source: &Source) -> Vec<Finding> {
    if !PURE.iter().any(|place| source.path.starts_with(place)) {
        return Vec::new();
    }
    let mut findings = grouped_imports(source);
    for (name, instead) in BANNED {
        for at in source.words(name).filter(|at| !source.is_test(*at)) {
            findings.push(source.finding(at, format!("{name} in pure code: {instead}")));
        }
    }
    findings
}

/// `use std::{fs, net};` is the same as two paths.
fn grouped_imports(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, _) in source.code.match_indices("std::{").filter(|(at, _)| !source.is_test(*at)) {
        let list = source.code[at..].split(';').next().unwrap_or_default();
        for (path, instead) in BANNED {
            let Some(name) = path.strip_prefix("std::") else { continue };
            if let Some(within) = occurrences(list, name).next() {
                findings.push(source.finding(at + within, format!("{path} in pure code: {instead}")));
            }
        }
    }
    findings
}

#[test]
fn every_banned_call_is_found() {
    for (name, _) in BANNED {
        let planted = Source::new("crates/machine/src/a.rs", &format!("fn a() {{ {name}::now() }}"));
        assert_eq!(banned_calls(&planted).len(), 1, "{name}");
        for place in ["crates/server/src/a.rs", "crates/machine/tests/a.rs"] {
            let allowed = Source::new(place, &planted.text);
            assert_eq!(banned_calls(&allowed), [], "{name} in {place}");
        }
    }
}

#[test]
fn banned_calls_are_found_in_grouped_imports() {
    let planted =
        Source::new("crates/database/src/a.rs", "use std::{collections::BTreeMap, fs, net::TcpStream};\n");
    assert_eq!(banned_calls(&planted).len(), 2);
}

#[test]
fn words_in_comments_and_tests_are_no_calls() {
    let text = "//! No HashMap here.\n#[cfg(test)]\nmod tests { use std::fs; }\n";
    assert_eq!(banned_calls(&Source::new("crates/storage/src/mvcc/a.rs", text)), []);
}
