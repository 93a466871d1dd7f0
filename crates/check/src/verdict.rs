//! Verdicts: what a checker says, in types for programs and in sentences for people.

use std::fmt;

/// What a checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The history keeps the model.
    Linearizable,
    /// The history breaks the model, and this is why.
    Violation(Box<Violation>),
    /// A limit was met before an answer was found. The history may keep the model or break it.
    Unknown(Unknown),
}

impl Verdict {
    /// Whether the history was shown to keep the model.
    pub fn is_linearizable(&self) -> bool {
        matches!(self, Self::Linearizable)
    }

    /// Whether the history was shown to break the model.
    pub fn is_violation(&self) -> bool {
        matches!(self, Self::Violation(_))
    }

    /// Whether a limit was met before an answer was found.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown(_))
    }

    /// The reason, when the history breaks the model.
    pub fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Violation(violation) => Some(violation),
            Self::Linearizable | Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linearizable => f.write_str("The history is linearizable."),
            Self::Violation(violation) => violation.fmt(f),
            Self::Unknown(unknown) => {
                write!(f, "It is unknown whether the history is linearizable: {unknown}.")
            }
        }
    }
}

/// Which limit ended a check without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Too much work.
    #[error(
        "the limit of {steps_max} steps was reached after {operations_returned} operations had been explained, \
         with {open} operations in flight"
    )]
    Steps {
        /// The limit that was set.
        steps_max: u64,
        /// Operations whose return had been explained.
        operations_returned: u64,
        /// Operations in flight or never answered at that time.
        open: usize,
    },
    /// It took too long.
    #[error(
        "the time limit of {time_max:?} was reached after {operations_returned} operations had been explained, with \
         {open} operations in flight"
    )]
    Time {
        /// The limit that was set.
        time_max: std::time::Duration,
        /// Operations whose return had been explained.
        operations_returned: u64,
        /// Operations in flight or never answered at that time.
        open: usize,
    },
    /// Too many possible worlds at once.
    #[error(
        "more than {configurations_max} configurations were possible at once after {operations_returned} operations \
         had been explained, with {open} operations in flight"
    )]
    Configurations {
        /// The limit that was set.
        configurations_max: usize,
        /// Operations whose return had been explained.
        operations_returned: u64,
        /// Operations in flight or never answered at that time.
        open: usize,
    },
}

/// Why a history cannot be explained.
///
/// The history up to and including the return of [`operation`](Self::operation) is the smallest prefix that is
/// impossible: everything before that return has an explanation. (Unless [`even_if_repeated`](Self::even_if_repeated)
/// is set: then what was found has an explanation only under a weaker condition.)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The part of the object that is concerned, where the specification divides it (a key).
    pub partition: Option<String>,
    /// The operation whose return cannot be explained.
    pub operation: OperationSummary,
    /// How many operations had returned, and been explained, before it (in this partition).
    pub explained_before: u64,
    /// Whether this was proven for the weaker condition that an operation that was never answered may take effect any
    /// number of times. It is impossible all the more if it takes effect once; a shorter prefix may be, too.
    pub even_if_repeated: bool,
    /// The states that were possible when it returned, each with what the operation runs into there. The list is
    /// cut at [`POSSIBILITIES_SHOWN_MAX`].
    pub possibilities: Vec<Possibility>,
    /// How many states were possible in all.
    pub possibilities_count: usize,
    /// Operations in flight at the return of the impossible one. The list is cut at [`CONCURRENT_SHOWN_MAX`].
    pub concurrent: Vec<OperationSummary>,
    /// How many were in flight in all.
    pub concurrent_count: usize,
}

/// How many possible states a violation lists.
pub const POSSIBILITIES_SHOWN_MAX: usize = 8;
/// How many concurrent operations a violation lists.
pub const CONCURRENT_SHOWN_MAX: usize = 16;

/// An operation in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationSummary {
    /// Its id in the history.
    pub id: crate::history::OperationId,
    /// What was asked and answered, by whom and when.
    pub text: String,
}

/// A state in which the impossible operation was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Possibility {
    /// The state before.
    pub state: String,
    /// Which operations in flight had already taken effect in it, by their ids.
    pub taken_effect: Vec<crate::history::OperationId>,
    /// What the operation runs into there.
    pub objection: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("The history is not linearizable")?;
        if let Some(partition) = &self.partition {
            write!(f, " at {partition}")?;
        }
        writeln!(
            f,
            ": {} cannot be placed anywhere between its invocation and its return. Everything that returned before it \
             ({}) has an explanation{}; with its return there is none.",
            self.operation.text,
            match self.explained_before {
                1 => "1 operation".to_owned(),
                count => format!("{count} operations"),
            },
            match self.even_if_repeated {
                true => " if operations that were never answered may take effect more than once",
                false => "",
            }
        )?;
        for possibility in &self.possibilities {
            write!(f, "- Where the state was {}", possibility.state)?;
            if !possibility.taken_effect.is_empty() {
                let names: Vec<_> = possibility.taken_effect.iter().map(ToString::to_string).collect();
                write!(f, " ({} had taken effect)", names.join(", "))?;
            }
            writeln!(f, ", {}.", possibility.objection)?;
        }
        if self.possibilities.len() < self.possibilities_count {
            let more = self.possibilities_count - self.possibilities.len();
            writeln!(f, "- And {more} more possible states.")?;
        }
        if self.concurrent.is_empty() {
            return f.write_str("No other operation was in flight that could have changed the state.");
        }
        f.write_str("No order of the operations in flight helps:")?;
        for operation in &self.concurrent {
            write!(f, "\n- {}", operation.text)?;
        }
        if self.concurrent.len() < self.concurrent_count {
            write!(f, "\n- and {} more", self.concurrent_count - self.concurrent.len())?;
        }
        Ok(())
    }
}
