//! One key's newest known version: a value, or the certificate of its death.

use alloc::collections::BTreeSet;
use core::time::Duration;

use synod_machine::NodeId;

use crate::clocks::HybridTimestamp;

/// When an update was made, and where: unique, and totally ordered. The last writer wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The hybrid clock of the update.
    pub time: HybridTimestamp,
    /// The site where it was made.
    pub site: NodeId,
}

/// What a key has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Content<V> {
    /// A value.
    Value(V),
    /// It was deleted.
    Death(Certificate),
}

/// A death certificate: it spreads like a value and keeps old copies from bringing the key back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Certificate {
    /// When it was issued, or last awakened: by the wall clock, since 1970. From then on it is active for a while.
    pub activated: Duration,
    /// The sites that keep it asleep when the others have dropped it.
    pub retention: BTreeSet<NodeId>,
}

/// A key's version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry<V> {
    /// When and where it was made.
    pub stamp: Stamp,
    /// What it is.
    pub content: Content<V>,
}

/// What decides between two versions of a key: the stamp, then how lately a certificate was awakened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryVersion {
    /// The update.
    pub stamp: Stamp,
    /// Of a certificate, when it was activated.
    pub activated: Option<Duration>,
}

impl<V> Entry<V> {
    /// What decides between this and another version of the key.
    pub fn version(&self) -> EntryVersion {
        EntryVersion {
            stamp: self.stamp,
            activated: self.certificate().map(|certificate| certificate.activated),
        }
    }

    /// The value, unless it is a death.
    pub fn value(&self) -> Option<&V> {
        match &self.content {
            Content::Value(value) => Some(value),
            Content::Death(_) => None,
        }
    }

    /// The certificate, if it is a death.
    pub fn certificate(&self) -> Option<&Certificate> {
        match &self.content {
            Content::Value(_) => None,
            Content::Death(certificate) => Some(certificate),
        }
    }
}
