//! Every flag of etcd 3.5: those that mean here what they mean there, and those that are refused, each with
//! its reason.
//!
//! A refused flag may still be given the value that asks for nothing, where it has one: unit files say
//! `--auto-tls=false`. Flags that Synod alone has do not exist; where etcd has no flag, there is no setting.

mod refused;

use super::settings::{ConfigError, Setting};
use crate::go_syntax::parse_switch;

/// How a flag takes its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// After `=` only; none means true.
    Switch,
    /// After `=`, or as the next word.
    Value,
}

/// A flag that is supported.
#[derive(Debug)]
pub struct Flag {
    /// The name, without dashes.
    pub name: &'static str,
    /// How it takes its value.
    pub kind: Kind,
    /// The text that stands for its absence; where it depends on other flags, a description in angle
    /// brackets.
    pub default: &'static str,
    /// One sentence of help.
    pub help: &'static str,
}

/// A flag of etcd's that Synod does not have.
#[derive(Debug)]
pub struct RefusedFlag {
    /// The name, without dashes.
    pub name: &'static str,
    /// How it takes its value.
    pub kind: Kind,
    /// The value that asks for nothing, if there is one.
    pub neutral: Option<&'static str>,
    /// Why it is refused and what to do, to follow "is not supported".
    pub reason: &'static str,
}

/// What is known of a name.
#[derive(Debug)]
pub enum Lookup {
    /// A flag that is supported.
    Known(&'static Flag),
    /// A flag of etcd's that is not.
    Refused(&'static RefusedFlag),
    /// No flag at all.
    Unknown,
}

/// Looks a name up, without dashes.
pub fn find(name: &str) -> Lookup {
    let known = groups().flat_map(|(_, flags)| flags).find(|flag| flag.name == name);
    let refused = || refused::FLAGS.iter().find(|flag| flag.name == name);
    known.map(Lookup::Known).or_else(|| refused().map(Lookup::Refused)).unwrap_or(Lookup::Unknown)
}

/// All names, supported and refused.
pub fn names() -> impl Iterator<Item = &'static str> {
    let known = groups().flat_map(|(_, flags)| flags).map(|flag| flag.name);
    known.chain(refused::FLAGS.iter().map(|flag| flag.name))
}

/// Names farther than this many edits are no suggestion.
const EDITS_MAX: usize = 4;

/// The name that was most likely meant by one that is none: the one that the fewest edits lead to, of equally near ones that which goes
/// on as it began; or one that contains it.
pub fn nearest(name: &str) -> Option<&'static str> {
    let near_enough = EDITS_MAX.min(name.chars().count().div_ceil(3));
    let edits = names().map(|known| (strsim::levenshtein(name, known), !known.starts_with(name), known));
    match edits.min() {
        Some((edits, _, known)) if edits <= near_enough => Some(known),
        _ => names().find(|known| !name.is_empty() && known.contains(name)),
    }
}

/// The supported flags by topic, in the order of the help text.
pub fn groups() -> impl Iterator<Item = (&'static str, &'static [Flag])> {
    [
        ("Member", MEMBER),
        ("Cluster", CLUSTER),
        ("Limits and history", LIMITS),
        ("Security", SECURITY),
        ("Observation", OBSERVATION),
    ]
    .into_iter()
}

/// The default text of a supported flag.
pub fn default_of(name: &str) -> &'static str {
    match find(name) {
        Lookup::Known(flag) => flag.default,
        _ => unreachable!("{name} is read as a setting but is not in the catalogue"),
    }
}

/// Refuses a setting that Synod does not have, unless its value asks for nothing.
pub fn check(setting: &Setting) -> Result<(), ConfigError> {
    let Lookup::Refused(flag) = find(setting.name()) else { return Ok(()) };
    let is_neutral = match (flag.neutral, flag.kind) {
        (Some(neutral), Kind::Switch) => parse_switch(&setting.value) == parse_switch(neutral),
        (Some(neutral), Kind::Value) => setting.value == neutral,
        (None, _) => false,
    };
    if is_neutral { Ok(()) } else { Err(setting.refused(format_args!("not supported: {}", flag.reason))) }
}

