//! The names of models: short ones for command lines and files, long ones for sentences.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use super::Model;

/// A name that is no model's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownModel {
    /// No model is called so.
    #[error(
        "no consistency model is called {name:?}; expected one of linearizable, sequential, causal-convergence, \
         causal-memory, causal, pram, read-your-writes, monotonic-reads, monotonic-writes, writes-follow-reads, \
         eventual, staleness-versions=K, staleness-time=T, strict-serializable, strong-session-serializable, \
         serializable, strong-session-snapshot-isolation, snapshot-isolation, transactional-causal, read-atomic, \
         read-committed"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// The model is known, its parameter is not.
    #[error("{found:?} is no parameter of {model}: expected {expected}")]
    Parameter {
        /// The model's name.
        model: &'static str,
        /// What was given.
        found: String,
        /// What would be right.
        expected: &'static str,
    },
}

/// How long after the last write reads must agree, where nothing else is said.
const QUIET_DEFAULT: Duration = Duration::from_secs(1);

const A_TIME: &str = "a number with a unit, as in 250us, 100ms or 2s";
const A_COUNT: &str = "a number of versions from 1, as in staleness-versions=2";

impl Model {
    /// The name in a sentence: "the history keeps …".
    pub fn title(self) -> String {
        match self {
            Self::Linearizable => "linearizability".into(),
            Self::Sequential => "sequential consistency".into(),
            Self::CausalConvergence => "causal convergence".into(),
            Self::CausalMemory => "causal memory".into(),
            Self::Causal => "causal consistency".into(),
            Self::Pram => "PRAM (FIFO) consistency".into(),
            Self::ReadYourWrites => "read your writes".into(),
            Self::MonotonicReads => "monotonic reads".into(),
            Self::MonotonicWrites => "monotonic writes".into(),
            Self::WritesFollowReads => "writes follow reads".into(),
            Self::Eventual { quiet } => format!("eventual convergence (within {quiet:?})"),
            Self::StalenessVersions { versions } => format!("bounded staleness ({versions} versions)"),
            Self::StalenessTime { age_max } => format!("bounded staleness ({age_max:?})"),
            Self::StrictSerializable => "strict serializability".into(),
            Self::StrongSessionSerializable => "strong session serializability".into(),
            Self::Serializable => "serializability".into(),
            Self::StrongSessionSnapshotIsolation => "strong session snapshot isolation".into(),
            Self::SnapshotIsolation => "snapshot isolation".into(),
            Self::TransactionalCausal => "transactional causal consistency".into(),
            Self::ReadAtomic => "read atomic".into(),
            Self::ReadCommitted => "read committed".into(),
        }
    }

    /// The short name without a parameter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linearizable => "linearizable",
            Self::Sequential => "sequential",
            Self::CausalConvergence => "causal-convergence",
            Self::CausalMemory => "causal-memory",
            Self::Causal => "causal",
            Self::Pram => "pram",
            Self::ReadYourWrites => "read-your-writes",
            Self::MonotonicReads => "monotonic-reads",
            Self::MonotonicWrites => "monotonic-writes",
            Self::WritesFollowReads => "writes-follow-reads",
            Self::Eventual { .. } => "eventual",
            Self::StalenessVersions { .. } => "staleness-versions",
            Self::StalenessTime { .. } => "staleness-time",
            Self::StrictSerializable => "strict-serializable",
            Self::StrongSessionSerializable => "strong-session-serializable",
            Self::Serializable => "serializable",
            Self::StrongSessionSnapshotIsolation => "strong-session-snapshot-isolation",
            Self::SnapshotIsolation => "snapshot-isolation",
            Self::TransactionalCausal => "transactional-causal",
            Self::ReadAtomic => "read-atomic",
            Self::ReadCommitted => "read-committed",
        }
    }
}

/// The short name, which parses back to the same model.
impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Eventual { quiet: time } | Self::StalenessTime { age_max: time } => {
                f.pad(&format!("{}={}", self.name(), time_text(time)))
            }
            Self::StalenessVersions { versions } => f.pad(&format!("{}={versions}", self.name())),
            _ => f.pad(self.name()),
        }
    }
}

/// Short names as they are printed, the terms of papers, and their usual abbreviations; case, spaces and underscores do
/// not matter. What takes a parameter has it after `=`: `eventual=500ms` (1 s if it is left out),
/// `staleness-versions=2`, `staleness-time=100ms`.
impl FromStr for Model {
    type Err = UnknownModel;

    fn from_str(text: &str) -> Result<Self, UnknownModel> {
        let (name, parameter) = match text.split_once('=') {
            Some((name, parameter)) => (name, Some(parameter.trim())),
            None => (text, None),
        };
        let plain = name.trim().to_lowercase().replace([' ', '_'], "-");
        let unknown = || UnknownModel::Name { name: text.trim().to_owned() };
        match plain.as_str() {
            "eventual" | "eventual-consistency" | "eventual-convergence" => {
                let quiet = parameter.map_or(Ok(QUIET_DEFAULT), |time| parse_time("eventual", time))?;
                Ok(Self::Eventual { quiet })
            }
            "staleness-versions" | "k-atomicity" | "k-atomic" => {
                Ok(Self::StalenessVersions { versions: parse_versions(parameter.unwrap_or_default())? })
            }
            "staleness-time" | "delta-atomicity" | "delta-atomic" => Ok(Self::StalenessTime {
                age_max: parse_time("staleness-time", parameter.unwrap_or_default())?,
            }),
            _ if parameter.is_some() => Err(unknown()),
            plain => plain_model(plain).ok_or_else(unknown),
        }
    }
}

