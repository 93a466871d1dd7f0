//! What the sites of an epidemic are told, and what they say.

use alloc::vec::Vec;
use core::time::Duration;

use synod_machine::NodeId;

use crate::gossip::anti_entropy::{Comparison, Message as ExchangeMessage};
use crate::gossip::replica::{Entry, EntryVersion, Lifetimes, Stamp};
use crate::gossip::rumor::{Direction, Policy};

/// How a site behaves; the same at all sites but for `peers`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// All other sites.
    pub peers: Vec<NodeId>,
    /// How rumors spread; nothing: they do not.
    pub rumor: Option<Policy>,
    /// Time between two contacts of a site that has rumors, or asks for some.
    pub rumor_cycle: Duration,
    /// How replicas are compared; nothing: they are not.
    pub anti_entropy: Option<AntiEntropy>,
    /// Time between two comparisons that a site begins.
    pub anti_entropy_cycle: Duration,
    /// What a comparison finds becomes a rumor again.
    pub redistribute: bool,
    /// How long death certificates live.
    pub lifetimes: Lifetimes,
    /// At how many sites, drawn at random, certificates sleep.
    pub retention_sites: usize,
    /// Levels of the Merkle tree.
    pub levels: u8,
}

/// A way to compare replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AntiEntropy {
    /// Who gets what.
    pub direction: Direction,
    /// How differences are found.
    pub comparison: Comparison,
}

/// What sites say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message<K, V> {
    /// Hot rumors.
    Rumors {
        /// Each key with its version.
        entries: Vec<(K, Entry<V>)>,
        /// The sender wants to hear which of them were news.
        feedback: bool,
    },
    /// Which rumors were news, and which were known.
    Heard {
        /// These were news.
        needed: Vec<(K, EntryVersion)>,
        /// These were known.
        known: Vec<(K, EntryVersion)>,
    },
    /// Is there news?
    Ask,
    /// A comparison of replicas.
    Exchange(ExchangeMessage<K, V>),
}

/// Names of deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The next contact of a rumor monger.
    Rumor,
    /// The next comparison.
    AntiEntropy,
    /// Death certificates may have to fall asleep.
    Expire,
}

/// What clients ask.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command<K, V> {
    /// Give the key this value.
    Write(K, V),
    /// Delete the key.
    Delete(K),
    /// What is the key's value here?
    Read(K),
}

/// What they are answered.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply<V> {
    /// Written, or deleted, and durable at this site.
    Written(Stamp),
    /// The value here, if there is one.
    Value(Option<V>),
}

/// What whoever embeds the machine is told.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event<K> {
    /// A version that was new here.
    News(K, EntryVersion),
    /// This site has lost interest in a rumor.
    Removed(K),
}