const fn value(name: &'static str, default: &'static str, help: &'static str) -> Flag {
    Flag { name, kind: Kind::Value, default, help }
}

const fn switch(name: &'static str, help: &'static str) -> Flag {
    Flag { name, kind: Kind::Switch, default: "false", help }
}

const MEMBER: &[Flag] = &[
    value("config-file", "", "TOML file with these settings; flags and variables are ignored then."),
    value("name", "default", "This member's name, unique in the cluster."),
    value("data-dir", "<name>.etcd", "Directory for everything this member keeps."),
    value("listen-client-urls", "http://localhost:2379", "Addresses for clients, separated by commas."),
    value("listen-peer-urls", "http://localhost:2380", "Addresses for other members."),
    value("advertise-client-urls", "http://localhost:2379", "Client URLs as others reach them."),
    switch("version", "Print the version and exit."),
];

const CLUSTER: &[Flag] = &[
    value("initial-advertise-peer-urls", "http://localhost:2380", "Peer URLs as other members reach them."),
    value(
        "initial-cluster",
        "<name>=<initial-advertise-peer-urls>",
        "All members, as name=URL, separated by commas.",
    ),
    value("initial-cluster-state", "new", "new: found a cluster. existing: join one."),
    value("initial-cluster-token", "etcd-cluster", "Tells clusters apart whose members share addresses."),
    value(
        "heartbeat-interval",
        "100",
        "Milliseconds between a leader's heartbeats; at rest a quarter of the election timeout, if that is longer.",
    ),
    value("election-timeout", "1000", "Milliseconds without a leader before an election."),
    value("snapshot-count", "100000", "Committed entries between two snapshots of the log."),
];

const LIMITS: &[Flag] = &[
    value("quota-backend-bytes", "0", "Bytes the store may take; 0 means 2 GiB, negative no limit."),
    value("max-request-bytes", "1572864", "Largest request, in bytes."),
    value("max-txn-ops", "128", "Most operations in a transaction."),
    value("auto-compaction-mode", "periodic", "Forget history by age (periodic) or by count (revision)."),
    value("auto-compaction-retention", "0", "How much to keep: hours or 10m, or revisions. 0: all."),
    value(
        "experimental-watch-progress-notify-interval",
        "10m",
        "Time between progress notices of a quiet watch.",
    ),
];

const SECURITY: &[Flag] = &[
    value("cert-file", "", "Certificate shown to clients (PEM)."),
    value("key-file", "", "Its private key (PEM)."),
    value("trusted-ca-file", "", "Authorities of client certificates (PEM); clients must show one then."),
    switch("client-cert-auth", "Require a client certificate signed by --trusted-ca-file."),
    value("peer-cert-file", "", "Certificate shown to other members, as server and as client (PEM)."),
    value("peer-key-file", "", "Its private key (PEM)."),
    value("peer-trusted-ca-file", "", "Authorities of peer certificates (PEM)."),
    switch("peer-client-cert-auth", "Require a peer certificate signed by --peer-trusted-ca-file."),
];

const OBSERVATION: &[Flag] = &[
    value("log-level", "info", "debug, info, warn, error, panic or fatal."),
    value("metrics", "basic", "basic, or extensive for histograms of every request."),
    value("listen-metrics-urls", "", "Further addresses for /metrics and /health alone."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        let mut names: Vec<_> = names().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn every_refusal_is_a_sentence_and_every_neutral_switch_a_switch() {
        for flag in refused::FLAGS {
            assert!(
                flag.reason.len() > 10 && !flag.reason.ends_with('.'),
                "{}: {:?}",
                flag.name,
                flag.reason
            );
            if let (Kind::Switch, Some(neutral)) = (flag.kind, flag.neutral) {
                assert!(parse_switch(neutral).is_some(), "{}", flag.name);
            }
        }
    }
}