/// The models without a parameter, by all their names.
fn plain_model(name: &str) -> Option<Model> {
    Some(match name {
        "linearizable" | "linearizability" | "lin" | "atomic" => Model::Linearizable,
        "sequential" | "sequential-consistency" | "sequentially-consistent" | "sc" => Model::Sequential,
        "causal-convergence" | "convergent-causal" | "ccv" => Model::CausalConvergence,
        "causal-memory" | "cm" => Model::CausalMemory,
        "causal" | "causal-consistency" | "weak-causal-consistency" | "cc" => Model::Causal,
        "pram" | "fifo" | "pipelined" | "pipelined-ram" => Model::Pram,
        "read-your-writes" | "read-my-writes" | "ryw" => Model::ReadYourWrites,
        "monotonic-reads" | "mr" => Model::MonotonicReads,
        "monotonic-writes" | "mw" => Model::MonotonicWrites,
        "writes-follow-reads" | "session-causality" | "wfr" => Model::WritesFollowReads,
        "strict-serializable" | "strict-serializability" | "strong-serializable" => Model::StrictSerializable,
        "strong-session-serializable" | "strong-session-serializability" => Model::StrongSessionSerializable,
        "serializable" | "serializability" | "ser" | "pl-3" => Model::Serializable,
        "strong-session-snapshot-isolation" => Model::StrongSessionSnapshotIsolation,
        "snapshot-isolation" | "si" | "pl-si" => Model::SnapshotIsolation,
        "transactional-causal" | "transactional-causal-consistency" | "tcc" => Model::TransactionalCausal,
        "read-atomic" | "ra" => Model::ReadAtomic,
        "read-committed" | "rc" | "pl-2" => Model::ReadCommitted,
        _ => return None,
    })
}

fn parse_versions(text: &str) -> Result<u32, UnknownModel> {
    let refused =
        || UnknownModel::Parameter { model: "staleness-versions", found: text.to_owned(), expected: A_COUNT };
    text.parse().ok().filter(|&versions| versions > 0).ok_or_else(refused)
}

fn parse_time(model: &'static str, text: &str) -> Result<Duration, UnknownModel> {
    let refused = || UnknownModel::Parameter { model, found: text.to_owned(), expected: A_TIME };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let unit_at = text.find(|character: char| !character.is_ascii_digit()).ok_or_else(refused)?;
    let (count, unit) = text.split_at(unit_at);
    let count: u64 = count.parse().map_err(|_| refused())?;
    Ok(match unit.trim() {
        "ns" => Duration::from_nanos(count),
        "us" | "µs" => Duration::from_micros(count),
        "ms" => Duration::from_millis(count),
        "s" => Duration::from_secs(count),
        _ => return Err(refused()),
    })
}

/// The time in its largest unit that leaves no rest.
fn time_text(time: Duration) -> String {
    let nanoseconds = time.as_nanos();
    let units = [(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];
    let unit = units.iter().find(|(size, _)| nanoseconds.is_multiple_of(*size)).expect("1 divides all");
    format!("{}{}", nanoseconds / unit.0, unit.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printed_name_parses_to_the_same_model() {
        let mut models = [Model::OPERATIONS.as_slice(), &Model::TRANSACTIONS].concat();
        models.push(Model::Eventual { quiet: Duration::ZERO });
        models.push(Model::Eventual { quiet: Duration::from_millis(1500) });
        models.push(Model::StalenessTime { age_max: Duration::from_micros(7) });
        models.push(Model::StalenessVersions { versions: 3 });
        for model in models {
            assert_eq!(model.to_string().parse(), Ok(model));
        }
    }

    #[test]
    fn terms_of_papers_are_understood() {
        assert_eq!("Sequential Consistency".parse(), Ok(Model::Sequential));
        assert_eq!("CCv".parse(), Ok(Model::CausalConvergence));
        assert_eq!("snapshot_isolation".parse(), Ok(Model::SnapshotIsolation));
        assert_eq!("k-atomicity=2".parse(), Ok(Model::StalenessVersions { versions: 2 }));
        assert_eq!("eventual".parse(), Ok(Model::Eventual { quiet: QUIET_DEFAULT }));
    }

    #[test]
    fn what_is_wrong_with_a_name_is_said() {
        let error = |text: &str| text.parse::<Model>().unwrap_err().to_string();
        assert!(error("strong").starts_with("no consistency model is called \"strong\""));
        assert!(error("causal=3").starts_with("no consistency model is called \"causal=3\""));
        assert_eq!(
            error("staleness-time=3h"),
            "\"3h\" is no parameter of staleness-time: expected a number with a unit, as in 250us, 100ms or 2s"
        );
        assert!(error("staleness-versions=0").contains("from 1"));
        assert!(error("staleness-time").contains("\"\" is no parameter"));
    }
}
