//! One line of a history, whatever notation it came in.

use std::sync::Arc;
use std::time::Duration;

use super::datum::Datum;
use super::error::Place;

/// Something that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it stands in the file.
    pub place: Place,
    /// When it happened, since the beginning of the run, if the file says so.
    pub time: Option<Duration>,
    /// What happened.
    pub what: What,
}

/// What was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A client asked, or was answered.
    Client {
        /// Whose.
        process: Datum,
        /// Which end of the operation.
        kind: Kind,
        /// What is asked: `read`, `cas`, `txn`.
        function: Arc<str>,
        /// Which object, where the file names it apart from the value.
        key: Option<Datum>,
        /// What was given, or came back.
        value: Datum,
        /// Why it failed, or is unknown.
        error: Option<Datum>,
    },
    /// Something was done to the system under test.
    Nemesis {
        /// Its name: `start`, `kill`.
        function: Arc<str>,
        /// To whom, or how.
        value: Datum,
    },
    /// A disturbance began, under a number.
    Fault {
        /// Tells disturbances apart.
        id: i64,
        /// In words.
        what: String,
    },
    /// A disturbance ended.
    FaultEnd {
        /// Which.
        id: i64,
    },
}

/// An end of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The client asked.
    Invoke,
    /// It was answered.
    Ok,
    /// The operation did not happen and never will.
    Fail,
    /// Whether it happened, or will, is not known.
    Info,
}

impl Kind {
    /// The kind with this name.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "invoke" => Some(Self::Invoke),
            "ok" => Some(Self::Ok),
            "fail" => Some(Self::Fail),
            "info" => Some(Self::Info),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Invoke => "invoke",
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Info => "info",
        }
    }
}
