//! Forwarded changes that stand in a leader's log and are not committed yet.
//!
//! An origin that waits sends its changes again, since a message may be lost. The session table lets only the first copy take effect, but every copy
//! would take its place in the log: a leader that falls behind would be given the more to do the further it is behind. So a
//! leader takes a change once for as long as its own copy can still be committed. That is no more than a saving: nothing
//! rests on it, and it is forgotten with the leadership.

use std::collections::BTreeSet;

use crate::proposal::ChangeName;

/// What a leader has taken from other nodes in its term, until it is committed. As long as the uncommitted end of the log, at most.
#[derive(Clone, Debug, Default)]
pub(super) struct Underway {
    names: BTreeSet<ChangeName>,
}

impl Underway {
    /// A change is to be taken: not if its first copy is under way.
    pub(super) fn take(&mut self, name: ChangeName) -> bool {
        self.names.insert(name)
    }

    /// The log did not take them.
    pub(super) fn refused(&mut self, names: Vec<ChangeName>) {
        for name in names {
            self.names.remove(&name);
        }
    }

    /// A change is committed: another copy of it comes from an origin that has not heard.
    pub(super) fn committed(&mut self, name: Option<ChangeName>) {
        if let Some(name) = name {
            self.names.remove(&name);
        }
    }

    /// Nothing more is to be remembered.
    pub(super) fn clear(&mut self) {
        self.names.clear();
    }

    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
