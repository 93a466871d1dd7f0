//! The properties, over what was seen from outside: executions, answers, and the effects that are left.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;

use synod_machine::NodeId;

use super::{Activity, CallId, Event, Incarnation, Semantics};

/// A property that does not hold, and why.
pub type Broken = (&'static str, String);

/// Counts executions by call, and says what they violate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Executions {
    executed: BTreeMap<CallId, u64>,
    /// The newest life of each client that each server has heard of.
    heard: BTreeMap<(NodeId, NodeId), Incarnation>,
    holds_maybe: bool,
    holds_all: bool,
}

impl Executions {
    /// At-most-once calls are held to their promise; maybe calls too if `holds_maybe`, which a network that repeats messages cannot keep; all if
    /// `holds_all`, to see what at-least-once calls do not promise.
    pub fn new(holds_maybe: bool, holds_all: bool) -> Self {
        Executions { holds_maybe, holds_all, ..Self::default() }
    }

    /// What a server's event adds.
    ///
    /// # Errors
    ///
    /// *At most once*: no such call is executed a second time (Birrell and Nelson 1984, section 3.2). *No orphans*: no call of an earlier life is executed once its server has
    /// heard of a later one (Nelson 1981, chapter 5).
    pub fn observe(&mut self, server: NodeId, event: &Event) -> Result<(), Broken> {
        match event {
            Event::Executed { call, semantics } => self.executed(server, *call, *semantics),
            Event::Reincarnated(Activity { client, incarnation }) => {
                self.heard.insert((server, *client), *incarnation);
                Ok(())
            }
            Event::Exterminated { .. } | Event::Recovered { .. } => Ok(()),
        }
    }

    fn executed(&mut self, server: NodeId, call: CallId, semantics: Semantics) -> Result<(), Broken> {
        let count = self.executed.entry(call).or_default();
        *count += 1;
        let held = match semantics {
            Semantics::AtMostOnce => true,
            Semantics::Maybe => self.holds_maybe || self.holds_all,
            Semantics::AtLeastOnce | Semantics::ExactlyOnce => self.holds_all,
        };
        if *count > 1 && held {
            let sentence =
                format!("expected {call} to be executed at most once, found execution {count} of it");
            return Err(("at most once", sentence));
        }
        let newest = self.heard.get(&(server, call.activity.client));
        match newest {
            Some(newest) if *newest > call.activity.incarnation && semantics != Semantics::ExactlyOnce => {
                let client = call.activity.client;
                let sentence =
                    format!("{server} has heard {client} in life {}, and yet executes {call}", newest.0);
                Err(("no orphans", sentence))
            }
            _ => Ok(()),
        }
    }

    /// How often a call was executed.
    pub fn of(&self, call: CallId) -> u64 {
        self.executed.get(&call).copied().unwrap_or(0)
    }

    /// All executions.
    pub fn total(&self) -> u64 {
        self.executed.values().sum()
    }

    /// Calls that were executed more than once.
    pub fn repeated(&self) -> u64 {
        self.executed.values().filter(|count| **count > 1).count() as u64
    }

    /// A server that crashed has forgotten whom it heard.
    pub fn crashed(&mut self, node: NodeId) {
        self.heard.retain(|(server, _), _| *server != node);
    }

    /// *At least once*: results mean that the procedure was executed (Spector 1982, section 2).
    ///
    /// # Errors
    ///
    /// Names the call that was answered and not executed.
    pub fn answered(&self, call: CallId) -> Result<(), String> {
        if self.of(call) > 0 { Ok(()) } else { Err(format!("{call} has results and was never executed")) }
    }
}

/// *Exactly once*: what the calls did is there once for each that was answered, and at most once for any (Spector 1982, section 2: only-once-type-2).
/// `effects` counts in the service's state.
///
/// # Errors
///
/// Names the call and the count.
pub fn exactly_once<T: core::fmt::Display>(
    effects: impl IntoIterator<Item = (T, u64, bool)>,
) -> Result<(), String> {
    for (call, count, answered) in effects {
        if count > 1 || (answered && count == 0) {
            return Err(format!("expected the effect of {call} to be there once, found it {count} times"));
        }
    }
    Ok(())
}
